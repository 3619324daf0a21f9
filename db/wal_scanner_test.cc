// The scanner over made logs: every verdict, every cut, every flipped bit. Over
// logs of RocksDB itself: recovery_test.cc.

#include "db/wal_scanner.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "db/log_reader.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::testing::HasSubstr;

constexpr size_t kBlock = 32768;

// A batch of `count` rows in `size` bytes from row `sequence` on, which says
// that everything up to `synced` was synced before.
std::string Batch(uint64_t sequence, uint32_t count,
                  std::optional<uint64_t> synced, size_t size = 60) {
  std::string batch;
  for (int i = 0; i < 8; ++i) {
    batch.push_back(static_cast<char>(sequence >> (8 * i)));
  }
  for (int i = 0; i < 4; ++i) {
    batch.push_back(static_cast<char>(count >> (8 * i)));
  }
  if (synced.has_value()) {
    const std::string claim = EncodeSyncedClaim(*synced);
    if (size > 12 + 2 + claim.size()) {
      batch.append(size - 12 - 2 - claim.size(), 'v');
    }
    batch += "\x03\x10" + claim;
  }
  return batch;
}

struct Made {
  std::string bytes;
  std::vector<size_t> ends;  // Of the batches; the rows before are 2 * i.
};

// Batches of 2 rows each, from row 1 on, each synced before the next.
Made MakeLog(size_t batches, size_t size) {
  Made made;
  for (size_t i = 0; i < batches; ++i) {
    AppendLogRecord(Batch(2 * i + 1, 2, 2 * i, size), &made.bytes);
    made.ends.push_back(made.bytes.size());
  }
  return made;
}

WalScan Scan(absl::string_view bytes,
             std::optional<uint64_t> tables_sequence = 0) {
  return ScanWalFiles({{7, "000007.log", bytes}}, tables_sequence);
}

TEST(WalScannerTest, AnUndamagedLogIsClean) {
  for (const size_t size : {40, 5000, 100000}) {
    const Made made = MakeLog(50, size);
    const WalScan scan = Scan(made.bytes);
    EXPECT_EQ(scan.verdict, WalVerdict::kClean) << scan.what;
    EXPECT_EQ(scan.last_sequence, 100u);
  }
  EXPECT_EQ(Scan("").verdict, WalVerdict::kClean);
  EXPECT_EQ(Scan("", 9).last_sequence, 9u);
  EXPECT_EQ(ScanWalFiles({}, 9).last_sequence, 9u);
}

TEST(WalScannerTest, ALogThatIsCutAnywhereHasATornTail) {
  // Small batches; and such as fill more than a block.
  for (const size_t size : {40, 20000, 50000}) {
    const Made made = MakeLog(size == 40 ? 40 : 6, size);
    size_t whole = 0;
    const size_t step = size == 40 ? 1 : 61;
    for (size_t cut = 0; cut <= made.bytes.size(); cut += step) {
      while (whole < made.ends.size() && made.ends[whole] <= cut) ++whole;
      const size_t end = whole == 0 ? 0 : made.ends[whole - 1];
      const WalScan scan = Scan(absl::string_view(made.bytes).substr(0, cut));
      ASSERT_EQ(scan.last_sequence, 2 * whole) << cut;
      // The rest of a block in which no header fits is no damage, but half of
      // it is: RocksDB refuses it.
      if (cut == end || (cut % kBlock == 0 && cut - end < 7)) {
        ASSERT_EQ(scan.verdict, WalVerdict::kClean) << cut << " " << scan.what;
        continue;
      }
      ASSERT_EQ(scan.verdict, WalVerdict::kTornTail) << cut;
      EXPECT_EQ(scan.file, "000007.log");
      EXPECT_EQ(scan.dropped_bytes, cut - scan.offset);
      EXPECT_LE(scan.offset - end, 6u) << cut;
    }
  }
}

TEST(WalScannerTest, AFlippedBitBeforeTheLastBatchIsDamage) {
  const Made made = MakeLog(30, 50);
  std::string bytes = made.bytes;
  size_t batch = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (made.ends[batch] <= i) ++batch;
    for (int bit = 0; bit < 8; ++bit) {
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
      const WalScan scan = Scan(bytes);
      ASSERT_EQ(scan.verdict, batch + 1 < made.ends.size()
                                  ? WalVerdict::kDamaged
                                  : WalVerdict::kTornTail)
          << "byte " << i << " bit " << bit;
      EXPECT_EQ(scan.last_sequence, 2 * batch);
      EXPECT_EQ(scan.offset, batch == 0 ? 0 : made.ends[batch - 1]);
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
    }
  }
}

TEST(WalScannerTest, ADamagedBatchOfManyBlocksIsDamageIfABatchFollows) {
  const Made made = MakeLog(3, 4 * kBlock);
  for (size_t i = 0; i < made.ends[1]; i += 977) {
    std::string bytes = made.bytes;
    bytes[i] = static_cast<char>(bytes[i] ^ 0x10);
    const WalScan scan = Scan(bytes);
    // What no header fits in is not looked at.
    if (scan.verdict == WalVerdict::kClean) continue;
    EXPECT_EQ(scan.verdict, WalVerdict::kDamaged) << i;
  }
  // The middle of the last one is zeros, its end is whole: a page was lost.
  std::string bytes = made.bytes;
  bytes.replace(made.ends[1] + kBlock, 4096, std::string(4096, '\0'));
  EXPECT_EQ(Scan(bytes).verdict, WalVerdict::kTornTail);
  EXPECT_EQ(Scan(bytes).last_sequence, 4u);
}

TEST(WalScannerTest, ZerosAndGarbageBehindTheLastBatchAreATornTail) {
  const Made made = MakeLog(4, 60);
  std::string garbage;
  for (size_t i = 0; i < 9000; ++i) {
    garbage.push_back(static_cast<char>(i * i * 31 + i));
  }
  for (const std::string& tail : {std::string(1, '\0'), std::string(4096, '\0'),
                                  garbage, std::string(4096, '\1')}) {
    const WalScan scan = Scan(made.bytes + tail);
    EXPECT_EQ(scan.verdict, WalVerdict::kTornTail);
    EXPECT_EQ(scan.offset, made.bytes.size());
    EXPECT_EQ(scan.dropped_bytes, tail.size());
  }
}

TEST(WalScannerTest, BatchesThatWereNeverSyncedMayBeLostInAnyOrder) {
  // Rows 1-2 are synced; 3-4, 5-6 and 7-8 are not.
  std::string bytes;
  AppendLogRecord(Batch(1, 2, 0), &bytes);
  const size_t lost = bytes.size();
  for (const uint64_t sequence : {3, 5, 7}) {
    AppendLogRecord(Batch(sequence, 2, 2), &bytes);
  }
  bytes[lost + 20] ^= 1;
  const WalScan scan = Scan(bytes);
  EXPECT_EQ(scan.verdict, WalVerdict::kTornTail) << scan.what;
  EXPECT_EQ(scan.last_sequence, 2u);
  EXPECT_EQ(scan.dropped_bytes, bytes.size() - lost);
  // A later batch that says that they were synced makes it damage.
  std::string more = bytes;
  AppendLogRecord(Batch(9, 2, 4), &more);
  EXPECT_EQ(Scan(more).verdict, WalVerdict::kDamaged);
  more = bytes;
  AppendLogRecord(Batch(9, 2, std::nullopt), &more);  // Says nothing.
  EXPECT_EQ(Scan(more).verdict, WalVerdict::kDamaged);
}

TEST(WalScannerTest, RowsMustFollowEachOtherFromLogToLog) {
  std::string first, second;
  AppendLogRecord(Batch(11, 3, 10), &first);
  AppendLogRecord(Batch(14, 1, 13), &first);
  AppendLogRecord(Batch(15, 1, 14), &second);
  const auto scan = [&](absl::string_view a, absl::string_view b,
                        std::optional<uint64_t> tables) {
    return ScanWalFiles({{4, "000004.log", a}, {6, "000006.log", b}}, tables);
  };
  EXPECT_EQ(scan(first, second, 10).verdict, WalVerdict::kClean);
  EXPECT_EQ(scan(first, second, 12).verdict, WalVerdict::kClean);
  EXPECT_EQ(scan(first, second, 12).last_sequence, 15u);
  EXPECT_EQ(scan(first, second, std::nullopt).verdict, WalVerdict::kClean);
  // The first log is gone; or its last batch, or it is there twice.
  EXPECT_EQ(scan("", second, 10).verdict, WalVerdict::kDamaged);
  EXPECT_THAT(scan("", second, 10).what, HasSubstr("row 15, want 11"));
  std::string cut;
  AppendLogRecord(Batch(11, 3, 10), &cut);
  EXPECT_EQ(scan(cut, second, 10).verdict, WalVerdict::kDamaged);
  EXPECT_EQ(scan(first, first, 10).verdict, WalVerdict::kDamaged);
}

TEST(WalScannerTest, WhatAnEarlierOpenGaveUpIsNotHeldAgainstTheLog) {
  std::string first, second;
  AppendLogRecord(Batch(1, 2, 0), &first);
  first += "torn";
  // RocksDB writes an empty batch where it goes on.
  AppendLogRecord(Batch(3, 0, std::nullopt), &second);
  AppendLogRecord(Batch(3, 2, 2), &second);
  const WalScan scan =
      ScanWalFiles({{4, "000004.log", first}, {6, "000006.log", second}}, 0);
  EXPECT_EQ(scan.verdict, WalVerdict::kClean) << scan.what;
  EXPECT_TRUE(scan.torn_before);
  EXPECT_EQ(scan.last_sequence, 4u);
}

}  // namespace
}  // namespace corkscrew
