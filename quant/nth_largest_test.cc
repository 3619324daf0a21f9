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

TEST(MoveAtLeastTest, KeepsTheOrderOfWhatReachesTheScore) {
  for (size_t size = 0; size <= 70; ++size) {
    const std::vector<float> scores = RandomNormal(size, /*seed=*/size);
    for (const size_t from : {size_t{0}, size / 3}) {
      for (const size_t to : {size_t{0}, from}) {
        for (const float least : {-9.0f, 0.0f, 1.0f, 9.0f}) {
          std::vector<uint32_t> slots(size);
          std::vector<int32_t> sums(size);
          for (size_t i = 0; i < size; ++i) {
            slots[i] = static_cast<uint32_t>(1000 + i);
            sums[i] = -static_cast<int32_t>(i);
          }
          std::vector<uint32_t> want_slots(
              slots.begin(), slots.begin() + static_cast<ptrdiff_t>(to));
          for (size_t i = from; i < size; ++i) {
            if (scores[i] >= least) want_slots.push_back(slots[i]);
          }
          ForEachSimdTarget([&] {
            std::vector<uint32_t> moved = slots;
            std::vector<int32_t> moved_sums = sums;
            const size_t end = MoveAtLeast(least, scores.data(), from, size, to,
                                           moved.data(), moved_sums.data());
            ASSERT_EQ(end, want_slots.size());
            for (size_t i = 0; i < end; ++i) {
              EXPECT_EQ(moved[i], want_slots[i]);
              EXPECT_EQ(moved_sums[i], 1000 - static_cast<int32_t>(moved[i]));
            }
          });
        }
      }
    }
  }
}

}  // namespace
}  // namespace corkscrew
