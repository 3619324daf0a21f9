#include "embed/wordpiece.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "embed/bert_words.h"
#include "embed/gguf.h"
#include "embed/token_trie.h"
#include "embed/token_vocabulary.h"
#include "embed/tokenizer.h"

namespace corkscrew {
namespace {

// GGUF marks the tokens that start a word; the vocabularies of BERT mark the
// others, with "##".
constexpr absl::string_view kWordStart = "\xE2\x96\x81";  // U+2581

using Token = std::pair<absl::string_view, int32_t>;

// The id under `key`, or else of the token called `name`: older files have only
// the token.
absl::StatusOr<int32_t> SpecialToken(
    const GgufFile& file, absl::string_view key, absl::string_view name,
    const std::vector<absl::string_view>& tokens) {
  if (file.Has(key)) {
    CORKSCREW_ASSIGN_OR_RETURN(const uint64_t id, file.Uint(key));
    if (id >= tokens.size()) {
      return MalformedModel(file, absl::StrCat("key \"", key, "\" is ", id,
                                               ", but there are only ",
                                               tokens.size(), " tokens"));
    }
    return static_cast<int32_t>(id);
  }
  const auto found = std::find(tokens.begin(), tokens.end(), name);
  if (found == tokens.end()) {
    return MalformedModel(file, absl::StrCat("has neither the key \"", key,
                                             "\" nor a token ", name));
  }
  return static_cast<int32_t>(found - tokens.begin());
}

}  // namespace

struct WordPieceTokenizer::Rep {
  size_t vocabulary_size = 0;
  int32_t classify_id = 0;   // [CLS]
  int32_t separator_id = 0;  // [SEP]
  int32_t unknown_id = 0;    // [UNK]
  BertWordOptions options;
  TokenTrie starts;         // Tokens at the start of a word.
  TokenTrie continuations;  // Tokens inside a word.

  // Replaces `*pieces` by the ids that `word` is made of.
  void Split(absl::string_view word, std::vector<int32_t>* pieces,
             uint64_t* steps) const {
    pieces->clear();
    const TokenTrie* trie = &starts;
    while (!word.empty()) {
      const TokenTrie::Match match = trie->FindLongest(word, steps);
      if (match.id < 0) {
        pieces->assign(1, unknown_id);
        return;
      }
      pieces->push_back(match.id);
      word.remove_prefix(match.bytes);
      trie = &continuations;
    }
  }
};

WordPieceTokenizer::WordPieceTokenizer(std::unique_ptr<const Rep> rep)
    : rep_(std::move(rep)) {}

WordPieceTokenizer::~WordPieceTokenizer() = default;

absl::StatusOr<std::unique_ptr<const WordPieceTokenizer>>
WordPieceTokenizer::Create(const GgufFile& file) {
  CORKSCREW_ASSIGN_OR_RETURN(const absl::string_view model,
                             RequiredKey(file.String("tokenizer.ggml.model")));
  if (model != "bert") {
    return absl::UnimplementedError(
        absl::StrCat(file.name(),
                     ": key \"tokenizer.ggml.model\" is another than \"bert\": "
                     "this tokenizer is not supported"));
  }
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::vector<absl::string_view> tokens,
      RequiredKey(file.Strings("tokenizer.ggml.tokens")));
  CORKSCREW_RETURN_IF_ERROR(CheckTokens(file, tokens));
  std::vector<Token> starts;
  std::vector<Token> continuations;
  for (size_t i = 0; i < tokens.size(); ++i) {
    // "[CLS]" and its like stay as they are in the file, and so among the
    // continuations. No word can match them: punctuation is a word of its own.
    absl::string_view token = tokens[i];
    const bool start = token.substr(0, kWordStart.size()) == kWordStart;
    if (start) token.remove_prefix(kWordStart.size());
    (start ? starts : continuations)
        .emplace_back(token, static_cast<int32_t>(i));
  }
  auto rep = std::make_unique<Rep>(
      Rep{.vocabulary_size = tokens.size(),
          .options = {},
          .starts = TokenTrie(std::move(starts)),
          .continuations = TokenTrie(std::move(continuations))});
  CORKSCREW_ASSIGN_OR_RETURN(
      rep->classify_id,
      SpecialToken(file, "tokenizer.ggml.cls_token_id", "[CLS]", tokens));
  CORKSCREW_ASSIGN_OR_RETURN(
      rep->separator_id,  // The key is really spelled so.
      SpecialToken(file, "tokenizer.ggml.seperator_token_id", "[SEP]", tokens));
  CORKSCREW_ASSIGN_OR_RETURN(
      rep->unknown_id,
      SpecialToken(file, "tokenizer.ggml.unknown_token_id", "[UNK]", tokens));
  CORKSCREW_ASSIGN_OR_RETURN(
      rep->options.lowercase,
      BoolOr(file, "tokenizer.ggml.normalizer.lowercase", true));
  CORKSCREW_ASSIGN_OR_RETURN(
      rep->options.strip_accents,
      BoolOr(file, "tokenizer.ggml.normalizer.strip_accents",
             rep->options.lowercase));
  return std::unique_ptr<const WordPieceTokenizer>(
      new WordPieceTokenizer(std::move(rep)));
}

TokenizedText WordPieceTokenizer::Encode(absl::string_view text,
                                         size_t max_tokens,
                                         uint64_t* steps) const {
  assert(max_tokens >= 2);
  const size_t most = max_tokens < 2 ? 1 : max_tokens - 1;  // Without [SEP].
  uint64_t unwanted_steps = 0;
  if (steps == nullptr) steps = &unwanted_steps;
  TokenizedText result;
  result.tokens.push_back(rep_->classify_id);
  std::vector<int32_t> pieces;
  ForEachBertWord(text, rep_->options, [&](const BertWord& word) {
    if (word.too_long) {
      pieces.assign(1, rep_->unknown_id);
    } else {
      rep_->Split(word.text, &pieces, steps);
    }
    const size_t room = most - result.tokens.size();
    result.truncated = pieces.size() > room;
    pieces.resize(std::min(pieces.size(), room));
    result.tokens.insert(result.tokens.end(), pieces.begin(), pieces.end());
    return !result.truncated;
  });
  result.tokens.push_back(rep_->separator_id);
  return result;
}

size_t WordPieceTokenizer::vocabulary_size() const {
  return rep_->vocabulary_size;
}

WordPieceTokenizer::Rules WordPieceTokenizer::rules() const {
  return {.classify_id = rep_->classify_id,
          .separator_id = rep_->separator_id,
          .unknown_id = rep_->unknown_id,
          .lowercase = rep_->options.lowercase,
          .strip_accents = rep_->options.strip_accents};
}

void WordPieceTokenizer::Describe(const GgufFile& file,
                                  TokenizerContent* content) const {
  content->name = "wordpiece";
  content->parameters = {
      {"classify_id", static_cast<uint64_t>(rep_->classify_id)},
      {"lowercase", uint64_t{rep_->options.lowercase}},
      {"separator_id", static_cast<uint64_t>(rep_->separator_id)},
      {"strip_accents", uint64_t{rep_->options.strip_accents}},
      {"unknown_id", static_cast<uint64_t>(rep_->unknown_id)}};
  content->strings.clear();
  const auto tokens = file.Strings("tokenizer.ggml.tokens");
  if (!tokens.ok()) return;  // Was checked by Create().
  content->strings = {tokens->begin(), tokens->end()};
}

}  // namespace corkscrew
