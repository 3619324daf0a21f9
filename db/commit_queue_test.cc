#include "db/commit_queue.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

#include "absl/types/span.h"
#include "base/mutex.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

struct Item {
  size_t bytes = 0;
  int times = 0;
};

TEST(CommitQueueTest, WhatWaitsNeverTakesMoreThanTheRoom) {
  constexpr size_t kRoom = 100;
  Mutex mutex;
  size_t most = 0;
  size_t groups = 0;
  CommitQueue<Item>* self = nullptr;
  CommitQueue<Item> queue(
      [&](absl::Span<Item* const> group) {
        for (Item* item : group) ++item->times;
        MutexLock lock(&mutex);
        most = std::max(most, self->bytes());
        ++groups;
      },
      [](const Item&) { return size_t{1}; }, /*most=*/1000,
      [](const Item& item) { return item.bytes; }, kRoom);
  self = &queue;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 8; ++t) {
    threads.emplace_back([&queue, t] {
      for (size_t i = 0; i < 200; ++i) {
        Item item{.bytes = (t * 37 + i * 11) % (kRoom + 1)};
        queue.Run(&item);
        EXPECT_EQ(item.times, 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, kRoom);
  EXPECT_GT(groups, 0u);
  EXPECT_EQ(queue.bytes(), 0u);
}

TEST(CommitQueueTest, AnItemLargerThanTheRoomGoesAlone) {
  size_t seen = 0;
  CommitQueue<Item> queue(
      [&](absl::Span<Item* const> group) { seen += group.size(); },
      [](const Item&) { return size_t{1}; }, /*most=*/1000,
      [](const Item& item) { return item.bytes; }, /*room=*/10);
  Item item{.bytes = 11};
  queue.Run(&item);
  EXPECT_EQ(seen, 1u);
}

}  // namespace
}  // namespace corkscrew
