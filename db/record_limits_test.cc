#include "db/record_limits.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "base/testing.h"
#include "corkscrew/limits.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(RecordLimitsTest, NamesAreRefusedByLengthEncodingAndControls) {
  EXPECT_THAT(CheckId(std::string(kMaxIdBytes, 'x')), IsOk());
  EXPECT_THAT(CheckId(std::string(kMaxIdBytes + 1, 'x')),
              StatusIs(kInvalid, HasSubstr("1025")));
  EXPECT_THAT(CheckId(""), StatusIs(kInvalid, HasSubstr("0 bytes")));
  EXPECT_THAT(CheckId("a\xC2"), StatusIs(kInvalid, HasSubstr("UTF-8")));
  EXPECT_THAT(CheckCollectionName("_x"), StatusIs(kInvalid, HasSubstr("_x")));
  EXPECT_THAT(CheckCollectionName(std::string(kMaxCollectionNameBytes, 'x')),
              IsOk());
  EXPECT_THAT(
      CheckCollectionName(std::string(kMaxCollectionNameBytes + 1, 'x')),
      StatusIs(kInvalid, HasSubstr("256")));
  // Every code point up to U+0101: controls are U+0000..U+001F, U+007F..U+009F.
  for (unsigned c = 0; c < 0x102; ++c) {
    std::string id;
    if (c < 0x80) {
      id.push_back(static_cast<char>(c));
    } else {
      id.push_back(static_cast<char>(0xC0 | c >> 6));
      id.push_back(static_cast<char>(0x80 | (c & 63)));
    }
    const bool control = c < 0x20 || (c >= 0x7F && c < 0xA0);
    EXPECT_EQ(CheckId(id).ok(), !control) << c;
  }
}

TEST(RecordLimitsTest, VectorsAreRefusedWhereTheQuantizerTakesNone) {
  const std::vector<float> good = {1, 0};
  EXPECT_THAT(CheckVector(good, 2, Metric::kCosine), IsOk());
  EXPECT_THAT(CheckVector(good, 3, Metric::kCosine),
              StatusIs(kInvalid, HasSubstr("2 coordinates, want 3")));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  for (const float bad : {nan, inf, -inf}) {
    const std::vector<float> vector = {1, bad};
    EXPECT_THAT(CheckVector(vector, 2, Metric::kDot),
                StatusIs(kInvalid, HasSubstr("coordinate 1")));
  }
  const std::vector<float> longest = {0x1p60f, 0};
  const std::vector<float> too_long = {std::nextafter(0x1p60f, inf), 0};
  EXPECT_THAT(CheckVector(longest, 2, Metric::kL2), IsOk());
  EXPECT_THAT(CheckVector(too_long, 2, Metric::kL2),
              StatusIs(kInvalid, HasSubstr("2^60")));
  const std::vector<float> shortest = {0x1p-60f, 0};
  const std::vector<float> too_short = {std::nextafter(0x1p-60f, 0.0f), -0.0f};
  EXPECT_THAT(CheckVector(shortest, 2, Metric::kCosine), IsOk());
  EXPECT_THAT(CheckVector(too_short, 2, Metric::kCosine),
              StatusIs(kInvalid, HasSubstr("2^-60")));
  EXPECT_THAT(CheckVector(too_short, 2, Metric::kDot), IsOk());
}

}  // namespace
}  // namespace corkscrew
