// Fuzzes vocabularies and texts of SentencePiece, Unigram and byte-level BPE
// tokenizers: whatever they are, ids are in range and within the limit.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/utf8.h"
#include "embed/gguf.h"
#include "embed/gguf_builder.h"
#include "embed/tokenizer.h"

namespace {

using ::corkscrew::testing::AppendLittle;
using ::corkscrew::testing::GgufBuilder;

void Check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

// The first byte chooses the tokenizer and switches; then follow, separated by
// U+0001: tokens (by lines, each with one character of type and one of score in
// front), merges (by lines), a character map, a text.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t choice = data[0];
  const std::vector<std::string> parts = absl::StrSplit(
      absl::string_view(reinterpret_cast<const char*>(data) + 1, size - 1),
      absl::MaxSplits('\x01', 3));
  if (parts.size() < 4) return 0;
  std::vector<std::string> tokens;
  std::string scores;
  std::string types;
  for (const absl::string_view line : absl::StrSplit(parts[0], '\n')) {
    if (line.size() < 2) continue;
    AppendLittle<int32_t>(&types, line[0] & 7);
    AppendLittle<float>(&scores, static_cast<float>(line[1]) / 4);
    tokens.emplace_back(line.substr(2));
  }
  const auto array = [&](uint32_t type, size_t count,
                         const std::string& values) {
    std::string bytes;
    AppendLittle(&bytes, type);
    AppendLittle<uint64_t>(&bytes, count);
    return bytes + values;
  };
  constexpr const char* kModels[] = {"llama", "t5", "gpt2", "gpt2"};
  GgufBuilder builder;
  builder.String("tokenizer.ggml.model", kModels[choice & 3])
      .String("tokenizer.ggml.pre", (choice & 3) == 2 ? "gpt-2" : "qwen2")
      .Strings("tokenizer.ggml.tokens", tokens)
      .Raw("tokenizer.ggml.scores", 9, array(6, tokens.size(), scores))
      .Raw("tokenizer.ggml.token_type", 9, array(5, tokens.size(), types))
      .Bool("tokenizer.ggml.add_bos_token", (choice & 4) != 0)
      .Bool("tokenizer.ggml.add_eos_token", (choice & 8) != 0)
      .Bool("tokenizer.ggml.add_space_prefix", (choice & 16) != 0)
      .Bool("tokenizer.ggml.remove_extra_whitespaces", (choice & 32) != 0)
      .Uint32("tokenizer.ggml.bos_token_id", 0)
      .Uint32("tokenizer.ggml.eos_token_id", 1);
  std::vector<std::string> merges = absl::StrSplit(parts[1], '\n');
  if (parts[1].empty()) merges.clear();
  builder.Strings("tokenizer.ggml.merges", merges);
  if (!parts[2].empty()) {
    builder.Raw("tokenizer.ggml.precompiled_charsmap", 9,
                array(0, parts[2].size(), parts[2]));
  }
  const auto file = corkscrew::GgufFile::Parse(builder.Build(), "fuzz.gguf");
  if (!file.ok()) return 0;
  const auto tokenizer = corkscrew::CreateTokenizer(**file, nullptr);
  if (!tokenizer.ok() || !corkscrew::IsValidUtf8(parts[3])) return 0;
  const auto whole = (*tokenizer)->Encode(parts[3], size_t{1} << 30);
  for (const int32_t id : whole.tokens) {
    Check(id >= 0 && static_cast<size_t>(id) < (*tokenizer)->vocabulary_size());
  }
  const auto cut = (*tokenizer)->Encode(parts[3], 5);
  Check(cut.tokens.size() <= 5);
  Check(cut.truncated == (whole.tokens.size() > 5));
  return 0;
}
