#include "base/random.h"

#include <cmath>

#include "gtest/gtest.h"

namespace corkscrew {
namespace {

TEST(RandomTest, FirstValuesOfSeedZeroAreThePublishedOnes) {
  Random random(0);
  EXPECT_EQ(random.Next(), 0xE220A8397B1DCDAFu);
  EXPECT_EQ(random.Next(), 0x6E789E6AA1B965F4u);
}

TEST(RandomTest, NormalHasMeanZeroAndVarianceOne) {
  Random random(1);
  double sum = 0;
  double squares = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.Normal();
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.02);
  EXPECT_NEAR(squares / kDraws, 1, 0.02);
}

}  // namespace
}  // namespace corkscrew
