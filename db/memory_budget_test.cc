#include "db/memory_budget.h"

#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr size_t kMiB = size_t{1} << 20;

TEST(MemoryBudgetTest, WithoutABudgetThereIsNoLimit) {
  const MemoryBudget none(0, 32 * kMiB);
  EXPECT_THAT(none.Admit(size_t{1} << 50), IsOk());
  EXPECT_EQ(none.BlockCacheBytes(size_t{1} << 50), 32 * kMiB);
}

TEST(MemoryBudgetTest, AllSharesTogetherStayInTheBudget) {
  for (size_t budget = 8 * kMiB; budget <= 2048 * kMiB; budget *= 2) {
    const MemoryBudget memory(budget, 32 * kMiB);
    for (size_t index = 0; index < 2 * budget; index += budget / 64) {
      const size_t sum = index + memory.memtable_bytes() +
                         memory.queue_bytes() + memory.BlockCacheBytes(index);
      if (memory.Admit(index).ok()) {
        EXPECT_LE(sum, budget) << index;
      } else {
        EXPECT_GT(sum, budget) << index;
      }
      EXPECT_LE(memory.BlockCacheBytes(index), 32 * kMiB);
    }
  }
}

TEST(MemoryBudgetTest, TheErrorNamesBudgetAndNeed) {
  const MemoryBudget memory(64 * kMiB, 32 * kMiB);
  EXPECT_THAT(memory.Admit(100 * kMiB),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("67108864"), HasSubstr("104857600"),
                             HasSubstr("memory_budget_bytes"))));
}

}  // namespace
}  // namespace corkscrew
