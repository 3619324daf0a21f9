#include "embed/manta_tokenizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/utf8.h"
#include "corkscrew/embedder.h"
#include "embed/merge_symbols.h"
#include "embed/token_vocabulary.h"
#include "embed/tokenizer.h"
#include "embed/unicode_text.h"

namespace corkscrew {
namespace {

constexpr int32_t kSpaceSymbol = -2;  // Merges with nothing unless named.

bool IsWordCharacter(uint32_t character) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(character))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
      return true;
    default:
      return false;
  }
}

// Words in lower case with one space between two.
std::string Normalize(absl::string_view text) {
  std::string words;
  bool space = false;
  for (size_t i = 0; i < text.size();) {
    const size_t bytes = CharacterBytes(text.substr(i));
    const uint32_t character = DecodeCharacter(text.substr(i, bytes));
    i += bytes;
    if (!IsWordCharacter(character)) {
      space = !words.empty();
      continue;
    }
    if (std::exchange(space, false)) words.push_back(' ');
    utf8proc_uint8_t utf8[4];
    const auto size = utf8proc_encode_char(
        utf8proc_tolower(static_cast<utf8proc_int32_t>(character)), utf8);
    words.append(reinterpret_cast<const char*>(utf8),
                 static_cast<size_t>(size));
  }
  return words;
}

struct Merge {
  size_t rank = 0;
  int32_t id = -1;
};

}  // namespace

struct MantaTokenizer::Rep {
  size_t vocabulary_size = 0;
  MantaSpaces spaces = MantaSpaces::kUnknown;
  int32_t unknown_id = 0;
  SpecialTokens specials;
  // Ids of tokens, and above them those of symbols that are no tokens.
  absl::flat_hash_map<std::string, int32_t> symbols;
  absl::flat_hash_map<std::pair<int32_t, int32_t>, Merge> merges;

  int32_t Intern(const std::string& symbol) {
    return symbols.emplace(symbol, static_cast<int32_t>(symbols.size()))
        .first->second;
  }
  std::optional<int32_t> Find(const std::string& token) const {
    const auto found = symbols.find(token);
    if (found == symbols.end() ||
        static_cast<size_t>(found->second) >= vocabulary_size) {
      return std::nullopt;
    }
    return found->second;
  }
};

MantaTokenizer::MantaTokenizer(std::unique_ptr<const Rep> rep)
    : rep_(std::move(rep)) {}

MantaTokenizer::~MantaTokenizer() = default;

absl::StatusOr<std::unique_ptr<const MantaTokenizer>> MantaTokenizer::Create(
    const MantaVocabulary& vocabulary, MantaSpaces spaces,
    TokenizerContent* content) {
  auto rep = std::make_unique<Rep>();
  rep->spaces = spaces;
  rep->vocabulary_size = vocabulary.tokens.size();
  if (vocabulary.tokens.size() > kMaxVocabularySize ||
      vocabulary.merges.size() > kMaxVocabularySize) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", vocabulary.tokens.size(), " tokens and ",
                     vocabulary.merges.size(), " merges, want at most ",
                     kMaxVocabularySize));
  }
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const std::string& token = vocabulary.tokens[i];
    if (token.size() > kMaxTokenBytes || !IsValidUtf8(token)) {
      return absl::InvalidArgumentError(
          absl::StrCat("token ", i, " is not valid UTF-8 of at most ",
                       kMaxTokenBytes, " bytes"));
    }
    if (!rep->symbols.emplace(token, static_cast<int32_t>(i)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("token ", i, " is there twice"));
    }
  }
  for (size_t i = 0; i < vocabulary.merges.size(); ++i) {
    const auto& [left, right] = vocabulary.merges[i];
    if (left.empty() || right.empty() ||
        left.size() + right.size() > kMaxTokenBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("merge ", i, " is of an empty or a very long symbol"));
    }
    const int32_t a = rep->Intern(left);
    const int32_t b = rep->Intern(right);
    rep->merges.emplace(std::pair(a, b), Merge{i, rep->Intern(left + right)});
  }
  const auto name = [](const std::string& given, const char* otherwise) {
    return given.empty() ? std::string(otherwise) : given;
  };
  rep->specials.first = rep->Find(name(vocabulary.first, "[CLS]"));
  rep->specials.last = rep->Find(name(vocabulary.last, "[SEP]"));
  const std::string unknown = name(vocabulary.unknown, "[UNK]");
  const std::optional<int32_t> unknown_id = rep->Find(unknown);
  if (!unknown_id) {
    return absl::InvalidArgumentError(
        absl::StrCat("has no token \"", unknown, "\""));
  }
  rep->unknown_id = *unknown_id;
  if (content != nullptr) {
    content->name = "mll-bpe";
    content->parameters = {
        {"merges", uint64_t{vocabulary.merges.size()}},
        {"spaces_dropped", uint64_t{spaces == MantaSpaces::kDropped}},
        {"unknown_id", static_cast<uint64_t>(rep->unknown_id)}};
    rep->specials.Describe(content);
    content->strings = vocabulary.tokens;
    for (const auto& [left, right] : vocabulary.merges) {
      content->strings.push_back(left);
      content->strings.push_back(right);
    }
  }
  return std::unique_ptr<const MantaTokenizer>(
      new MantaTokenizer(std::move(rep)));
}

TokenizedText MantaTokenizer::Encode(absl::string_view text, size_t max_tokens,
                                     uint64_t* steps) const {
  uint64_t unwanted_steps = 0;
  if (steps == nullptr) steps = &unwanted_steps;
  const std::string words = Normalize(text);
  std::vector<MergeSymbol> symbols;
  for (size_t i = 0; i < words.size();) {
    const size_t size = CharacterBytes(absl::string_view(words).substr(i));
    const auto found = rep_->symbols.find(words.substr(i, size));
    const int32_t missing = words[i] == ' ' ? kSpaceSymbol : -1;
    symbols.push_back(
        {found == rep_->symbols.end() ? missing : found->second, i, size});
    i += size;
  }
  const auto find = [&](const MergeSymbol& left, const MergeSymbol& right) {
    const auto found = rep_->merges.find(std::pair(left.id, right.id));
    if (found == rep_->merges.end()) return MergedPair{};
    return MergedPair{true, static_cast<double>(found->second.rank),
                      found->second.id};
  };
  MergeSymbols(&symbols, find, MergeOrder::kRankByRank, steps);
  TokenSink sink(rep_->specials, max_tokens);
  for (const MergeSymbol& symbol : symbols) {
    const bool space = symbol.size == 1 && words[symbol.begin] == ' ';
    if (space && rep_->spaces == MantaSpaces::kDropped) continue;
    const bool token = symbol.id >= 0 &&
                       static_cast<size_t>(symbol.id) < rep_->vocabulary_size;
    if (!sink.Add(token ? symbol.id : rep_->unknown_id)) break;
  }
  return std::move(sink).Finish();
}

size_t MantaTokenizer::vocabulary_size() const { return rep_->vocabulary_size; }

size_t MantaTokenizer::special_tokens() const { return rep_->specials.size(); }

}  // namespace corkscrew
