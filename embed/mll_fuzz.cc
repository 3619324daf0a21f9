// Fuzzes the reader of `.mll` files and the embedder behind it. Digests are
// corrected first: no fuzzer finds a BLAKE3 hash.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "corkscrew/embedder.h"
#include "embed/blake3.h"
#include "embed/manta_embedder.h"
#include "embed/mll_contents.h"
#include "embed/mll_file.h"

namespace {

constexpr size_t kHeaderBytes = 24;
constexpr size_t kEntryBytes = 64;

template <typename T>
T Load(const std::string& bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

void CorrectDigests(std::string* bytes) {
  if (bytes->size() < kHeaderBytes) return;
  const uint64_t size = bytes->size();
  std::memcpy(bytes->data() + 8, &size, sizeof(size));
  const auto count = Load<uint32_t>(*bytes, 16);
  for (uint32_t i = 0; i < count; ++i) {
    const size_t entry = kHeaderBytes + i * kEntryBytes;
    if (entry + kEntryBytes > bytes->size()) return;
    const auto offset = Load<uint64_t>(*bytes, entry + 4);
    const auto length = Load<uint64_t>(*bytes, entry + 12);
    if (offset > bytes->size() || length > bytes->size() - offset) continue;
    std::string body = bytes->substr(offset, length);
    const bool head = bytes->compare(entry, 4, "HEAD") == 0;
    if (head && (*bytes)[6] != 2 && body.size() >= 24) {
      body.replace(8, 16, 16, '\0');
    }
    const corkscrew::Blake3Digest digest = corkscrew::Blake3(body);
    std::memcpy(bytes->data() + entry + 20, digest.data(), digest.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  CorrectDigests(&bytes);
  const auto file = corkscrew::MllFile::Parse(bytes, "fuzz.mll");
  if (!file.ok()) return 0;
  (void)(*file)->ContentHash();
  (void)(*file)->VerifySignature(std::string(32, 'k'));
  (void)corkscrew::MllContents::Read(**file);
  const auto embedder = corkscrew::MantaEmbedder::Create(**file, {});
  if (!embedder.ok()) return 0;
  const std::vector<absl::string_view> texts = {"", "two words, one \xC3\x9C"};
  (void)(*embedder)->Embed(texts, corkscrew::TextKind::kDocument);
  return 0;
}
