#include "quant/sieve.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "base/testing.h"
#include "corkscrew/quantizer.h"
#include "gtest/gtest.h"
#include "quant/code_scan.h"
#include "quant/scan_layout.h"
#include "quant/splitmix.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::ForEachSimdTarget;
using ::corkscrew::testing::RandomNormal;

// Slots by (sum, number), from all parts.
using Found = std::vector<std::pair<int16_t, uint32_t>>;

enum class Order { kRandom, kBestFirst, kBestLast, kAllEqual, kFewValues };

// Codes of one bit, whose prefix sums are by definition.
class SieveTest : public ::testing::Test {
 protected:
  static constexpr size_t kDim = 48;

  SieveTest()
      : quantizer_(*Quantizer::Create({.dim = kDim, .bits = 1})),
        scan_(quantizer_) {}

  void Fill(size_t slots, Order order) {
    SplitMix64 random(slots);
    codes_.clear();
    const std::vector<int16_t> integers = Integers();
    std::vector<std::pair<int, std::vector<uint8_t>>> all;
    for (size_t i = 0; i < slots; ++i) {
      std::vector<uint8_t> code(kDim / 8, 0x55);
      if (order != Order::kAllEqual) {
        for (uint8_t& byte : code) byte = static_cast<uint8_t>(random.Next());
      }
      if (order == Order::kFewValues) {
        code.assign(code.size(), static_cast<uint8_t>(random.Bounded(3)));
      }
      int sum = 0;
      for (size_t j = 0; j < kDim; ++j) {
        sum += (code[j / 8] >> j % 8 & 1) != 0 ? integers[j] : -integers[j];
      }
      all.emplace_back(sum, code);
    }
    if (order == Order::kBestFirst) std::sort(all.rbegin(), all.rend());
    if (order == Order::kBestLast) std::sort(all.begin(), all.end());
    codes_ = std::move(all);
  }

  std::vector<int16_t> Integers() const {
    const auto prepared = quantizer_.Prepare(RandomNormal(kDim, 1));
    const ScanQuery query = scan_.Prepare(*prepared);
    return {query.levels.in_order, query.levels.in_order + kDim};
  }

  // By definition, of the slots that `admitted` has.
  Found Want(size_t keep, const std::vector<bool>& admitted) const {
    Found all;
    for (size_t i = 0; i < codes_.size(); ++i) {
      if (!admitted[i]) continue;
      all.emplace_back(codes_[i].first, i);
    }
    std::sort(all.begin(), all.end(), std::greater<>());
    if (keep == 0) return {};
    if (all.size() > keep) {
      size_t n = keep;
      while (n < all.size() && all[n].first == all[keep - 1].first) ++n;
      all.resize(n);
    }
    return all;
  }

  // The columns of slots [first, last).
  struct Columns {
    std::vector<uint8_t> prefix;
    std::vector<uint64_t> admitted;
    SievePart part;
  };
  Columns Make(size_t first, size_t last,
               const std::vector<bool>& admitted) const {
    Columns columns;
    const ScanLayout& layout = scan_.layout();
    // What is in unused slots must not matter.
    columns.prefix.resize(layout.prefix_size(last - first), 0xFF);
    columns.admitted.resize(ScanLayout::Blocks(last - first), 0);
    for (size_t i = first; i < last; ++i) {
      StoreCode(layout, codes_[i].second, i - first,
                {.prefix = columns.prefix.data()});
      if (admitted[i]) {
        columns.admitted[(i - first) / 64] |= uint64_t{1} << (i - first) % 64;
      }
    }
    columns.part = {.prefix = columns.prefix.data(),
                    .slots = last - first,
                    .admitted = columns.admitted.data()};
    return columns;
  }

  Found Get(const std::vector<size_t>& bounds, size_t keep,
            const std::vector<bool>& admitted, size_t sieves) const {
    const auto prepared = quantizer_.Prepare(RandomNormal(kDim, 1));
    const ScanQuery query = scan_.Prepare(*prepared);
    std::vector<Columns> columns;
    for (size_t i = 0; i + 1 < bounds.size(); ++i) {
      columns.push_back(Make(bounds[i], bounds[i + 1], admitted));
    }
    // Part p belongs to sieve p % sieves.
    std::vector<Survivors> survivors(sieves);
    std::vector<Survivors*> pointers;
    std::vector<std::vector<size_t>> firsts(sieves);
    for (size_t s = 0; s < sieves; ++s) {
      std::vector<SievePart> parts;
      for (size_t p = s; p < columns.size(); p += sieves) {
        parts.push_back(columns[p].part);
        firsts[s].push_back(bounds[p]);
      }
      RunSieve(scan_, query, parts, keep, &survivors[s]);
      pointers.push_back(&survivors[s]);
    }
    CutSurvivors(query, keep, pointers);
    Found found;
    for (size_t s = 0; s < sieves; ++s) {
      size_t i = 0;
      for (size_t p = 0; p < survivors[s].part_ends.size(); ++p) {
        for (; i < survivors[s].part_ends[p]; ++i) {
          found.emplace_back(survivors[s].sums[i],
                             firsts[s][p] + survivors[s].slots[i]);
        }
      }
      EXPECT_EQ(i, survivors[s].size());
    }
    std::sort(found.begin(), found.end(), std::greater<>());
    return found;
  }

  Quantizer quantizer_;
  CodeScan scan_;
  std::vector<std::pair<int, std::vector<uint8_t>>> codes_;  // With their sums.
};

constexpr Order kOrders[] = {Order::kRandom, Order::kBestFirst,
                             Order::kBestLast, Order::kAllEqual,
                             Order::kFewValues};

TEST_F(SieveTest, KeepsTheLargestSumsAndTheirTiesWhateverTheOrder) {
  for (const Order order : kOrders) {
    for (const size_t slots : {1, 63, 64, 65, 1000, 5000, 30000}) {
      Fill(slots, order);
      const std::vector<bool> all(slots, true);
      for (const size_t keep : {0, 1, 10, 300, 29999, 30000, 40000}) {
        const Found want = Want(keep, all);
        ForEachSimdTarget([&] {
          EXPECT_EQ(Get({0, slots}, keep, all, 1), want)
              << "order " << static_cast<int>(order) << ", slots " << slots
              << ", keep " << keep;
        });
      }
    }
  }
}

TEST_F(SieveTest, PartsAndThreadsDoNotMatter) {
  constexpr size_t kSlots = 20000;
  for (const Order order : kOrders) {
    Fill(kSlots, order);
    const std::vector<bool> all(kSlots, true);
    const Found want = Want(500, all);
    EXPECT_EQ(Get({0, 1, 70, 70, 9000, 19999, kSlots}, 500, all, 1), want);
    EXPECT_EQ(Get({0, 4000, 4100, 9000, 13001, kSlots}, 500, all, 2), want);
    EXPECT_EQ(Get({0, 100, 4100, 9000, 13001, kSlots}, 500, all, 5), want);
  }
}

TEST_F(SieveTest, SeveralQueriesGetWhatEachGetsAlone) {
  constexpr size_t kSlots = 20000;
  SplitMix64 random(6);
  std::vector<bool> some(kSlots);
  for (size_t i = 0; i < kSlots; ++i) some[i] = random.Bounded(3) != 0;
  for (const Order order : kOrders) {
    Fill(kSlots, order);
    const Columns first = Make(0, 7001, some);
    const Columns second = Make(7001, kSlots, some);
    const SievePart parts[] = {first.part, second.part};
    for (const size_t count : {2, 3, order == Order::kRandom ? 70 : 5}) {
      ForEachSimdTarget([&] {
        std::vector<ScanQuery> queries;
        for (size_t q = 0; q < count; ++q) {
          queries.push_back(
              scan_.Prepare(*quantizer_.Prepare(RandomNormal(kDim, q))));
        }
        std::vector<const ScanQuery*> pointers;
        std::vector<Survivors> survivors(count);
        std::vector<Survivors*> together;
        for (size_t q = 0; q < count; ++q) {
          pointers.push_back(&queries[q]);
          together.push_back(&survivors[q]);
        }
        for (const size_t keep : {0, 300, 30000}) {
          RunSieves(scan_, pointers, parts, keep, absl::MakeSpan(together));
          for (size_t q = 0; q < count; ++q) {
            Survivors alone;
            RunSieve(scan_, queries[q], parts, keep, &alone);
            EXPECT_EQ(survivors[q].slots, alone.slots);
            EXPECT_EQ(survivors[q].sums, alone.sums);
            EXPECT_EQ(survivors[q].part_ends, alone.part_ends);
          }
        }
      });
    }
  }
}

TEST_F(SieveTest, OnlyAdmittedSlotsTakePart) {
  constexpr size_t kSlots = 20000;
  SplitMix64 random(5);
  for (const Order order : kOrders) {
    Fill(kSlots, order);
    for (const uint32_t one_in : {2, 100, 30000}) {
      std::vector<bool> some(kSlots);
      for (size_t i = 0; i < kSlots; ++i) some[i] = random.Bounded(one_in) == 0;
      const Found want = Want(100, some);
      ForEachSimdTarget([&] {
        EXPECT_EQ(Get({0, 5001, kSlots}, 100, some, 1), want);
        EXPECT_EQ(Get({0, 5001, kSlots}, 100, some, 2), want);
      });
    }
  }
}

}  // namespace
}  // namespace corkscrew
