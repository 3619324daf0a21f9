#include "db/growing_block.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "db/metadata_row.h"
#include "db/rescore_row.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

BodyKey KeyOf(size_t i) {
  return {.shard = static_cast<uint16_t>(i * 7),
          .id = std::string(1 + i % 40, static_cast<char>('a' + i % 26)) +
                absl::StrCat(i),
          .lamport = i,
          .origin = static_cast<uint32_t>(i * 31),
          .seq = i << 33};
}

Metadata MetadataOf(size_t i) { return {{"n", static_cast<int64_t>(i % 90)}}; }

// More slots than the small chunks hold, and then some whole chunks.
TEST(GrowingBlockTest, EveryColumnComesBackInEveryChunk) {
  constexpr size_t kSlots = 15'000;
  constexpr size_t kCodeBytes = 5;
  constexpr size_t kDim = 3;
  GrowingBlock block(kCodeBytes, kDim);
  for (size_t i = 0; i < kSlots; ++i) {
    const BodyKey body = KeyOf(i);
    const Metadata metadata = MetadataOf(i);
    const std::vector<uint8_t> code(kCodeBytes, static_cast<uint8_t>(i));
    const auto value = static_cast<float>(i % 256);
    const std::vector<float> original = {value, 0, 1};
    block.Add({.body = &body,
               .metadata = &metadata,
               .code = code,
               .scalars = {.norm = value, .scale = value + 1},
               .original = original});
  }
  block.Publish(kSlots);
  EXPECT_EQ(block.snapshot().slots, kSlots);
  EXPECT_EQ(block.metadata_rows(), 90u);

  for (size_t i = 0; i < kSlots; ++i) {
    const BodyKey want = KeyOf(i);
    const BodyKey body = block.body(i);
    ASSERT_EQ(body.shard, want.shard);
    ASSERT_EQ(body.id, want.id);
    ASSERT_EQ(body.lamport, want.lamport);
    ASSERT_EQ(body.origin, want.origin);
    ASSERT_EQ(body.seq, want.seq);
    ASSERT_EQ(block.id(i), want.id);
    ASSERT_EQ(block.metadata_row(block.metadata_number(i)),
              MetadataRow(MetadataOf(i)));
    const RescoreRow row = ReadRescoreRow(block.rescore_row(i));
    const auto value = static_cast<float>(i % 256);
    ASSERT_EQ(row.factors.size(), kDim);
    ASSERT_EQ(row.factors[2] * row.fixed.scale, 1);
    ASSERT_EQ(row.n2, double{value} * double{value} + 1);
    ASSERT_EQ(row.fixed.n2, row.n2);
    ASSERT_EQ(row.fixed.error, 0);
    ASSERT_FALSE(i > 0 && block.IsAlive(i, i - 1));
    ASSERT_TRUE(block.IsAlive(i, i));
    ASSERT_TRUE(block.IsAlive(i, kSlots));
  }

  std::set<size_t> sizes;
  for (size_t first = 0; first < kSlots;) {
    const GrowingBlock::Run run = block.RunAt(first, kSlots);
    ASSERT_GT(run.size, 0u);
    for (size_t j = 0; j < run.size; ++j) {
      ASSERT_EQ(run.codes[j * kCodeBytes + kCodeBytes - 1],
                static_cast<uint8_t>(first + j));
      ASSERT_EQ(run.scalars[j].norm, static_cast<float>((first + j) % 256));
    }
    ASSERT_EQ(block.RunAt(first, first + 1).size, 1u);
    sizes.insert(run.size);
    first += run.size;
  }
  EXPECT_GE(sizes.size(), 5u);
  EXPECT_EQ(*sizes.rbegin(), 1024u);
}

// A reader must never have a time without the slots that belong to it.
TEST(GrowingBlockTest, ASnapshotHasAllSlotsOfItsTime) {
  constexpr Lamport kPuts = 50'000;
  GrowingBlock block(1, GrowingBlock::kNoRescoreColumn);
  std::atomic<bool> whole = true;
  const auto read = [&] {
    for (GrowingBlock::Snapshot s; s.now < kPuts;) {
      s = block.snapshot();
      if (s.slots < s.now) whole = false;
      if (s.slots > 0 && !block.IsAlive(s.slots - 1, kPuts)) whole = false;
      if (s.slots > 0 && block.id(s.slots - 1) != absl::StrCat(s.slots)) {
        whole = false;
      }
    }
  };
  std::thread first(read);
  std::thread second(read);
  const Metadata metadata;
  const uint8_t code = 0;
  for (Lamport lamport = 1; lamport <= kPuts; ++lamport) {
    const BodyKey body{.id = absl::StrCat(lamport), .lamport = lamport};
    block.Add({.body = &body, .metadata = &metadata, .code = {&code, 1}});
    block.Publish(lamport);
  }
  first.join();
  second.join();
  EXPECT_TRUE(whole);
}

}  // namespace
}  // namespace corkscrew
