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

TEST(CompactionPlanTest, TakesThreeTinyOnesOfASizeAlong) {
  EXPECT_THAT(
      PlanCompaction({Live(500), Live(500), Sealed(500)}, kSegment, kAny),
      ElementsAre(2));
  EXPECT_THAT(PlanCompaction(
                  {Live(500), Live(300), Live(500), Live(15'000), Sealed(500)},
                  kSegment, kAny),
              ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(PlanCompaction({Live(500), Live(300), Live(500), Sealed(500)},
                             kSegment, /*most_along=*/700),
              ElementsAre(3));
}

// Eight blocks of what a growing one has when it is sealed fill a segment.
TEST(CompactionPlanTest, LetsSevenWaitForTheEighth) {
  std::vector<BlockSize> blocks(6, Live(2048));
  blocks.push_back(Sealed(2048));
  EXPECT_THAT(PlanCompaction(blocks, kSegment, kAny), ElementsAre(6));
  blocks.push_back(Live(2048));
  EXPECT_THAT(PlanCompaction(blocks, kSegment, kAny),
              ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(
      PlanCompaction({Live(7000), Live(7000), Sealed(2048)}, kSegment, kAny),
      ElementsAre(0, 1, 2))
      << "they fill a segment";
}

TEST(CompactionPlanTest, DoesNotCopyAFullSegmentAgain) {
  EXPECT_THAT(
      PlanCompaction(std::vector<BlockSize>(20, Live(16'384)), kSegment, kAny),
      IsEmpty());
  std::vector<BlockSize> blocks(7, Live(2048));
  blocks.push_back(Live(16'384));
  blocks.push_back(Sealed(2048));
  EXPECT_THAT(PlanCompaction(blocks, kSegment, kAny),
              ElementsAre(0, 1, 2, 3, 4, 5, 6, 8));
}

TEST(CompactionPlanTest, CopiesEachSlotOnceWhileManyComeIn) {
  std::vector<BlockSize> blocks;
  size_t made = 0;
  constexpr size_t kBlocks = 480;
  for (size_t i = 0; i < kBlocks; ++i) {
    blocks.push_back(Sealed(2048));
    while (true) {
      const std::vector<size_t> plan = PlanCompaction(blocks, kSegment, kAny);
      if (plan.empty()) break;
      size_t slots = 0;
      for (size_t j = plan.size(); j-- > 0;) {
        slots += blocks[plan[j]].slots;
        blocks.erase(blocks.begin() + static_cast<ptrdiff_t>(plan[j]));
      }
      made += slots;
      blocks.push_back(Live(slots));
    }
  }
  EXPECT_LE(made, 2 * kBlocks * 2048);
  EXPECT_EQ(blocks.size(), kBlocks / 8);
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
    EXPECT_LE(blocks.size(), 2 * (3 * 3 + 7 * 2 + 2 * sealed / kSegment + 1))
        << seed;
    // Tiny ones are copied more often until there are some hundred.
    EXPECT_LE(copied, (seed % 2 == 0 ? 16 : 64) * sealed) << seed;
  }
}

}  // namespace
}  // namespace corkscrew
