#include "db/store.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/file_system.h"
#include "base/random.h"
#include "base/testing.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using testing::IsOk;
using testing::TempDir;

uint64_t NewestLog(const std::string& path) {
  const auto names = FileSystem::Real().List(path);
  EXPECT_THAT(names, IsOk());
  uint64_t newest = 0;
  for (const std::string& name : *names) {
    absl::string_view digits = name;
    uint64_t number = 0;
    if (absl::ConsumeSuffix(&digits, ".log") &&
        absl::SimpleAtoi(digits, &number)) {
      newest = std::max(newest, number);
    }
  }
  return newest;
}

// Else a power loss that takes it alone looks like damage (wal_scanner.h).
TEST(StoreTest, TheFirstBatchOfEachLogIsSyncedAlsoWhenNobodyWaits) {
  const TempDir dir;
  size_t logs = 0, synced = 0;
  for (int life = 0; life < 2; ++life) {
    auto store = Store::Open(dir.path(), {.memtable_bytes = size_t{1} << 20});
    ASSERT_THAT(store, IsOk());
    uint64_t log = 0;
    Random random(1);
    for (int i = 0; i < 300; ++i) {
      std::string value(8192, '\0');
      for (char& c : value) c = static_cast<char>(random.Next());
      WriteBatch batch = (*store)->NewBatch();
      batch.Put(Family::kBodies, absl::StrCat("key", i), value);
      ASSERT_THAT((*store)->Write(batch, Store::Sync::kLater), IsOk());
      const bool is_synced =
          (*store)->synced_sequence() == (*store)->last_sequence();
      const uint64_t now = NewestLog(dir.path());
      if (now != log) {
        EXPECT_TRUE(is_synced) << "batch " << i << " began log " << now;
        ++logs;
      }
      log = now;
      synced += is_synced;
    }
    ASSERT_THAT((*store)->Close(), IsOk());
  }
  EXPECT_GT(logs, 8u);
  EXPECT_LE(synced, 2 * logs);
}

// What is done meanwhile must not wait for the disk, and may read the rows.
TEST(StoreTest, RowsCanBeReadBeforeTheyAreSynced) {
  const TempDir dir;
  auto store = Store::Open(dir.path(), {});
  ASSERT_THAT(store, IsOk());
  for (const Store::Sync sync : {Store::Sync::kNow, Store::Sync::kLater}) {
    const uint64_t before = (*store)->synced_sequence();
    const std::string key = absl::StrCat("key", before);
    WriteBatch batch = (*store)->NewBatch();
    batch.Put(Family::kRows, key, "value");
    int calls = 0;
    ASSERT_THAT((*store)->Write(
                    batch, sync,
                    [&] {
                      ++calls;
                      EXPECT_EQ(*(*store)->Get(Family::kRows, key), "value");
                      EXPECT_EQ((*store)->synced_sequence(), before);
                    }),
                IsOk());
    EXPECT_EQ(calls, 1);
    EXPECT_EQ((*store)->synced_sequence() == (*store)->last_sequence(),
              sync == Store::Sync::kNow);
  }
}

TEST(StoreTest, WhatErasingWritesAnewIsKnownBefore) {
  const TempDir dir;
  auto store = Store::Open(dir.path(), {});
  ASSERT_THAT(store, IsOk());
  const Store::KeyRange all{"", "z"}, none{"x", "y"};
  std::string value(100'000, '\0');
  Random random(1);
  for (char& c : value) c = static_cast<char>(random.Next());
  WriteBatch batch = (*store)->NewBatch();
  batch.Put(Family::kBodies, "a", value);
  batch.Put(Family::kBodies, "b", value);
  ASSERT_THAT((*store)->Write(batch), IsOk());
  EXPECT_GT((*store)->BytesToErase({&all, 1}), 200'000u);
  // Erasing flushes.
  ASSERT_THAT(
      (*store)->EraseDeleted({&all, 1}, [] { return absl::OkStatus(); }),
      IsOk());
  EXPECT_GT((*store)->BytesToErase({&all, 1}), 200'000u);
  EXPECT_LT((*store)->BytesToErase({&none, 1}), 100'000u);
}

}  // namespace
}  // namespace corkscrew
