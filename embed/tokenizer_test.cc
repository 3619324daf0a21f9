#include "embed/tokenizer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "embed/bpe_words.h"
#include "embed/gguf.h"
#include "embed/gguf_builder.h"
#include "embed/manta_tokenizer.h"
#include "embed/merge_symbols.h"
#include "embed/unicode_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::AppendLittle;
using ::corkscrew::testing::GgufBuilder;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr size_t kNoLimit = size_t{1} << 30;

// A vocabulary whose parts can be broken before it is written.
struct Vocabulary {
  std::string model = "llama";
  std::string pre = "qwen2";
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t> types;
  std::vector<std::string> merges;
  std::map<std::string, uint32_t> ids;
  std::map<std::string, bool> bools;
  std::string charsmap;

  void Add(absl::string_view token, float score, int32_t type = 1) {
    tokens.emplace_back(token);
    scores.push_back(score);
    types.push_back(type);
  }

  absl::StatusOr<std::unique_ptr<const Tokenizer>> Load() const {
    GgufBuilder builder;
    builder.String("tokenizer.ggml.model", model)
        .String("tokenizer.ggml.pre", pre)
        .Strings("tokenizer.ggml.tokens", tokens);
    std::string bytes;
    AppendLittle<uint32_t>(&bytes, 6);
    AppendLittle<uint64_t>(&bytes, scores.size());
    for (const float score : scores) AppendLittle(&bytes, score);
    builder.Raw("tokenizer.ggml.scores", 9, bytes);
    bytes.clear();
    AppendLittle<uint32_t>(&bytes, 5);
    AppendLittle<uint64_t>(&bytes, types.size());
    for (const int32_t type : types) AppendLittle(&bytes, type);
    builder.Raw("tokenizer.ggml.token_type", 9, bytes);
    if (!merges.empty()) builder.Strings("tokenizer.ggml.merges", merges);
    for (const auto& [key, id] : ids) {
      builder.Uint32(absl::StrCat("tokenizer.ggml.", key), id);
    }
    for (const auto& [key, value] : bools) {
      builder.Bool(absl::StrCat("tokenizer.ggml.", key), value);
    }
    if (!charsmap.empty()) {
      bytes.clear();
      AppendLittle<uint32_t>(&bytes, 0);
      AppendLittle<uint64_t>(&bytes, charsmap.size());
      bytes += charsmap;
      builder.Raw("tokenizer.ggml.precompiled_charsmap", 9, bytes);
    }
    const auto file = GgufFile::Parse(builder.Build(), "x.gguf");
    EXPECT_THAT(file, IsOk());
    return CreateTokenizer(**file, nullptr);
  }

  std::unique_ptr<const Tokenizer> Make() const {
    auto tokenizer = Load();
    EXPECT_THAT(tokenizer, IsOk());
    return *std::move(tokenizer);
  }

  int32_t IdOf(absl::string_view token) const {
    const auto found = std::find(tokens.begin(), tokens.end(), token);
    return found == tokens.end() ? -1
                                 : static_cast<int32_t>(found - tokens.begin());
  }
};

// <unk> <s> </s>, then letters and words of a, b, c with random scores.
Vocabulary Words(absl::string_view model) {
  Vocabulary v;
  v.model = std::string(model);
  v.Add("<unk>", 0, 2);
  v.Add("<s>", 0, 3);
  v.Add("</s>", 0, 3);
  std::mt19937 random(7);
  const auto score = [&] {
    return -static_cast<float>(random() % 1000) / 100 - 1;
  };
  for (const char* token : {"\xE2\x96\x81", "a", "b", "c", "ab", "bc", "ca",
                            "aa", "aab", "abc", "bca", "aaaa",
                            "\xE2\x96\x81"
                            "a",
                            "\xE2\x96\x81"
                            "ab",
                            "\xE2\x96\x81\xE2\x96\x81", "cc", "ccc"}) {
    v.Add(token, score());
  }
  v.ids = {{"bos_token_id", 1}, {"eos_token_id", 2}, {"unknown_token_id", 0}};
  v.bools = {{"add_bos_token", false}, {"add_eos_token", false}};
  return v;
}

// Words() and all bytes.
Vocabulary SentencePiece() {
  Vocabulary v = Words("llama");
  for (int i = 0; i < 256; ++i) {
    v.Add(absl::StrFormat("<0x%02X>", i), 0, 6);
  }
  return v;
}

Vocabulary ByteBpe() {
  Vocabulary v;
  v.model = "gpt2";
  for (char c = '!'; c <= '~'; ++c) v.Add(std::string(1, c), 0);
  // The bytes of a space, a line feed, and of e with an acute accent.
  for (const char* token : {"\xC4\xA0", "\xC4\x8A", "\xC3\x83", "\xC2\xA9"}) {
    v.Add(token, 0);
  }
  v.merges = {"a a", "b c", "a b", "aa aa", "c a", "ab c", "\xC4\xA0 a"};
  for (const char* token : {"aa", "bc", "ab", "aaaa", "ca", "abc",
                            "\xC4\xA0"
                            "a"}) {
    v.Add(token, 0);
  }
  return v;
}

std::string RandomText(std::mt19937* random, absl::string_view letters,
                       size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    text.push_back(letters[(*random)() % letters.size()]);
  }
  return text;
}

// The best pair of neighbours, again and again.
std::vector<int32_t> MergeByDefinition(const Vocabulary& v,
                                       std::vector<std::string> symbols) {
  while (true) {
    float best = -std::numeric_limits<float>::infinity();
    size_t at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const int32_t id = v.IdOf(symbols[i] + symbols[i + 1]);
      if (id < 0 || v.types[static_cast<size_t>(id)] != 1) continue;
      if (v.scores[static_cast<size_t>(id)] > best) {
        best = v.scores[static_cast<size_t>(id)];
        at = i + 1;
      }
    }
    if (at == 0) break;
    symbols[at - 1] += symbols[at];
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(at));
  }
  std::vector<int32_t> ids;
  for (const std::string& symbol : symbols) ids.push_back(v.IdOf(symbol));
  return ids;
}

TEST(SentencePieceBpeTest, MergesTheBestPairFirst) {
  const Vocabulary v = SentencePiece();
  const auto tokenizer = v.Make();
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    const std::string text = RandomText(&random, "aabc ", 1 + random() % 20);
    std::vector<std::string> symbols = {"\xE2\x96\x81"};
    for (const char c : text) {
      symbols.push_back(c == ' ' ? "\xE2\x96\x81" : std::string(1, c));
    }
    EXPECT_EQ(tokenizer->Encode(text, kNoLimit).tokens,
              MergeByDefinition(v, symbols))
        << text;
  }
}

TEST(SentencePieceBpeTest, WhatIsNoTokenBecomesItsBytes) {
  const Vocabulary v = SentencePiece();
  EXPECT_THAT(
      v.Make()->Encode("\xC3\xA9", kNoLimit).tokens,
      ElementsAre(v.IdOf("\xE2\x96\x81"), v.IdOf("<0xC3>"), v.IdOf("<0xA9>")));
}

TEST(SentencePieceBpeTest, WithoutByteTokensItIsUnknown) {
  const Vocabulary v = Words("llama");
  EXPECT_THAT(v.Make()->Encode("a\xC3\xA9", kNoLimit).tokens,
              ElementsAre(v.IdOf("\xE2\x96\x81"
                                 "a"),
                          0));
}

TEST(SentencePieceBpeTest, TheSpacePrefixCanBeSwitchedOff) {
  Vocabulary v = SentencePiece();
  v.bools["add_space_prefix"] = false;
  EXPECT_THAT(v.Make()->Encode("b", kNoLimit).tokens, ElementsAre(v.IdOf("b")));
}

TEST(SentencePieceBpeTest, UserDefinedTokensComeFirst) {
  Vocabulary v = SentencePiece();
  v.bools["add_space_prefix"] = false;
  v.Add("b\n", 0, 4);
  v.Add("b\nc", 0, 4);
  EXPECT_THAT(v.Make()->Encode("ab\ncb\n", kNoLimit).tokens,
              ElementsAre(v.IdOf("a"), v.IdOf("b\nc"), v.IdOf("b\n")));
}

TEST(SentencePieceBpeTest, ControlTokensAreNeverFoundInText) {
  Vocabulary v = SentencePiece();
  v.Add("<", -1);
  v.Add("s", -1);
  v.Add("<s", -1);
  v.Add(">", -1);
  const auto ids = v.Make()->Encode("<s>", kNoLimit).tokens;
  EXPECT_THAT(ids,
              ElementsAre(v.IdOf("\xE2\x96\x81"), v.IdOf("<s"), v.IdOf(">")));
}

TEST(ByteBpeTest, MergesByRank) {
  Vocabulary v = ByteBpe();
  const auto tokenizer = v.Make();
  EXPECT_THAT(tokenizer->Encode("aaaaa", kNoLimit).tokens,
              ElementsAre(v.IdOf("aaaa"), v.IdOf("a")));
  EXPECT_THAT(tokenizer->Encode("abc", kNoLimit).tokens,
              ElementsAre(v.IdOf("a"), v.IdOf("bc")));
  EXPECT_THAT(tokenizer->Encode("b a", kNoLimit).tokens,
              ElementsAre(v.IdOf("b"), v.IdOf("\xC4\xA0"
                                              "a")));
}

TEST(ByteBpeTest, ComposesTextsOfQwen2) {
  const Vocabulary v = ByteBpe();
  EXPECT_THAT(v.Make()->Encode("e\xCC\x81", kNoLimit).tokens,
              ElementsAre(v.IdOf("\xC3\x83"), v.IdOf("\xC2\xA9")));
}

TEST(ByteBpeTest, AMergeOfMissingTokensIsRefused) {
  Vocabulary v = ByteBpe();
  v.merges.push_back("c c");
  EXPECT_THAT(v.Load(), StatusIs(kInvalid, HasSubstr("x.gguf: merge 7")));
  v.merges.back() = "cc";
  EXPECT_THAT(v.Load(), StatusIs(kInvalid, HasSubstr("x.gguf: merge 7")));
}

TEST(ByteBpeTest, AnUnknownSplitIsNamedWithThoseThatAreKnown) {
  Vocabulary v = ByteBpe();
  v.pre = "deepseek-coder";
  EXPECT_THAT(v.Load(), StatusIs(absl::StatusCode::kUnimplemented,
                                 HasSubstr("\"deepseek-coder\", supported are "
                                           "gpt-2")));
}

// The greatest sum of scores over all ways to cut `text`.
double BestSum(const Vocabulary& v, absl::string_view text,
               std::map<size_t, double>* memo) {
  if (text.empty()) return 0;
  if (const auto found = memo->find(text.size()); found != memo->end()) {
    return found->second;
  }
  double best = -1e9;
  for (size_t i = 0; i < v.tokens.size(); ++i) {
    const std::string& token = v.tokens[i];
    if (v.types[i] != 1 || text.substr(0, token.size()) != token) continue;
    best = std::max(best, double{v.scores[i]} +
                              BestSum(v, text.substr(token.size()), memo));
  }
  (*memo)[text.size()] = best;
  return best;
}

TEST(UnigramTest, FindsTheGreatestSumOfScores) {
  const Vocabulary v = Words("t5");
  const auto tokenizer = v.Make();
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    const std::string text = RandomText(&random, "aabc ", 1 + random() % 20);
    std::string marked;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == ' ') continue;
      if (i == 0 || text[i - 1] == ' ') marked += "\xE2\x96\x81";
      marked.push_back(text[i]);
    }
    double sum = 0;
    std::string joined;
    for (const int32_t id : tokenizer->Encode(text, kNoLimit).tokens) {
      sum += double{v.scores[static_cast<size_t>(id)]};
      joined += v.tokens[static_cast<size_t>(id)];
    }
    std::map<size_t, double> memo;
    EXPECT_EQ(joined, marked);
    EXPECT_NEAR(sum, BestSum(v, marked, &memo), 1e-9) << text;
  }
}

TEST(UnigramTest, UnknownCharactersSideBySideAreOneToken) {
  const Vocabulary v = Words("t5");
  EXPECT_THAT(v.Make()->Encode("xyz a x", kNoLimit).tokens,
              ElementsAre(v.IdOf("\xE2\x96\x81"), 0,
                          v.IdOf("\xE2\x96\x81"
                                 "a"),
                          v.IdOf("\xE2\x96\x81"), 0));
}

TEST(UnigramTest, ACharacterMapThatIsCutOrTooLongIsRefused) {
  Vocabulary v = Words("t5");
  v.charsmap = std::string("\x04\0\0\0\0\0\0", 7);  // A trie of 4 bytes, cut.
  EXPECT_THAT(v.Load(), StatusIs(kInvalid, HasSubstr("x.gguf: the character")));
  v.charsmap = std::string("\x04\0\0\0\0\0\0\0", 8) + "abc";  // No end.
  EXPECT_THAT(v.Load(), StatusIs(kInvalid, HasSubstr("x.gguf: the character")));
  v.charsmap = std::string("\x04\0\0\0\0\0\0\0", 8) + std::string(65, 'x') +
               std::string(1, '\0');
  EXPECT_THAT(v.Load(), StatusIs(kInvalid, HasSubstr("x.gguf: the character")));
  v.charsmap = std::string("\x04\0\0\0\0\0\0\0", 8) + std::string(64, 'x') +
               std::string(1, '\0');
  EXPECT_THAT(v.Load(), IsOk());
}

// A trie of random units is walked without leaving it.
TEST(UnigramTest, AnyCharacterMapIsSafe) {
  std::mt19937 random(4);
  for (int round = 0; round < 50; ++round) {
    Vocabulary v = Words("t5");
    v.charsmap.clear();
    AppendLittle<uint32_t>(&v.charsmap, 4 * 256);
    for (int i = 0; i < 256; ++i) {
      // Small offsets and labels of letters, so that walks get somewhere.
      AppendLittle<uint32_t>(&v.charsmap, (random() % 256) << 10 |
                                              (random() % 2) << 8 |
                                              ('a' + random() % 3));
    }
    v.charsmap += std::string("xy\0z\0", 5);
    const auto tokenizer = v.Make();
    EXPECT_LT(tokenizer->Encode(RandomText(&random, "abc", 100), kNoLimit)
                  .tokens.size(),
              6500u);
  }
}

TEST(TokenizerTest, SpecialTokensStandAroundAndSurviveTheCut) {
  Vocabulary v = SentencePiece();
  v.bools["add_bos_token"] = true;
  v.bools["add_eos_token"] = true;
  const auto tokenizer = v.Make();
  EXPECT_EQ(tokenizer->special_tokens(), 2u);
  EXPECT_THAT(tokenizer->Encode("", kNoLimit).tokens, ElementsAre(1, 2));
  const TokenizedText whole = tokenizer->Encode("b c b", kNoLimit);
  EXPECT_FALSE(whole.truncated);
  EXPECT_EQ(tokenizer->Encode("b c b", whole.tokens.size()).tokens,
            whole.tokens);
  for (size_t most = 3; most < whole.tokens.size(); ++most) {
    const TokenizedText cut = tokenizer->Encode("b c b", most);
    EXPECT_TRUE(cut.truncated);
    std::vector<int32_t> want(
        whole.tokens.begin(),
        whole.tokens.begin() + static_cast<ptrdiff_t>(most) - 1);
    want.push_back(2);
    EXPECT_EQ(cut.tokens, want);
  }
}

TEST(TokenizerTest, MalformedVocabulariesAreRefused) {
  const auto broken = [](void (*breaker)(Vocabulary*)) {
    Vocabulary v = SentencePiece();
    breaker(&v);
    return v.Load().status();
  };
  EXPECT_THAT(broken([](Vocabulary* v) { v->scores.pop_back(); }),
              StatusIs(kInvalid, HasSubstr("275 scores for 276 tokens")));
  EXPECT_THAT(broken([](Vocabulary* v) { v->types.pop_back(); }),
              StatusIs(kInvalid, HasSubstr("275 token types for 276 tokens")));
  EXPECT_THAT(broken([](Vocabulary* v) { v->types[3] = 7; }),
              StatusIs(kInvalid, HasSubstr("token 3 has type 7")));
  EXPECT_THAT(broken([](Vocabulary* v) {
                v->scores[3] = std::numeric_limits<float>::quiet_NaN();
              }),
              StatusIs(kInvalid, HasSubstr("token 3 has score nan")));
  EXPECT_THAT(broken([](Vocabulary* v) { v->tokens[3] = "\xC3"; }),
              StatusIs(kInvalid, HasSubstr("token 3 is not valid UTF-8")));
  EXPECT_THAT(
      broken([](Vocabulary* v) { v->tokens[3] = std::string(1025, 'a'); }),
      StatusIs(kInvalid, HasSubstr("token 3 has 1025 bytes")));
  EXPECT_THAT(broken([](Vocabulary* v) {
                v->bools["add_bos_token"] = true;
                v->ids["bos_token_id"] = 276;
              }),
              StatusIs(kInvalid, HasSubstr("is 276, but there are only 276")));
  EXPECT_THAT(broken([](Vocabulary* v) {
                v->bools["add_bos_token"] = true;
                v->ids.erase("bos_token_id");
              }),
              StatusIs(kInvalid, HasSubstr("add_bos_token")));
  EXPECT_THAT(broken([](Vocabulary* v) { v->model = "rwkv"; }),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("rwkv")));
}

std::unique_ptr<const Tokenizer> Manta(MantaSpaces spaces) {
  MantaVocabulary v;
  v.tokens = {"[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "aa", "aaaa", "b", "ab"};
  v.merges = {{"a", "a"}, {"aa", "aa"}, {"a", "b"}, {"ab", "ab"}};
  auto tokenizer = MantaTokenizer::Create(v, spaces, nullptr);
  EXPECT_THAT(tokenizer, IsOk());
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

// Twice the text takes twice the steps, whatever the text is. WordPiece has a
// test of its own; tools/verify tokens counts instructions.
TEST(TokenizerTest, StepsAreLinearInHostileTexts) {
  std::vector<std::unique_ptr<const Tokenizer>> tokenizers;
  tokenizers.push_back(SentencePiece().Make());
  tokenizers.push_back(ByteBpe().Make());
  tokenizers.push_back(Words("t5").Make());
  tokenizers.push_back(Manta(MantaSpaces::kUnknown));
  tokenizers.push_back(Manta(MantaSpaces::kDropped));
  const auto repeat = [](absl::string_view part, size_t size) {
    std::string text;
    while (text.size() < size) absl::StrAppend(&text, part);
    return text;
  };
  constexpr size_t kSize = size_t{1} << 13;
  for (const auto& tokenizer : tokenizers) {
    for (const char* part : {"a", "abc", " ", "\xCC\x81", "\xCC\x81\xCC\xA7",
                             "\xE2\x96\x81", "\n", "a ", "'", "1"}) {
      uint64_t once = 0;
      uint64_t twice = 0;
      tokenizer->Encode(repeat(part, kSize), kNoLimit, &once);
      tokenizer->Encode(repeat(part, 2 * kSize), kNoLimit, &twice);
      EXPECT_LE(twice, 2 * once + 64) << part;
      EXPECT_LE(once, 20 * kSize) << part;
    }
  }
}

// A megabyte of one thing, which has no place to cut it in two.
TEST(TokenizerTest, AMegabyteOfOneCharacterIsEncodedInSoManySteps) {
  constexpr size_t kSize = size_t{1} << 20;
  for (const char* part : {"a", "\xCC\x81", " "}) {
    std::string text;
    while (text.size() < kSize) absl::StrAppend(&text, part);
    for (const auto& tokenizer :
         {SentencePiece().Make(), ByteBpe().Make(), Words("t5").Make(),
          Manta(MantaSpaces::kUnknown)}) {
      uint64_t steps = 0;
      const TokenizedText got = tokenizer->Encode(text, 512, &steps);
      EXPECT_LE(got.tokens.size(), 512u);
      EXPECT_LE(steps, 20 * text.size()) << part;
    }
  }
}

TEST(MergeSymbolsTest, RankByRankMergesAllPairsOfARankFirst) {
  // "ab" has rank 5, "aba" of "ab" and "a" rank 2: made too early, it takes the
  // "a" of the second "ab".
  const std::string text = "abab";
  const auto find = [&](const MergeSymbol& left, const MergeSymbol& right) {
    const auto merged =
        absl::string_view(text).substr(left.begin, left.size + right.size);
    if (merged == "ab") return MergedPair{true, 5, 1};
    if (merged == "aba") return MergedPair{true, 2, 2};
    return MergedPair{};
  };
  const auto sizes = [&](MergeOrder order) {
    std::vector<MergeSymbol> symbols;
    for (size_t i = 0; i < text.size(); ++i) symbols.push_back({0, i, 1});
    uint64_t steps = 0;
    MergeSymbols(&symbols, find, order, &steps);
    std::vector<size_t> result;
    for (const MergeSymbol& symbol : symbols) result.push_back(symbol.size);
    return result;
  };
  EXPECT_THAT(sizes(MergeOrder::kOneByOne), ElementsAre(3, 1));
  EXPECT_THAT(sizes(MergeOrder::kRankByRank), ElementsAre(2, 2));
}

std::vector<std::string> Split(absl::string_view text, BpeSplit split) {
  std::vector<std::string> words;
  ForEachBpeWord(text, split, [&](absl::string_view word) {
    words.emplace_back(word);
    return true;
  });
  return words;
}

TEST(BpeWordsTest, Gpt2SplitsAsItsExpression) {
  const auto split = [](absl::string_view t) {
    return Split(t, BpeSplit::kGpt2);
  };
  EXPECT_THAT(split("It's 12x  y"),
              ElementsAre("It", "'s", " 12", "x", " ", " y"));
  EXPECT_THAT(split("we'LL go'll"), ElementsAre("we", "'", "LL", " go", "'ll"));
  EXPECT_THAT(split("a\n\nb  "), ElementsAre("a", "\n", "\n", "b", "  "));
  EXPECT_THAT(split(" ?!a"), ElementsAre(" ?!", "a"));
  EXPECT_THAT(split("\xC2\xA0x"), ElementsAre("\xC2\xA0", "x"));
}

TEST(BpeWordsTest, Qwen2SplitsAsItsExpression) {
  const auto split = [](absl::string_view t) {
    return Split(t, BpeSplit::kQwen2);
  };
  EXPECT_THAT(split("It'S 12x  y"),
              ElementsAre("It", "'S", " ", "1", "2", "x", " ", " y"));
  EXPECT_THAT(split("(ab\n\n  c"), ElementsAre("(ab", "\n\n", " ", " c"));
  EXPECT_THAT(split("!?\n\nx"), ElementsAre("!?\n\n", "x"));
  EXPECT_THAT(split(" \n \n  "), ElementsAre(" \n \n", "  "));
  EXPECT_THAT(split("\tx"), ElementsAre("\tx"));
}

TEST(UnicodeTextTest, ComposesCanonically) {
  EXPECT_EQ(ToNfc("plain"), "plain");
  EXPECT_EQ(ToNfc("e\xCC\x81"), "\xC3\xA9");
  EXPECT_EQ(ToNfc("\xE2\x84\xAB"), "\xC3\x85");  // Angstrom.
  // Marks in the wrong order: q, dot above (230), dot below (220).
  EXPECT_EQ(ToNfc("q\xCC\x87\xCC\xA3"), "q\xCC\xA3\xCC\x87");
  // Hangul letters become syllables.
  EXPECT_EQ(ToNfc("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB"), "\xED\x95\x9C");
  EXPECT_EQ(ToNfc("\xF0\x9F\x98\x80"), "\xF0\x9F\x98\x80");
}

}  // namespace
}  // namespace corkscrew
