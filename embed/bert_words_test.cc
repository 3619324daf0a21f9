#include "embed/bert_words.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "base/hash.h"
#include "embed/bert_characters.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Words(absl::string_view text,
                               const BertWordOptions& options = {}) {
  std::vector<std::string> words;
  ForEachBertWord(text, options, [&](const BertWord& word) {
    words.emplace_back(word.too_long ? "(too long)" : word.text);
    return true;
  });
  return words;
}

TEST(BertWordsTest, SplitsAtSpacesOfEveryKind) {
  EXPECT_THAT(Words(""), ElementsAre());
  EXPECT_THAT(Words(" \t\r\n\xC2\xA0\xE3\x80\x80 "), ElementsAre());
  EXPECT_THAT(Words("a b\tc\nd\re\xC2\xA0"
                    "f\xE2\x80\x83g\xE3\x80\x80h"),
              ElementsAre("a", "b", "c", "d", "e", "f", "g", "h"));
}

TEST(BertWordsTest, PunctuationIsAWordPerCharacter) {
  EXPECT_THAT(Words("don't... $5+x^2"),
              ElementsAre("don", "'", "t", ".", ".", ".", "$", "5", "+", "x",
                          "^", "2"));
  // Em dash, inverted question mark; the euro sign is a symbol, category Sc.
  EXPECT_THAT(Words("a\xE2\x80\x94\xC2\xBF"
                    "b\xE2\x82\xAC"),
              ElementsAre("a", "\xE2\x80\x94", "\xC2\xBF", "b\xE2\x82\xAC"));
}

TEST(BertWordsTest, AnIdeographIsAWordAndKanaAndHangulAreNot) {
  EXPECT_THAT(Words("a\xE4\xB8\xAD\xE6\x96\x87"
                    "b"),
              ElementsAre("a", "\xE4\xB8\xAD", "\xE6\x96\x87", "b"));
  EXPECT_THAT(Words("\xE3\x82\xAB\xE3\x83\x8A"),
              ElementsAre("\xE3\x82\xAB\xE3\x83\x8A"));
  // Hangul syllables are decomposed into letters, which are no accents.
  EXPECT_THAT(Words("\xED\x95\x9C"),
              ElementsAre("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB"));
  // A compatibility ideograph, U+F900, is decomposed to U+8C48.
  EXPECT_THAT(Words("x\xEF\xA4\x80"), ElementsAre("x", "\xE8\xB1\x88"));
}

TEST(BertWordsTest, LowersCaseAndStripsAccents) {
  EXPECT_THAT(Words("\xC3\x80\xC3\x89 Stra\xC3\x9F"
                    "e"),
              ElementsAre("ae",
                          "stra\xC3\x9F"
                          "e"));
  EXPECT_THAT(Words("e\xCC\x81\xCC\x82"), ElementsAre("e"));
  EXPECT_THAT(Words("\xCC\x81 \xCC\x82"), ElementsAre());
  EXPECT_THAT(Words("\xC4\xB0stanbul"), ElementsAre("istanbul"));
  // U+226E decomposes to "<" and an accent; "<" is punctuation.
  EXPECT_THAT(Words("a\xE2\x89\xAE"
                    "b"),
              ElementsAre("a", "<", "b"));
}

TEST(BertWordsTest, KeepsCaseAndAccentsIfTold) {
  const BertWordOptions cased = {.lowercase = false, .strip_accents = false};
  EXPECT_THAT(Words("\xC3\x80"
                    "bc",
                    cased),
              ElementsAre("\xC3\x80"
                          "bc"));
  const BertWordOptions accents = {.lowercase = true, .strip_accents = false};
  EXPECT_THAT(Words("\xC3\x80"
                    "BC",
                    accents),
              ElementsAre("\xC3\xA0"
                          "bc"));
  EXPECT_THAT(Words("\xC4\xB0", accents), ElementsAre("i\xCC\x87"));
  const BertWordOptions upper = {.lowercase = false, .strip_accents = true};
  EXPECT_THAT(Words("\xC3\x80"
                    "bC",
                    upper),
              ElementsAre("AbC"));
}

TEST(BertWordsTest, ControlsAreRemovedWithoutSplitting) {
  const std::string text(
      "a\0b\x07\xEF\xBF\xBD\xC2\xAD\xE2\x80\x8D\xEE\x80\x80"
      "c",
      16);
  EXPECT_THAT(Words(text), ElementsAre("abc"));
}

TEST(BertWordsTest, BytesThatAreNotUtf8AreLeftOut) {
  EXPECT_THAT(Words("a\xFF"
                    "b\xC3"),
              ElementsAre("ab"));
  EXPECT_THAT(Words("\xED\xA0\x80x\xF5\x80\x80\x80"), ElementsAre("x"));
  EXPECT_THAT(Words("\xC0\x80\xE2\x82"), ElementsAre());
}

TEST(BertWordsTest, AWordOfMoreThanAHundredCharactersIsTooLong) {
  for (const std::string letter : {"a", "\xD0\x96"}) {
    std::string word;
    for (int i = 0; i < 99; ++i) word += letter;
    for (int length = 99; length <= 102; ++length, word += letter) {
      const std::vector<std::string> words = Words(word + " b");
      ASSERT_EQ(words.size(), 2u);
      EXPECT_EQ(words[0] == "(too long)", length > 100) << length;
      EXPECT_EQ(words[1], "b");
    }
  }
  // Accents do not count, and neither do controls.
  std::string accents = "a";
  for (int i = 0; i < 1000; ++i) accents += "\xCC\x81\xC2\xAD";
  EXPECT_THAT(Words(accents), ElementsAre("a"));
}

TEST(BertWordsTest, StopsWhenTheVisitorHasEnough) {
  int seen = 0;
  ForEachBertWord("a b, c", {}, [&](const BertWord&) { return ++seen < 3; });
  EXPECT_EQ(seen, 3);
}

// The class of every code point, as Hugging Face tokenizers 0.21 decides it: it
// was asked for each one, and the answers were hashed as below.
TEST(BertCharactersTest, ClassesOfAllCodePointsAreThoseOfTheReference) {
  std::string classes;
  for (uint32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    const char bits = static_cast<char>(
        (IsBertControl(c) ? 1 : 0) | (IsBertSpace(c) ? 2 : 0) |
        (IsBertIdeograph(c) ? 4 : 0) | (IsBertAccent(c) ? 8 : 0) |
        (IsBertPunctuation(c) ? 16 : 0));
    classes.push_back(static_cast<char>('A' + bits));
  }
  const Sha256Digest digest = Sha256(classes);
  EXPECT_EQ(absl::BytesToHexString(absl::string_view(
                reinterpret_cast<const char*>(digest.data()), digest.size())),
            "7b10b5f77d05d9b1229c95591babe294f82c9e1bdb26a2b150014c3e71e245f0");
}

}  // namespace
}  // namespace corkscrew
