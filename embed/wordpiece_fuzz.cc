// Fuzzes the WordPiece tokenizer with a vocabulary and a text from the input:
// one token per line, an empty line, then the text. "_" at the start of a line
// marks the start of a word. The ids must be those of the definition.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "embed/bert_words.h"
#include "embed/gguf.h"
#include "embed/gguf_builder.h"
#include "embed/wordpiece.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kWordStart = "\xE2\x96\x81";

void Require(bool condition) {
  if (!condition) std::abort();
}

struct Token {
  bool start = false;  // Of a word.
  std::string text;
};

std::vector<Token> Vocabulary(absl::string_view lines) {
  std::vector<Token> tokens;
  for (const absl::string_view special : {"[CLS]", "[SEP]", "[UNK]"}) {
    tokens.push_back({false, std::string(special)});
  }
  for (absl::string_view line : absl::StrSplit(lines, '\n')) {
    const bool start = line.substr(0, 1) == "_";
    if (start) line.remove_prefix(1);
    // What a file can not say: a continuation that begins with the mark.
    if (!start && line.substr(0, kWordStart.size()) == kWordStart) continue;
    tokens.push_back({start, std::string(line)});
  }
  return tokens;
}

// Greedy longest match by its definition: try every end, longest first.
std::vector<int32_t> Split(
    const std::map<std::pair<bool, std::string>, int32_t>& ids,
    const std::string& word) {
  std::vector<int32_t> pieces;
  size_t begin = 0;
  while (begin < word.size()) {
    size_t end = word.size();
    for (; end > begin; --end) {
      const auto found =
          ids.find({begin == 0, word.substr(begin, end - begin)});
      if (found == ids.end()) continue;
      pieces.push_back(found->second);
      break;
    }
    if (end == begin) return {2};
    begin = end;
  }
  return pieces;
}

std::vector<int32_t> EncodeByDefinition(const std::vector<Token>& tokens,
                                        absl::string_view text) {
  std::map<std::pair<bool, std::string>, int32_t> ids;
  for (size_t i = 0; i < tokens.size(); ++i) {
    ids.emplace(std::pair(tokens[i].start, tokens[i].text),
                static_cast<int32_t>(i));
  }
  std::vector<int32_t> encoded = {0};
  ForEachBertWord(text, {}, [&](const BertWord& word) {
    Require(word.too_long == word.text.empty());
    const std::vector<int32_t> pieces =
        word.too_long ? std::vector<int32_t>{2}
                      : Split(ids, std::string(word.text));
    encoded.insert(encoded.end(), pieces.begin(), pieces.end());
    return true;
  });
  encoded.push_back(1);
  return encoded;
}

void Run(absl::string_view input) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(input, absl::MaxSplits("\n\n", 1));
  const std::vector<Token> tokens = Vocabulary(parts.first);
  std::vector<std::string> stored;
  for (const Token& token : tokens) {
    stored.push_back(std::string(token.start ? kWordStart : "") + token.text);
  }
  testing::GgufBuilder builder;
  builder.String("tokenizer.ggml.model", "bert")
      .Strings("tokenizer.ggml.tokens", stored);
  const auto file = GgufFile::Parse(builder.Build(), "fuzz.gguf");
  Require(file.ok());
  const auto tokenizer = WordPieceTokenizer::Create(**file);
  if (!tokenizer.ok()) return;  // A token is not UTF-8.
  const absl::string_view text = parts.second;
  uint64_t steps = 0;
  const TokenizedText all = (*tokenizer)->Encode(text, text.size() + 2, &steps);
  Require(!all.truncated);
  Require(steps <= 401 * text.size());
  Require(all.tokens == EncodeByDefinition(tokens, text));
  for (const size_t limit : {size_t{2}, size_t{3}, all.tokens.size()}) {
    const TokenizedText cut = (*tokenizer)->Encode(text, limit);
    Require(cut.truncated == (all.tokens.size() > limit));
    Require(cut.tokens.size() == std::min(limit, all.tokens.size()));
    Require(cut.tokens.back() == 1);
    Require(std::equal(cut.tokens.begin(), cut.tokens.end() - 1,
                       all.tokens.begin()));
  }
}

}  // namespace
}  // namespace corkscrew

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  corkscrew::Run(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
