#include "embed/unigram.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "embed/charsmap.h"
#include "embed/gguf.h"
#include "embed/token_trie.h"
#include "embed/token_vocabulary.h"
#include "embed/tokenizer.h"
#include "embed/unicode_text.h"

namespace corkscrew {
namespace {

// An unknown character costs this much more than the rarest token.
constexpr double kUnknownPenalty = 10;

absl::StatusOr<Charsmap> ReadCharsmap(const GgufFile& file,
                                      std::string* bytes) {
  constexpr absl::string_view kKey = "tokenizer.ggml.precompiled_charsmap";
  if (!file.Has(kKey)) return Charsmap();
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<int64_t> values,
                             file.Ints(kKey));
  // Of uint8 or of int8.
  for (const int64_t value : values) {
    if (value < -128 || value > 255) {
      return MalformedModel(file, "the character map is not made of bytes");
    }
    bytes->push_back(static_cast<char>(value));
  }
  if (bytes->empty()) return Charsmap();
  absl::StatusOr<Charsmap> map = Charsmap::Parse(*bytes);
  if (!map.ok()) return MalformedModel(file, map.status().message());
  return map;
}

// Normalizes characters and hands on words.
class WordMaker {
 public:
  struct Rules {
    bool prefix = true;        // A space mark before the first word.
    bool merge_spaces = true;  // One space mark for any number of spaces.
    bool crosses_words = false;
  };
  WordMaker(const Rules& rules,
            absl::FunctionRef<bool(absl::string_view)> visit)
      : rules_(rules), visit_(visit) {}

  // Adds normalized text. False when the visitor wants no more.
  bool Add(absl::string_view text) {
    for (const char c : text) {
      if (c == ' ') {
        in_word_ = false;
        if (!rules_.merge_spaces && !AddMark()) return false;
        continue;
      }
      if (!in_word_) {
        in_word_ = true;
        const bool first = !std::exchange(begun_, true);
        if (first ? rules_.prefix : rules_.merge_spaces) {
          if (!AddMark()) return false;
        }
      }
      word_.push_back(c);
      letters_ = true;
    }
    return true;
  }
  bool Finish() { return word_.empty() || visit_(word_); }

 private:
  bool AddMark() {
    if (letters_ && !rules_.crosses_words) {
      if (!visit_(word_)) return false;
      word_.clear();
      letters_ = false;
    }
    absl::StrAppend(&word_, kSpaceMark);
    return true;
  }

  const Rules rules_;
  const absl::FunctionRef<bool(absl::string_view)> visit_;
  std::string word_;
  bool begun_ = false;    // Something other than a space came.
  bool in_word_ = false;  // The last character was no space.
  bool letters_ = false;  // `word_` has something other than space marks.
};

}  // namespace

struct UnigramTokenizer::Rep {
  // The best way to cut the text up to a position.
  struct Best {
    double score = -std::numeric_limits<double>::infinity();
    size_t begin = 0;  // Of the last token.
    int32_t id = -1;
  };

  size_t vocabulary_size = 0;
  TokenTrie pieces{{}};
  std::vector<float> scores;
  double unknown_score = 0;
  int32_t unknown_id = 0;
  bool add_space_prefix = true;
  bool merge_spaces = true;
  bool crosses_words = false;
  Charsmap charsmap;
  SpecialTokens specials;
  TokenTrie user_defined{{}};

  // Adds the ids of `word`. False if the text is full.
  bool AddWord(absl::string_view word, std::vector<Best>* best,
               std::vector<int32_t>* ids, uint64_t* steps,
               TokenSink* sink) const;
  bool AddFragment(absl::string_view fragment, uint64_t* steps,
                   TokenSink* sink) const;
};

bool UnigramTokenizer::Rep::AddWord(absl::string_view word,
                                    std::vector<Best>* best,
                                    std::vector<int32_t>* ids, uint64_t* steps,
                                    TokenSink* sink) const {
  best->assign(word.size() + 1, Best{});
  (*best)[0].score = 0;
  for (size_t at = 0; at < word.size();) {
    const size_t character = CharacterBytes(word.substr(at));
    const double score = (*best)[at].score;
    const auto offer = [&](size_t end, double offered, int32_t id) {
      if (score + offered > (*best)[end].score) {
        (*best)[end] = {score + offered, at, id};
      }
    };
    bool single = false;
    pieces.FindAll(word.substr(at), steps, [&](const TokenTrie::Match& match) {
      single |= match.bytes == character;
      offer(at + match.bytes, double{scores[static_cast<size_t>(match.id)]},
            match.id);
    });
    if (!single) offer(at + character, unknown_score, unknown_id);
    at += character;
  }
  ids->clear();
  for (size_t end = word.size(); end > 0; end = (*best)[end].begin) {
    const int32_t id = (*best)[end].id;
    // Unknown characters side by side are one token.
    if (id == unknown_id && !ids->empty() && ids->back() == unknown_id) {
      continue;
    }
    ids->push_back(id);
  }
  return std::all_of(ids->rbegin(), ids->rend(),
                     [&](int32_t id) { return sink->Add(id); });
}

bool UnigramTokenizer::Rep::AddFragment(absl::string_view fragment,
                                        uint64_t* steps,
                                        TokenSink* sink) const {
  std::vector<Best> best;
  std::vector<int32_t> ids;
  const auto add_word = [&](absl::string_view word) {
    return AddWord(word, &best, &ids, steps, sink);
  };
  WordMaker words({.prefix = add_space_prefix,
                   .merge_spaces = merge_spaces,
                   .crosses_words = crosses_words},
                  add_word);
  while (!fragment.empty()) {
    const Charsmap::Match match = charsmap.FindLongest(fragment, steps);
    const size_t bytes =
        match.bytes > 0 ? match.bytes : CharacterBytes(fragment);
    if (!words.Add(match.bytes > 0 ? match.replacement
                                   : fragment.substr(0, bytes))) {
      return false;
    }
    fragment.remove_prefix(bytes);
  }
  return words.Finish();
}

UnigramTokenizer::UnigramTokenizer(std::unique_ptr<const Rep> rep)
    : rep_(std::move(rep)) {}

UnigramTokenizer::~UnigramTokenizer() = default;

absl::StatusOr<std::unique_ptr<const UnigramTokenizer>>
UnigramTokenizer::Create(const GgufFile& file, TokenizerContent* content) {
  CORKSCREW_ASSIGN_OR_RETURN(const TokenVocabulary vocabulary,
                             TokenVocabulary::Read(file, true));
  if (vocabulary.tokens.empty()) return MalformedModel(file, "has no tokens");
  auto rep = std::make_unique<Rep>();
  std::vector<std::pair<absl::string_view, int32_t>> pieces;
  double least = 0;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    if (vocabulary.types[i] == TokenType::kNormal) {
      pieces.emplace_back(vocabulary.tokens[i], static_cast<int32_t>(i));
      least = std::min(least, double{vocabulary.scores[i]});
    }
  }
  rep->vocabulary_size = vocabulary.tokens.size();
  rep->pieces = TokenTrie(std::move(pieces));
  rep->scores = vocabulary.scores;
  rep->unknown_score = least - kUnknownPenalty;
  rep->user_defined = vocabulary.UserDefined();
  rep->crosses_words = vocabulary.CrossesWords();
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::optional<int32_t> unknown,
      vocabulary.Id(file, "tokenizer.ggml.unknown_token_id"));
  rep->unknown_id = unknown.value_or(0);
  CORKSCREW_ASSIGN_OR_RETURN(
      rep->add_space_prefix,
      BoolOr(file, "tokenizer.ggml.add_space_prefix", true));
  CORKSCREW_ASSIGN_OR_RETURN(
      rep->merge_spaces,
      BoolOr(file, "tokenizer.ggml.remove_extra_whitespaces", true));
  std::string charsmap;
  CORKSCREW_ASSIGN_OR_RETURN(rep->charsmap, ReadCharsmap(file, &charsmap));
  // XLM-RoBERTa has <s> and </s>; T5, which has no <s>, ends with </s>.
  CORKSCREW_ASSIGN_OR_RETURN(
      rep->specials,
      SpecialTokens::Read(file, vocabulary,
                          file.Has("tokenizer.ggml.cls_token_id"), true));
  if (content != nullptr) {
    content->name = "unigram";
    content->parameters = {
        {"add_space_prefix", uint64_t{rep->add_space_prefix}},
        {"remove_extra_whitespaces", uint64_t{rep->merge_spaces}},
        {"unknown_id", static_cast<uint64_t>(rep->unknown_id)}};
    rep->specials.Describe(content);
    vocabulary.Describe(content);
    content->strings.push_back(std::move(charsmap));
  }
  return std::unique_ptr<const UnigramTokenizer>(
      new UnigramTokenizer(std::move(rep)));
}

TokenizedText UnigramTokenizer::Encode(absl::string_view text,
                                       size_t max_tokens,
                                       uint64_t* steps) const {
  uint64_t unwanted_steps = 0;
  if (steps == nullptr) steps = &unwanted_steps;
  TokenSink sink(rep_->specials, max_tokens);
  ForEachFragment(text, rep_->user_defined, steps,
                  [&](absl::string_view fragment, int32_t id) {
                    if (id >= 0) return sink.Add(id);
                    return rep_->AddFragment(fragment, steps, &sink);
                  });
  return std::move(sink).Finish();
}

size_t UnigramTokenizer::vocabulary_size() const {
  return rep_->vocabulary_size;
}

size_t UnigramTokenizer::special_tokens() const {
  return rep_->specials.size();
}

}  // namespace corkscrew
