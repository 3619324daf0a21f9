#include "server/text_display.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/utf8.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

TEST(CodePointTest, EveryCodePointComesBack) {
  for (int32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    AppendUtf8(c, text);
    size_t position = 0;
    ASSERT_EQ(NextCodePoint(text, position), c);
    ASSERT_EQ(position, text.size());
  }
}

TEST(CodePointTest, AgreesWithTheValidatorOnAllShortSequences) {
  for (uint32_t bits = 0; bits < (1u << 24); bits += 7) {
    const std::string text = {static_cast<char>(bits >> 16),
                              static_cast<char>(bits >> 8),
                              static_cast<char>(bits)};
    bool valid = true;
    for (size_t position = 0; position < text.size();) {
      valid &= NextCodePoint(text, position) >= 0;
    }
    ASSERT_EQ(valid, IsValidUtf8(text)) << bits;
  }
}

TEST(SnippetTest, IsOneLineOfAtMostTheColumns) {
  EXPECT_EQ(Snippet("  a \n\t b  ", 20), "a b");
  EXPECT_EQ(Snippet("abcdef", 6), "abcdef");
  EXPECT_EQ(Snippet("abcdefg", 6), "abc...");
  EXPECT_EQ(Snippet("abcdefg", 2), "..");
  EXPECT_EQ(Snippet("abc", 0), "");
  EXPECT_EQ(Snippet("a\x1b[31mb\x7f", 20), "a\xEF\xBF\xBD[31mb\xEF\xBF\xBD");
  EXPECT_EQ(Snippet("\xE4\xB8\xAD\xE6\x96\x87\xE5\xAD\x97", 5),
            "\xE4\xB8\xAD...");
}

TEST(PrintableTest, OnlyLineFeedsAreKeptOfControlCharacters) {
  EXPECT_EQ(Printable("a\n  \xC3\xA9"), "a\n  \xC3\xA9");
  EXPECT_EQ(Printable("\x1b[2J\r\x9b\xFF"),
            "\xEF\xBF\xBD[2J\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(DisplayWidthTest, CountsWideAndCombiningCharacters) {
  EXPECT_EQ(DisplayWidth("abc"), 3u);
  EXPECT_EQ(DisplayWidth("\xC3\xA9"), 1u);
  EXPECT_EQ(DisplayWidth("e\xCC\x81"), 1u);
  EXPECT_EQ(DisplayWidth("\xE4\xB8\xAD"), 2u);
  EXPECT_EQ(DisplayWidth("\xFF"), 1u);
}

}  // namespace
}  // namespace corkscrew
