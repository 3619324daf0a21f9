// Tokenizers against ids of llama.cpp for thousands of texts.

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "embed/gguf.h"
#include "embed/tokenizer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using Json = nlohmann::json;

constexpr size_t kNoLimit = size_t{1} << 30;

std::string DataPath(absl::string_view path) {
  return absl::StrCat(CORKSCREW_DATA_DIR, "/data/", path);
}

std::unique_ptr<const Tokenizer> Load(absl::string_view path) {
  const auto file = GgufFile::Open(DataPath(path));
  EXPECT_THAT(file, IsOk());
  auto tokenizer = CreateTokenizer(**file, nullptr);
  EXPECT_THAT(tokenizer, IsOk());
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

// The ids of `text` without the special tokens around it: `first` and `last`.
std::vector<int32_t> Inner(const Tokenizer& tokenizer, absl::string_view text) {
  std::vector<int32_t> ids = tokenizer.Encode(text, kNoLimit).tokens;
  const std::vector<int32_t> empty = tokenizer.Encode("", kNoLimit).tokens;
  EXPECT_EQ(empty.size(), tokenizer.special_tokens());
  // All golden vocabularies put nothing, one in front, or one at each end,
  // but for qwen2 (one at the end).
  size_t front = 0;
  while (front < empty.size() && ids[front] == empty[front]) ++front;
  EXPECT_GE(ids.size(), empty.size());
  ids.erase(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(front));
  ids.resize(ids.size() - (empty.size() - front));
  return ids;
}

// A text for which Hugging Face, and so we, have other ids than llama.cpp.
struct Difference {
  const char* why;
  std::vector<int32_t> ids;
};

struct GoldenSet {
  const char* name;
  const char* vocabulary;
  const char* golden;
  std::map<size_t, Difference> differences;  // By row.
};

class TokenizerGoldenTest : public ::testing::TestWithParam<GoldenSet> {};

TEST_P(TokenizerGoldenTest, IdsEqualLlamaCppOutsideTheTable) {
  const auto tokenizer = Load(GetParam().vocabulary);
  ASSERT_NE(tokenizer, nullptr);
  std::ifstream lines(DataPath(GetParam().golden));
  size_t differing = 0;
  std::string line;
  size_t row = 0;
  for (; std::getline(lines, line); ++row) {
    const Json json = Json::parse(line);
    const auto llama_cpp = json["ids"].get<std::vector<int32_t>>();
    const auto difference = GetParam().differences.find(row);
    const bool differs = difference != GetParam().differences.end();
    differing += differs;
    EXPECT_EQ(Inner(*tokenizer, json["text"].get<std::string>()),
              differs ? difference->second.ids : llama_cpp)
        << "row " << row << ": " << json["text"]
        << (differs ? difference->second.why : "");
    if (differs) {
      EXPECT_NE(difference->second.ids, llama_cpp) << "row " << row;
    }
  }
  EXPECT_EQ(row, 1536u);
  EXPECT_EQ(differing, GetParam().differences.size());
}

INSTANTIATE_TEST_SUITE_P(
    Sets, TokenizerGoldenTest,
    ::testing::Values(
        GoldenSet{"Gpt2",
                  "gguf-vocab/ggml-vocab-gpt-2.gguf",
                  "golden/bpe-gpt2.llamacpp.jsonl",
                  {}},
        GoldenSet{"Qwen2",
                  "gguf-synth/tiny-qwen3-last-f32.gguf",
                  "golden/bpe-qwen2pre-trunc3000.llamacpp.jsonl",
                  {{24,
                    {"composed first (NFC)",
                     {2634, 1974, 259, 278, 220, 127, 227}}}}},
        GoldenSet{"Spm",
                  "gguf-vocab/ggml-vocab-llama-spm.gguf",
                  "golden/spm-llama.llamacpp.jsonl",
                  {}},
        GoldenSet{"Unigram",
                  "gguf-synth/tiny-xlmr-bert-unigram-cls-f32.gguf",
                  "golden/unigram-sptest-xlmr.llamacpp.jsonl",
                  {}},
        GoldenSet{"WordPiece",
                  "gguf-vocab/ggml-vocab-bert-bge.gguf",
                  "golden/wordpiece-bert-uncased.llamacpp.jsonl",
                  {{14,
                    {"Hangul letters are no accents",
                     {1469, 30006, 30021, 29991, 30014, 30020, 29999, 30008}}},
                   {19, {"a word of more than 100 characters", {100}}},
                   {31,
                    {"spacing vowel signs (Mc) are no accents",
                     {1331, 29876, 29863, 29851, 1339, 29877, 29863, 29861,
                      29878}}}}}),
    [](const ::testing::TestParamInfo<GoldenSet>& set) {
      return std::string(set.param.name);
    });

// The texts of the synthetic models have the ids that llama.cpp gave them.
TEST(TokenizerGoldenTest, SyntheticModelsTokenizeLikeLlamaCpp) {
  std::ifstream stream(DataPath("gguf-synth/golden.json"));
  const Json golden = Json::parse(stream)["models"];
  EXPECT_EQ(golden.size(), 12u);
  for (const auto& [name, texts] : golden.items()) {
    const auto tokenizer = Load(absl::StrCat("gguf-synth/", name));
    ASSERT_NE(tokenizer, nullptr) << name;
    for (const Json& text : texts) {
      EXPECT_EQ(Inner(*tokenizer, text["text"].get<std::string>()),
                text["tokens"].get<std::vector<int32_t>>())
          << name << ": " << text["text"];
    }
  }
}

}  // namespace
}  // namespace corkscrew
