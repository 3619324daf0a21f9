#include "embed/sentencepiece_bpe.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/merge_symbols.h"
#include "embed/token_trie.h"
#include "embed/token_vocabulary.h"
#include "embed/tokenizer.h"
#include "embed/unicode_text.h"

namespace corkscrew {
namespace {

// The byte of a token "<0x41>", or -1.
int ByteOf(absl::string_view token) {
  uint32_t byte = 0;
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>' ||
      !absl::SimpleHexAtoi(token.substr(3, 2), &byte)) {
    return -1;
  }
  return static_cast<int>(byte);
}

}  // namespace

struct SentencePieceBpeTokenizer::Rep {
  struct Piece {
    int32_t id;
    float score;
  };
  std::vector<std::string> strings;  // What `pieces` points to.
  absl::flat_hash_map<absl::string_view, Piece> pieces;
  size_t longest = 0;                   // Bytes of a piece.
  std::array<int32_t, 256> bytes = {};  // Ids, or -1.
  int32_t unknown_id = 0;
  bool add_space_prefix = true;
  bool crosses_words = false;
  SpecialTokens specials;
  TokenTrie user_defined{{}};

  // Adds the ids of a piece of escaped text. False if the text is full.
  bool AddWord(absl::string_view word, std::vector<MergeSymbol>* symbols,
               uint64_t* steps, TokenSink* sink) const;
  bool AddBytes(absl::string_view text, TokenSink* sink) const;
  bool AddFragment(absl::string_view fragment, bool prefix, uint64_t* steps,
                   TokenSink* sink) const;
};

bool SentencePieceBpeTokenizer::Rep::AddBytes(absl::string_view text,
                                              TokenSink* sink) const {
  const bool known = std::all_of(text.begin(), text.end(), [&](char c) {
    return bytes[static_cast<uint8_t>(c)] >= 0;
  });
  if (!known) return sink->Add(unknown_id);
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return sink->Add(bytes[static_cast<uint8_t>(c)]);
  });
}

bool SentencePieceBpeTokenizer::Rep::AddWord(absl::string_view word,
                                             std::vector<MergeSymbol>* symbols,
                                             uint64_t* steps,
                                             TokenSink* sink) const {
  symbols->clear();
  for (size_t i = 0; i < word.size();) {
    const size_t size = CharacterBytes(word.substr(i));
    symbols->push_back({-1, i, size});
    i += size;
  }
  const auto find = [&](const MergeSymbol& left, const MergeSymbol& right) {
    const size_t size = left.size + right.size;
    if (size > longest) return MergedPair{};
    const auto found = pieces.find(word.substr(left.begin, size));
    if (found == pieces.end()) return MergedPair{};
    return MergedPair{true, -double{found->second.score}, found->second.id};
  };
  MergeSymbols(symbols, find, MergeOrder::kOneByOne, steps);
  for (const MergeSymbol& symbol : *symbols) {
    const absl::string_view text = word.substr(symbol.begin, symbol.size);
    const auto found = pieces.find(text);
    const bool more = found == pieces.end() ? AddBytes(text, sink)
                                            : sink->Add(found->second.id);
    if (!more) return false;
  }
  return true;
}

bool SentencePieceBpeTokenizer::Rep::AddFragment(absl::string_view fragment,
                                                 bool prefix, uint64_t* steps,
                                                 TokenSink* sink) const {
  std::string word;
  if (prefix) absl::StrAppend(&word, kSpaceMark);
  std::vector<MergeSymbol> symbols;
  bool in_letters = false;  // Behind a character that is no space mark.
  for (size_t i = 0; i < fragment.size();) {
    absl::string_view c =
        fragment.substr(i, CharacterBytes(fragment.substr(i)));
    i += c.size();
    if (c == " ") c = kSpaceMark;
    const bool mark = c == kSpaceMark;
    if (mark && in_letters && !crosses_words) {
      if (!AddWord(word, &symbols, steps, sink)) return false;
      word.clear();
    }
    in_letters = !mark;
    absl::StrAppend(&word, c);
  }
  return AddWord(word, &symbols, steps, sink);
}

SentencePieceBpeTokenizer::SentencePieceBpeTokenizer(
    std::unique_ptr<const Rep> rep)
    : rep_(std::move(rep)) {}

SentencePieceBpeTokenizer::~SentencePieceBpeTokenizer() = default;

absl::StatusOr<std::unique_ptr<const SentencePieceBpeTokenizer>>
SentencePieceBpeTokenizer::Create(const GgufFile& file,
                                  TokenizerContent* content) {
  CORKSCREW_ASSIGN_OR_RETURN(const TokenVocabulary vocabulary,
                             TokenVocabulary::Read(file, true));
  auto rep = std::make_unique<Rep>();
  rep->bytes.fill(-1);
  rep->strings = {vocabulary.tokens.begin(), vocabulary.tokens.end()};
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const absl::string_view token = rep->strings[i];
    if (vocabulary.types[i] == TokenType::kByte) {
      if (const int byte = ByteOf(token); byte >= 0) {
        rep->bytes[static_cast<size_t>(byte)] = id;
      }
    } else if (vocabulary.types[i] == TokenType::kNormal && !token.empty()) {
      rep->pieces.emplace(token, Rep::Piece{id, vocabulary.scores[i]});
      rep->longest = std::max(rep->longest, token.size());
    }
  }
  rep->user_defined = vocabulary.UserDefined();
  rep->crosses_words = vocabulary.CrossesWords();
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::optional<int32_t> unknown,
      vocabulary.Id(file, "tokenizer.ggml.unknown_token_id"));
  rep->unknown_id = unknown.value_or(0);
  if (vocabulary.tokens.empty()) {
    return MalformedModel(file, "has no tokens");
  }
  CORKSCREW_ASSIGN_OR_RETURN(
      rep->add_space_prefix,
      BoolOr(file, "tokenizer.ggml.add_space_prefix", true));
  CORKSCREW_ASSIGN_OR_RETURN(
      rep->specials, SpecialTokens::Read(file, vocabulary, true, false));
  if (content != nullptr) {
    content->name = "sentencepiece-bpe";
    content->parameters = {
        {"add_space_prefix", uint64_t{rep->add_space_prefix}},
        {"unknown_id", static_cast<uint64_t>(rep->unknown_id)}};
    rep->specials.Describe(content);
    vocabulary.Describe(content);
  }
  return std::unique_ptr<const SentencePieceBpeTokenizer>(
      new SentencePieceBpeTokenizer(std::move(rep)));
}

TokenizedText SentencePieceBpeTokenizer::Encode(absl::string_view text,
                                                size_t max_tokens,
                                                uint64_t* steps) const {
  uint64_t unwanted_steps = 0;
  if (steps == nullptr) steps = &unwanted_steps;
  TokenSink sink(rep_->specials, max_tokens);
  bool first = true;
  ForEachFragment(text, rep_->user_defined, steps,
                  [&](absl::string_view fragment, int32_t id) {
                    const bool prefix = first && rep_->add_space_prefix;
                    first = false;
                    if (id >= 0) return sink.Add(id);
                    return rep_->AddFragment(fragment, prefix, steps, &sink);
                  });
  return std::move(sink).Finish();
}

size_t SentencePieceBpeTokenizer::vocabulary_size() const {
  return rep_->strings.size();
}

size_t SentencePieceBpeTokenizer::special_tokens() const {
  return rep_->specials.size();
}

}  // namespace corkscrew
