#include "quant/nth_largest.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "base/testing.h"
#include "gtest/gtest.h"
#include "quant/splitmix.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::ForEachSimdTarget;
using ::corkscrew::testing::RandomNormal;

void Check(const std::vector<float>& scores, size_t n) {
  std::vector<float> sorted = scores;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  ForEachSimdTarget([&] {
    std::vector<float> moved = scores;
    EXPECT_EQ(NthLargest(n, absl::MakeSpan(moved)), sorted[n - 1])
        << n << " of " << scores.size();
  });
}

TEST(NthLargestTest, EveryRankOfEverySizeIsTheOneOfTheSortedScores) {
  for (size_t size = 1; size <= 70; ++size) {
    const std::vector<float> scores = RandomNormal(size, /*seed=*/size);
    for (size_t n = 1; n <= size; ++n) Check(scores, n);
  }
}

TEST(NthLargestTest, ManyScoresAndTies) {
  SplitMix64 random(1);
  for (const uint32_t values : {1, 2, 3, 50, 100000}) {
    std::vector<float> scores(5000);
    for (float& score : scores) {
      score = static_cast<float>(random.Bounded(values)) - 20.0f;
    }
    for (const size_t n : {1, 2, 150, 2500, 4999, 5000}) Check(scores, n);
  }
}

TEST(NthLargestTest, NumbersOfAllSizes) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kMost = std::numeric_limits<float>::max();
  std::vector<float> scores = {-kInfinity, -kMost, 0.0f,  -0.0f,    1e-45f,
                               -1e-45f,    kMost,  kMost, kInfinity};
  for (int exponent = -126; exponent < 127; ++exponent) {
    scores.push_back(std::ldexp(1.0f, exponent));
    scores.push_back(-std::ldexp(1.5f, exponent));
  }
  for (size_t n = 1; n <= scores.size(); ++n) Check(scores, n);
}

}  // namespace
}  // namespace corkscrew
