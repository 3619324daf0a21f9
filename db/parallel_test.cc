#include "db/parallel.h"

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace corkscrew {
namespace {

TEST(RunUnitsTest, EachUnitRunsOnceAndWorkersDoNotOverlapThemselves) {
  for (const size_t threads : {1, 2, 8}) {
    for (const size_t units : {0, 1, 2, 7, 1000}) {
      std::vector<int> runs(units);       // Written by one unit each.
      std::vector<size_t> done(threads);  // Written by one worker each.
      EXPECT_TRUE(RunUnits(units, threads, [&](size_t worker, size_t unit) {
        ++runs[unit];
        ++done[worker];
        return true;
      }));
      EXPECT_EQ(runs, std::vector<int>(units, 1));
      size_t total = 0;
      for (const size_t n : done) total += n;
      EXPECT_EQ(total, units);
    }
  }
}

TEST(RunUnitsTest, WorkerZeroIsTheCallingThread) {
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<bool> right = true;
  RunUnits(100, 4, [&](size_t worker, size_t) {
    if ((worker == 0) != (std::this_thread::get_id() == caller)) right = false;
    return true;
  });
  EXPECT_TRUE(right);
}

TEST(RunUnitsTest, StopsAfterAUnitThatReturnsFalse) {
  size_t runs = 0;
  EXPECT_FALSE(RunUnits(100, 1, [&](size_t, size_t unit) {
    ++runs;
    return unit != 10;
  }));
  EXPECT_EQ(runs, 11u);
  EXPECT_FALSE(
      RunUnits(100, 4, [](size_t, size_t unit) { return unit != 99; }));
}

}  // namespace
}  // namespace corkscrew
