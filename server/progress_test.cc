#include "server/progress.h"

#include <optional>
#include <sstream>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "server/console.h"

namespace corkscrew {
namespace {

// A console of strings and a clock that the test moves.
struct Screen {
  explicit Screen(bool terminal) { console.err_is_terminal = terminal; }
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  Console console{in, out, err};
  absl::Time now = absl::UnixEpoch();

  Progress Start(std::optional<uint64_t> total) {
    return Progress(console, "import", "records", total,
                    [this] { return now; });
  }
};

TEST(ProgressTest, ATerminalShowsABarWithRateAndTimeLeft) {
  Screen screen(/*terminal=*/true);
  Progress progress = screen.Start(1000);
  screen.now += absl::Seconds(10);
  progress.Update(2500, 250);
  progress.Update(2600, 260);  // Too soon to draw again.
  EXPECT_EQ(screen.err.str(),
            "\r\x1b[Kimport: [######..................]  25%  2,500 records  "
            "250 records/s  30 s left");
  progress.Finish(2600);
  EXPECT_NE(screen.err.str().find(
                "\r\x1b[Kimport: 2,600 records in 10.0 s, 260 records/s\n"),
            std::string::npos);
}

TEST(ProgressTest, ALineIsPrintedNowAndThenElsewhere) {
  Screen screen(/*terminal=*/false);
  Progress progress = screen.Start(1000);
  screen.now += absl::Seconds(4);
  progress.Update(10, 100);
  EXPECT_EQ(screen.err.str(), "");
  screen.now += absl::Seconds(1);
  progress.Update(20, 200);
  progress.Update(30, 300);
  EXPECT_EQ(screen.err.str(),
            "import:  20%  20 records  4.0 records/s  20 s left\n");
}

TEST(ProgressTest, AnUnknownTotalShowsCountAndRateOnly) {
  Screen screen(/*terminal=*/true);
  Progress progress = screen.Start(std::nullopt);
  screen.now += absl::Seconds(2);
  progress.Update(10, 100);
  EXPECT_EQ(screen.err.str(), "\r\x1b[Kimport: 10 records  5.0 records/s");
}

TEST(HumanDurationTest, UsesTheTwoLargestUnits) {
  EXPECT_EQ(HumanDuration(absl::Seconds(59.4)), "59 s");
  EXPECT_EQ(HumanDuration(absl::Seconds(75)), "1 min 15 s");
  EXPECT_EQ(HumanDuration(absl::Seconds(3700)), "1 h 1 min");
}

}  // namespace
}  // namespace corkscrew
