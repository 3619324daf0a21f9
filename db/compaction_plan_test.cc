#include "db/compaction_plan.h"

#include <cstddef>
#include <limits>
#include <vector>

#include "base/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr size_t kSegment = 16'000;
constexpr size_t kAny = std::numeric_limits<size_t>::max();

BlockSize Live(size_t slots, size_t dead = 0) {
  return {slots, dead, /*written=*/true, /*live=*/true};
}
BlockSize History(size_t slots) {
  return {slots, slots, /*written=*/true, /*live=*/false};
}
BlockSize Sealed(size_t slots, size_t dead = 0) { return {slots, dead}; }

TEST(CompactionPlanTest, WritesAllThatIsNotWritten) {
  EXPECT_THAT(PlanCompaction({}, kSegment, kAny), IsEmpty());
  EXPECT_THAT(
      PlanCompaction({Live(16'000), Sealed(2000), Sealed(1)}, kSegment, kAny),
      ElementsAre(1, 2));
}

TEST(CompactionPlanTest, TakesThreeOfASizeAlong) {
  EXPECT_THAT(
      PlanCompaction({Live(2000), Live(2000), Sealed(2000)}, kSegment, kAny),
      ElementsAre(2));
  EXPECT_THAT(PlanCompaction({Live(2000), Live(1500), Live(2000), Live(15'000),
                              Sealed(2000)},
                             kSegment, kAny),
              ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(PlanCompaction({Live(2000), Live(1500), Live(2000), Sealed(2000)},
                             kSegment, /*most_along=*/5000),
              ElementsAre(3));
}

TEST(CompactionPlanTest, WritesLiveSegmentsAnewWhenAnEighthHasDied) {
  EXPECT_THAT(PlanCompaction({Live(8000, 999), History(8000)}, kSegment, kAny),
              IsEmpty());
  EXPECT_THAT(
      PlanCompaction({Live(8000, 999), Live(8000, 1000)}, kSegment, kAny),
      ElementsAre(1));
}

TEST(CompactionPlanTest, WritesDamagedSegmentsAnew) {
  BlockSize damaged = History(8000);
  damaged.damaged = true;
  EXPECT_THAT(PlanCompaction({Live(8000), damaged}, kSegment, kAny),
              ElementsAre(1));
}

// Whatever is sealed and dies, few segments stay, and each slot is copied few
// times.
TEST(CompactionPlanTest, KeepsFewSegmentsAndCopiesLittle) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    std::vector<BlockSize> blocks;
    size_t sealed = 0;
    size_t copied = 0;
    for (int round = 0; round < 400; ++round) {
      const size_t slots = 1 + random.Next() % (seed % 2 == 0 ? 2048 : 4);
      sealed += slots;
      blocks.push_back(Sealed(slots, random.Next() % (slots + 1) / 4));
      for (BlockSize& block : blocks) {
        if (block.written && block.live && random.Next() % 50 == 0) {
          block.dead += (block.slots - block.dead) / 9;
        }
      }
      while (true) {
        const std::vector<size_t> plan = PlanCompaction(blocks, kSegment, kAny);
        if (plan.empty()) break;
        size_t alive = 0;
        size_t dead = 0;
        for (size_t i = plan.size(); i-- > 0;) {
          const BlockSize& block = blocks[plan[i]];
          alive += block.slots - block.dead;
          dead += block.dead;
          blocks.erase(blocks.begin() + static_cast<ptrdiff_t>(plan[i]));
        }
        copied += alive + dead;
        ASSERT_LE(alive, 3 * kSegment);
        if (alive > 0) blocks.push_back(Live(alive));
        if (dead > 0) blocks.push_back(History(dead));
      }
    }
    EXPECT_LE(blocks.size(), 2 * (3 * 5 + 2 * sealed / kSegment + 1)) << seed;
    // Tiny ones are copied more often until there are some hundred.
    EXPECT_LE(copied, (seed % 2 == 0 ? 16 : 64) * sealed) << seed;
  }
}

}  // namespace
}  // namespace corkscrew
