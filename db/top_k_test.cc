#include "db/top_k.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

// Ties by a number that has nothing to do with the order of offers.
struct Before {
  static uint32_t Rank(uint32_t slot) { return slot * 2654435761u; }
  bool operator()(const Candidate& a, const Candidate& b) const {
    if (a.score != b.score) return a.score > b.score;
    return Rank(a.slot) < Rank(b.slot);
  }
};

std::vector<uint32_t> Slots(const std::vector<Candidate>& candidates) {
  std::vector<uint32_t> slots;
  for (const Candidate& c : candidates) slots.push_back(c.slot);
  return slots;
}

TEST(TopKTest, KeepsTheFirstOfAFullSortWhateverTheOrderOfOffers) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    Random random(seed);
    const size_t n = random.Next() % 300;
    const size_t k = random.Next() % 60;
    const uint64_t values = 1 + random.Next() % 50;  // Few: many ties.
    std::vector<Candidate> all;
    for (uint32_t slot = 0; slot < n; ++slot) {
      all.push_back({static_cast<float>(random.Next() % values) - 7, slot});
    }
    std::vector<Candidate> expected = all;
    std::sort(expected.begin(), expected.end(), Before());
    expected.resize(std::min(n, k));
    for (int shuffle = 0; shuffle < 3; ++shuffle) {
      for (size_t i = n; i > 1; --i) {
        std::swap(all[i - 1], all[random.Next() % i]);
      }
      TopK<Before> sorted(k, Before());
      TopK<Before> unsorted(k, Before());
      for (const Candidate& c : all) {
        // The test that a scan makes before it offers loses nothing.
        if (c.score >= sorted.threshold()) sorted.Offer(c);
        unsorted.Offer(c);
      }
      ASSERT_EQ(Slots(sorted.TakeSorted()), Slots(expected)) << "seed " << seed;
      std::vector<Candidate> taken = unsorted.Take();
      std::sort(taken.begin(), taken.end(), Before());
      ASSERT_EQ(Slots(taken), Slots(expected)) << "seed " << seed;
    }
  }
}

TEST(TopKTest, TheThresholdIsOneOfTheKeptScores) {
  TopK<Before> top(2, Before());
  EXPECT_LT(top.threshold(), -1e38f);
  for (uint32_t slot = 0; slot < 100; ++slot) top.Offer({float(slot), slot});
  EXPECT_GE(top.threshold(), 30);
  EXPECT_LE(top.threshold(), 98);
}

}  // namespace
}  // namespace corkscrew
