#include "base/crc32c.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/random.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

TEST(Crc32cTest, AgreesWithTheExamplesOfRfc3720) {
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  std::string ascending;
  for (int i = 0; i < 32; ++i) ascending.push_back(static_cast<char>(i));
  EXPECT_EQ(Crc32c(ascending), 0x46DD794Eu);
  EXPECT_EQ(Crc32c(""), 0u);
}

// The definition: polynomial division, bit by bit.
uint32_t ByDefinition(const std::string& bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 1) ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
    }
  }
  return ~crc;
}

TEST(Crc32cTest, EverySizeAndSplitAgreesWithTheDefinition) {
  Random random(7);
  std::string bytes;
  for (size_t size = 0; size < 70; ++size) {
    const uint32_t want = ByDefinition(bytes);
    EXPECT_EQ(Crc32c(bytes), want) << size;
    EXPECT_EQ(ExtendCrc32cPortable(0, bytes), want) << size;
    for (size_t cut = 0; cut <= size; ++cut) {
      const uint32_t first = Crc32c(bytes.substr(0, cut));
      EXPECT_EQ(ExtendCrc32c(first, bytes.substr(cut)), want);
      EXPECT_EQ(ExtendCrc32cPortable(first, bytes.substr(cut)), want);
    }
    bytes.push_back(static_cast<char>(random.Next()));
  }
}

// Long ones are summed in lanes.
TEST(Crc32cTest, LongOnesAgreeWithTheDefinition) {
  Random random(8);
  std::string bytes;
  for (size_t size = 0; size < 1300; ++size) {
    bytes.push_back(static_cast<char>(random.Next()));
    if (size % 97 > 3 && size % 128 > 1 && size % 128 < 126) continue;
    const uint32_t want = ByDefinition(bytes);
    EXPECT_EQ(Crc32c(bytes), want) << bytes.size();
    const size_t cut = random.Next() % bytes.size();
    EXPECT_EQ(ExtendCrc32c(Crc32c(bytes.substr(0, cut)), bytes.substr(cut)),
              want)
        << bytes.size() << " cut at " << cut;
  }
}

}  // namespace
}  // namespace corkscrew
