#include "base/utf8.h"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace corkscrew {
namespace {

// The definition: the encoding of one code point (Unicode 3.9, D92).
std::string Encode(uint32_t code) {
  const auto byte = [](uint32_t value) { return static_cast<char>(value); };
  if (code < 0x80) return {byte(code)};
  if (code < 0x800) return {byte(0xC0 | code >> 6), byte(0x80 | (code & 63))};
  if (code < 0x10000) {
    return {byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 63)),
            byte(0x80 | (code & 63))};
  }
  return {byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 63)),
          byte(0x80 | (code >> 6 & 63)), byte(0x80 | (code & 63))};
}

const std::set<std::string>& Encodings() {
  static const auto* const kAll = [] {
    auto* set = new std::set<std::string>;
    for (uint32_t code = 0; code <= 0x10FFFF; ++code) {
      if (code < 0xD800 || code > 0xDFFF) set->insert(Encode(code));
    }
    return set;
  }();
  return *kAll;
}

TEST(Utf8Test, EveryScalarValueIsValid) {
  for (const std::string& bytes : Encodings()) {
    ASSERT_TRUE(IsValidUtf8(bytes));
  }
}

// A string of at most three bytes is valid iff it splits into encodings.
TEST(Utf8Test, StringsUpToThreeBytesAgreeWithTheDefinition) {
  const std::set<std::string>& one = Encodings();
  const auto defined = [&one](const std::string& s, auto&& self) -> bool {
    if (s.empty()) return true;
    for (size_t n = 1; n <= s.size(); ++n) {
      if (one.count(s.substr(0, n)) > 0 && self(s.substr(n), self)) return true;
    }
    return false;
  };
  // All bytes at which a range of table 3-7 starts or ends, and neighbours.
  const uint8_t edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F,
                           0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0,
                           0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1,
                           0xF3, 0xF4, 0xF5, 0xF8, 0xFE, 0xFF};
  for (const uint8_t a : edges) {
    for (const uint8_t b : edges) {
      for (const uint8_t c : edges) {
        const std::string s = {static_cast<char>(a), static_cast<char>(b),
                               static_cast<char>(c)};
        for (size_t n = 0; n <= 3; ++n) {
          const std::string cut = s.substr(0, n);
          ASSERT_EQ(IsValidUtf8(cut), defined(cut, defined))
              << int{a} << " " << int{b} << " " << int{c} << ", " << n;
        }
        for (const uint8_t d : edges) {
          const std::string four = s + static_cast<char>(d);
          ASSERT_EQ(IsValidUtf8(four), defined(four, defined))
              << int{a} << " " << int{b} << " " << int{c} << " " << int{d};
        }
      }
    }
  }
}

TEST(Utf8Test, OneBadByteAnywhereInAsciiIsFound) {
  for (size_t size = 1; size <= 40; ++size) {
    const std::string good(size, 'x');
    EXPECT_TRUE(IsValidUtf8(good));
    for (size_t i = 0; i < size; ++i) {
      std::string bad = good;
      bad[i] = '\xC3';
      EXPECT_FALSE(IsValidUtf8(bad)) << size << ", " << i;
    }
  }
}

TEST(Utf8Test, CutTextIsInvalidExceptBetweenCharacters) {
  const std::string text = "abcdefg\u00E9hijk\u20AClmnopqrstuv\U0001F600w";
  const std::set<size_t> inside = {8, 14, 15, 28, 29, 30};
  for (size_t n = 0; n <= text.size(); ++n) {
    EXPECT_EQ(IsValidUtf8(text.substr(0, n)), inside.count(n) == 0) << n;
  }
}

}  // namespace
}  // namespace corkscrew
