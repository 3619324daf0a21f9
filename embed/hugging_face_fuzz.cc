// Fuzzes tokenizer.json: what is converted is a tokenizer or is refused when
// one is made of it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "embed/gguf.h"
#include "embed/gguf_writer.h"
#include "embed/hugging_face_tokenizer.h"
#include "embed/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view json(reinterpret_cast<const char*>(data), size);
  corkscrew::GgufWriter writer;
  if (!corkscrew::ConvertTokenizer(json, "fuzz", "qwen2", &writer).ok()) {
    return 0;
  }
  const auto file = corkscrew::GgufFile::Parse(writer.Write(), "fuzz");
  if (!file.ok()) std::abort();  // What we write we read.
  const auto tokenizer = corkscrew::CreateTokenizer(**file, nullptr);
  if (tokenizer.ok()) (void)(*tokenizer)->Encode("The cat's 12 CATS", 16);
  return 0;
}
