#include "embed/byte_bpe.h"

#include <array>
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
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "embed/bpe_words.h"
#include "embed/gguf.h"
#include "embed/merge_symbols.h"
#include "embed/token_trie.h"
#include "embed/token_vocabulary.h"
#include "embed/tokenizer.h"
#include "embed/unicode_text.h"

namespace corkscrew {
namespace {

// A rule set by its name in tokenizer.ggml.pre.
struct SplitRule {
  absl::string_view name;
  BpeSplit split;
  bool nfc;  // The text is composed first.
};
constexpr SplitRule kRules[] = {
    {"gpt-2", BpeSplit::kGpt2, false},
    {"roberta-bpe", BpeSplit::kGpt2, false},
    {"jina-v2-code", BpeSplit::kGpt2, false},
    {"modern-bert", BpeSplit::kGpt2, true},
    {"qwen2", BpeSplit::kQwen2, true},
};

absl::StatusOr<const SplitRule*> FindRule(const GgufFile& file) {
  CORKSCREW_ASSIGN_OR_RETURN(const absl::string_view name,
                             RequiredKey(file.String("tokenizer.ggml.pre")));
  for (const SplitRule& rule : kRules) {
    if (rule.name == name) return &rule;
  }
  std::string supported;
  for (const SplitRule& rule : kRules) {
    absl::StrAppend(&supported, supported.empty() ? "" : ", ", rule.name);
  }
  return absl::UnimplementedError(
      absl::StrCat(file.name(), ": key \"tokenizer.ggml.pre\" is \"", name,
                   "\", supported are ", supported));
}

// The character that stands for a byte in vocabularies: itself if printable in
// Latin-1, else one of U+0100 and up in the order of bytes.
std::array<std::string, 256> ByteCharacters() {
  std::array<std::string, 256> characters;
  uint32_t spare = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) ||
                           (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    const uint32_t c = printable ? byte : spare++;
    if (c < 0x80) {
      characters[byte] = std::string(1, static_cast<char>(c));
    } else {
      characters[byte] = {static_cast<char>(0xC0 | c >> 6),
                          static_cast<char>(0x80 | (c & 0x3F))};
    }
  }
  return characters;
}

struct Merge {
  uint32_t rank = 0;
  int32_t id = -1;
};

uint64_t PairKey(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 |
         static_cast<uint32_t>(right);
}

}  // namespace

struct ByteBpeTokenizer::Rep {
  BpeSplit split = BpeSplit::kGpt2;
  bool nfc = false;
  size_t vocabulary_size = 0;
  SpecialTokens specials;
  std::optional<int32_t> unknown_id;
  std::array<int32_t, 256> bytes = {};  // Ids, or -1.
  TokenTrie user_defined{{}};
  absl::flat_hash_map<uint64_t, Merge> merges;  // By PairKey().

  // Reads tokenizer.ggml.merges: "left right", the first is the first to merge.
  absl::Status ReadMerges(const GgufFile& file,
                          const TokenVocabulary& vocabulary,
                          const std::vector<absl::string_view>& rows);
  // Adds the ids of `word`. False if the text is full.
  bool AddWord(absl::string_view word, std::vector<MergeSymbol>* symbols,
               uint64_t* steps, TokenSink* sink) const;
};

absl::Status ByteBpeTokenizer::Rep::ReadMerges(
    const GgufFile& file, const TokenVocabulary& vocabulary,
    const std::vector<absl::string_view>& rows) {
  absl::flat_hash_map<absl::string_view, int32_t> ids;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    ids.emplace(vocabulary.tokens[i], static_cast<int32_t>(i));
  }
  const std::array<std::string, 256> characters = ByteCharacters();
  for (size_t i = 0; i < characters.size(); ++i) {
    const auto found = ids.find(characters[i]);
    bytes[i] = found == ids.end() ? -1 : found->second;
  }
  if (rows.size() > kMaxVocabularySize) {
    return MalformedModel(
        file, absl::StrCat("has ", rows.size(), " merges, want at most ",
                           kMaxVocabularySize));
  }
  std::string merged;
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t space = rows[i].find(' ', 1);
    if (space == absl::string_view::npos) {
      return MalformedModel(
          file, absl::StrCat("merge ", i, " is not two tokens with a space"));
    }
    const absl::string_view left = rows[i].substr(0, space);
    const absl::string_view right = rows[i].substr(space + 1);
    merged = absl::StrCat(left, right);
    int32_t found[3];
    int32_t* to = found;
    for (const absl::string_view part :
         {left, right, absl::string_view(merged)}) {
      const auto id = ids.find(part);
      if (id == ids.end()) {
        return MalformedModel(
            file,
            absl::StrCat("merge ", i, " names a token that is not there"));
      }
      *to++ = id->second;
    }
    merges.emplace(PairKey(found[0], found[1]),
                   Merge{static_cast<uint32_t>(i), found[2]});
  }
  return absl::OkStatus();
}

bool ByteBpeTokenizer::Rep::AddWord(absl::string_view word,
                                    std::vector<MergeSymbol>* symbols,
                                    uint64_t* steps, TokenSink* sink) const {
  symbols->clear();
  for (size_t i = 0; i < word.size(); ++i) {
    symbols->push_back({bytes[static_cast<uint8_t>(word[i])], i, 1});
  }
  const auto find = [&](const MergeSymbol& left, const MergeSymbol& right) {
    const auto found = merges.find(PairKey(left.id, right.id));
    if (found == merges.end()) return MergedPair{};
    return MergedPair{true, static_cast<double>(found->second.rank),
                      found->second.id};
  };
  MergeSymbols(symbols, find, MergeOrder::kOneByOne, steps);
  for (const MergeSymbol& symbol : *symbols) {
    if (symbol.id < 0 && !unknown_id) continue;
    if (!sink->Add(symbol.id < 0 ? *unknown_id : symbol.id)) return false;
  }
  return true;
}

ByteBpeTokenizer::ByteBpeTokenizer(std::unique_ptr<const Rep> rep)
    : rep_(std::move(rep)) {}

ByteBpeTokenizer::~ByteBpeTokenizer() = default;

absl::StatusOr<std::unique_ptr<const ByteBpeTokenizer>>
ByteBpeTokenizer::Create(const GgufFile& file, TokenizerContent* content,
                         bool ends_with_eos) {
  CORKSCREW_ASSIGN_OR_RETURN(const SplitRule* rule, FindRule(file));
  CORKSCREW_ASSIGN_OR_RETURN(const TokenVocabulary vocabulary,
                             TokenVocabulary::Read(file, false));
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::vector<absl::string_view> rows,
      RequiredKey(file.Strings("tokenizer.ggml.merges")));
  auto rep = std::make_unique<Rep>();
  rep->split = rule->split;
  rep->nfc = rule->nfc;
  rep->vocabulary_size = vocabulary.tokens.size();
  rep->user_defined = vocabulary.UserDefined();
  CORKSCREW_RETURN_IF_ERROR(rep->ReadMerges(file, vocabulary, rows));
  CORKSCREW_ASSIGN_OR_RETURN(
      rep->specials,
      SpecialTokens::Read(file, vocabulary, false, ends_with_eos));
  CORKSCREW_ASSIGN_OR_RETURN(
      rep->unknown_id, vocabulary.Id(file, "tokenizer.ggml.unknown_token_id"));
  if (content != nullptr) {
    content->name = rep->split == BpeSplit::kGpt2 ? "bpe-gpt2" : "bpe-qwen2";
    content->parameters = {{"merges", uint64_t{rows.size()}},
                           {"nfc", uint64_t{rep->nfc}}};
    if (rep->unknown_id) {
      content->parameters.emplace_back("unknown_id",
                                       static_cast<uint64_t>(*rep->unknown_id));
    }
    rep->specials.Describe(content);
    vocabulary.Describe(content);
    for (const absl::string_view row : rows) content->strings.emplace_back(row);
  }
  return std::unique_ptr<const ByteBpeTokenizer>(
      new ByteBpeTokenizer(std::move(rep)));
}

TokenizedText ByteBpeTokenizer::Encode(absl::string_view text,
                                       size_t max_tokens,
                                       uint64_t* steps) const {
  uint64_t unwanted_steps = 0;
  if (steps == nullptr) steps = &unwanted_steps;
  TokenSink sink(rep_->specials, max_tokens);
  std::string composed;
  if (rep_->nfc) {
    composed = ToNfc(text);
    text = composed;
  }
  std::vector<MergeSymbol> symbols;
  ForEachFragment(text, rep_->user_defined, steps,
                  [&](absl::string_view fragment, int32_t id) {
                    if (id >= 0) return sink.Add(id);
                    ForEachBpeWord(
                        fragment, rep_->split, [&](absl::string_view word) {
                          return rep_->AddWord(word, &symbols, steps, &sink);
                        });
                    return !sink.full();
                  });
  return std::move(sink).Finish();
}

size_t ByteBpeTokenizer::vocabulary_size() const {
  return rep_->vocabulary_size;
}

size_t ByteBpeTokenizer::special_tokens() const {
  return rep_->specials.size();
}

}  // namespace corkscrew
