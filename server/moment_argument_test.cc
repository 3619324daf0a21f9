#include "server/moment_argument.h"

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

TEST(MomentArgumentTest, ANumberATimeAndATagAreMoments) {
  EXPECT_EQ(*ParseMoment("17"), Moment::At(17));
  EXPECT_EQ(*ParseMoment("0"), Moment::At(0));
  EXPECT_EQ(*ParseMoment("18446744073709551615"), Moment::At(~Lamport{0}));
  EXPECT_EQ(*ParseMoment("tag:v1"), Moment::AtTag("v1"));
  EXPECT_EQ(*ParseMoment("tag:17"), Moment::AtTag("17"));
  const Moment time = Moment::AtTime(absl::FromUnixSeconds(1'769'860'800));
  EXPECT_EQ(*ParseMoment("2026-01-31T12:00:00Z"), time);
  EXPECT_EQ(*ParseMoment("2026-01-31T13:00:00+01:00"), time);
  EXPECT_EQ(*ParseMoment("2026-01-31T12:00:00.5Z"),
            Moment::AtTime(absl::FromUnixMillis(1'769'860'800'500)));
}

TEST(MomentArgumentTest, AnythingElseIsNoMoment) {
  for (const absl::string_view text :
       {"", "-1", "+1", "1.5", "0x10", " 1", "18446744073709551616",
        "tag:", "tag", "now", "infinite-future", "infinite-past", "2026-01-31",
        "2026-01-31T12:00:00", "2026-13-31T12:00:00Z", "a\nb"}) {
    EXPECT_THAT(ParseMoment(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"")))
        << text;
  }
}

TEST(MomentArgumentTest, DurationsAreWholeNumbersWithUnits) {
  EXPECT_EQ(*ParseDurationArgument("90s"), absl::Seconds(90));
  EXPECT_EQ(*ParseDurationArgument("15m"), absl::Minutes(15));
  EXPECT_EQ(*ParseDurationArgument("1h"), absl::Hours(1));
  EXPECT_EQ(*ParseDurationArgument("30d"), absl::Hours(720));
  EXPECT_EQ(*ParseDurationArgument("2w"), absl::Hours(336));
  EXPECT_EQ(*ParseDurationArgument("1y"), absl::Hours(8760));
  EXPECT_EQ(*ParseDurationArgument("0s"), absl::ZeroDuration());
  EXPECT_EQ(*ParseDurationArgument("1h30m"), absl::Minutes(90));
  EXPECT_EQ(*ParseDurationArgument("1y2w3d4h5m6s"),
            absl::Hours(8760 + 336 + 72 + 4) + absl::Seconds(306));
  EXPECT_EQ(*ParseDurationArgument("100y"), absl::Hours(876'000));
  for (const absl::string_view text :
       {"", "1", "d", "-1d", "1.5h", "30m1h", "1h1h", "1h30", "h", "101y",
        "100y1s", "99999999999999999999s", "1 d", "inf"}) {
    EXPECT_THAT(ParseDurationArgument(text),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("not a duration")))
        << text;
  }
}

TEST(MomentArgumentTest, AnExpiryIsATimeOrADurationFromNow) {
  const absl::Time now = absl::UnixEpoch();
  EXPECT_EQ(*ParseTimeOrDelay("1h30m", now), now + absl::Minutes(90));
  EXPECT_EQ(*ParseTimeOrDelay("2w", now), now + absl::Hours(336));
  EXPECT_EQ(*ParseTimeOrDelay("1970-01-02T00:00:00Z", now),
            now + absl::Hours(24));
  for (const absl::string_view text : {"", "0s", "-1s", "soon", "1.5h"}) {
    EXPECT_THAT(ParseTimeOrDelay(text, now),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("neither a time")))
        << text;
  }
}

TEST(MomentArgumentTest, DurationsArePrintedInTheLargestUnitThatFits) {
  for (const absl::string_view text :
       {"0s", "90s", "15m", "1h", "30d", "2w", "1y"}) {
    EXPECT_EQ(DurationText(*ParseDurationArgument(text)), text);
  }
  EXPECT_EQ(DurationText(absl::Milliseconds(1500)), "1.5s");
}

}  // namespace
}  // namespace corkscrew
