#include "base/cursor.h"

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

TEST(CursorTest, ReadsIntegersOfBothOrders) {
  Cursor cursor(absl::string_view("\x01\x02\x03\x04\x01\x02\x03\x04", 8));
  uint32_t little = 0;
  uint32_t big = 0;
  ASSERT_TRUE(cursor.ReadLittle(&little));
  ASSERT_TRUE(cursor.ReadBig(&big));
  EXPECT_EQ(little, 0x04030201u);
  EXPECT_EQ(big, 0x01020304u);
  EXPECT_TRUE(cursor.done());
}

TEST(CursorTest, ReadingPastTheEndFailsAndStays) {
  Cursor cursor("abc");
  uint32_t number = 7;
  absl::string_view bytes = "same";
  EXPECT_FALSE(cursor.ReadLittle(&number));
  EXPECT_FALSE(cursor.ReadBig(&number));
  EXPECT_FALSE(cursor.ReadBytes(4, &bytes));
  EXPECT_FALSE(cursor.ReadBytes(UINT64_MAX, &bytes));
  EXPECT_FALSE(cursor.Skip(UINT64_MAX));
  EXPECT_EQ(number, 7u);
  EXPECT_EQ(bytes, "same");
  EXPECT_EQ(cursor.position(), 0u);
  EXPECT_TRUE(cursor.Skip(3));
}

TEST(CursorTest, VarintHasOneFormPerValue) {
  const struct {
    std::string bytes;
    bool ok;
    uint64_t value;
  } cases[] = {
      {std::string("\x00", 1), true, 0},
      {"\x7F", true, 127},
      {"\x80\x01", true, 128},
      {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", true, UINT64_MAX},
      {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", false, 0},  // 65 bits
      {std::string("\x80\x00", 2), false, 0},                  // too long
      {"\x80", false, 0},                                      // cut
      {"", false, 0},
  };
  for (const auto& c : cases) {
    Cursor cursor(c.bytes);
    uint64_t value = 0;
    EXPECT_EQ(cursor.ReadVarint(&value), c.ok);
    EXPECT_EQ(value, c.value);
    EXPECT_EQ(cursor.position(), c.ok ? c.bytes.size() : 0);
  }
}

}  // namespace
}  // namespace corkscrew
