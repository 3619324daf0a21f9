#include "db/growing_block.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/random.h"
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
  constexpr size_t kDim = 3;
  // A prefix of 32 bytes, a rest of 5, two other planes.
  const QuantizerParams params = {.dim = 296, .bits = 3};
  const ScanLayout layout(params);
  const size_t code_bytes = 37 * 3;
  const auto code_of = [&](size_t i) {
    Random random(i);
    std::vector<uint8_t> code(code_bytes);
    for (uint8_t& byte : code) byte = static_cast<uint8_t>(random.Next());
    return code;
  };
  GrowingBlock block(layout, kDim);
  for (size_t i = 0; i < kSlots; ++i) {
    const BodyKey body = KeyOf(i);
    const Metadata metadata = MetadataOf(i);
    const std::vector<uint8_t> code = code_of(i);
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
  const MetadataColumns& metadata = block.metadata();
  ASSERT_EQ(metadata.keys(), 1u);
  EXPECT_EQ(metadata.key(0), "n");
  EXPECT_EQ(metadata.values(0), 90u);

  for (size_t i = 0; i < kSlots; ++i) {
    const BodyKey want = KeyOf(i);
    const BodyKey body = block.body(i);
    ASSERT_EQ(body.shard, want.shard);
    ASSERT_EQ(body.id, want.id);
    ASSERT_EQ(body.lamport, want.lamport);
    ASSERT_EQ(body.origin, want.origin);
    ASSERT_EQ(body.seq, want.seq);
    ASSERT_EQ(block.id(i), want.id);
    ASSERT_EQ(std::get<int64_t>(metadata.value(0, metadata.number(0, i))),
              static_cast<int64_t>(i % 90));
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

  for (size_t i = 0; i < kSlots; ++i) {
    ASSERT_EQ(CanonicalCode(block, i, layout, code_bytes), code_of(i)) << i;
  }
  // Whatever number of slots a reader knows of, the runs have them.
  for (const size_t slots : {1, 63, 64, 65, 127, 128, 129, 191, 192, 193, 1000,
                             4096, 4097, 14'999, 15'000}) {
    ScanCopies copies;
    std::vector<ScanRun> runs;
    block.AppendRuns(slots, &copies, &runs);
    size_t next = 0;
    std::vector<uint8_t> code(code_bytes);
    for (const ScanRun& run : runs) {
      ASSERT_EQ(run.first, next);
      ASSERT_EQ(run.first % 64, 0u);
      for (size_t i = 0; i < run.slots; ++i, ++next) {
        if (next % 7 != 0 && next + 130 < slots) continue;
        LoadCode(layout, run.columns, i, absl::MakeSpan(code));
        ASSERT_EQ(code, code_of(next)) << next << " of " << slots;
        ASSERT_EQ(run.scalars[i].norm, static_cast<float>(next % 256));
      }
    }
    ASSERT_EQ(next, slots);
  }
}

TEST(GrowingBlockTest, AliveWordsSayWhatIsAlive) {
  constexpr size_t kSlots = 1000;
  GrowingBlock block(ScanLayout({.dim = 8, .bits = 1}),
                     GrowingBlock::kNoRescoreColumn);
  Random random(3);
  const Metadata metadata;
  const uint8_t code = 0;
  for (size_t i = 0; i < kSlots; ++i) {
    // Late ones are born before those that they come after.
    const BodyKey body{.id = absl::StrCat("r", random.Next() % 700),
                       .lamport = 1 + i + random.Next() % 100};
    block.Add({.body = &body, .metadata = &metadata, .code = {&code, 1}});
  }
  block.Publish(kSlots + 200);
  for (const size_t slots : {1, 64, 65, 999, 1000}) {
    for (Lamport at = 0; at < kSlots + 200; at += 37) {
      std::vector<uint64_t> words((slots + 63) / 64, 5);
      size_t count = 0;
      const size_t alive = block.AliveAt(at, slots, words.data());
      for (size_t i = 0; i < 64 * words.size(); ++i) {
        const bool want = i < slots && block.IsAlive(i, at);
        ASSERT_EQ((words[i / 64] >> (i % 64) & 1) != 0, want) << i;
        count += want;
      }
      ASSERT_EQ(alive, count);
    }
  }
}

// A reader must never have a time without the slots that belong to it.
TEST(GrowingBlockTest, ASnapshotHasAllSlotsOfItsTime) {
  constexpr Lamport kPuts = 50'000;
  GrowingBlock block(ScanLayout({.dim = 8, .bits = 1}),
                     GrowingBlock::kNoRescoreColumn);
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
