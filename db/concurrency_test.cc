// Writers and readers at once: every reader sees whole Puts only.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "corkscrew/db.h"
#include "db/call_gate.h"
#include "db/commit_queue.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using testing::IsOk;
using testing::TempDir;

TEST(CommitQueueTest, EveryItemIsProcessedOnceAndInTheOrderOfItsThread) {
  struct Item {
    int thread;
    int number;
    bool processed = false;
  };
  std::vector<int> last(4, -1);
  size_t groups = 0;
  CommitQueue<Item> queue(
      [&](absl::Span<Item* const> group) {
        ++groups;  // One leader at a time: no lock is needed.
        EXPECT_LE(group.size(), 3u);
        for (Item* item : group) {
          EXPECT_EQ(item->number, last[item->thread] + 1);
          last[item->thread] = item->number;
          EXPECT_FALSE(item->processed);
          item->processed = true;
        }
      },
      [](const Item&) { return size_t{1}; }, 3,
      [](const Item&) { return size_t{1}; }, 5);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&queue, t] {
      for (int i = 0; i < 500; ++i) {
        Item item{t, i};
        queue.Run(&item);
        EXPECT_TRUE(item.processed);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(last, std::vector<int>(4, 499));
  EXPECT_LE(groups, 2000u);
}

TEST(CallGateTest, CloseWaitsForCallsInsideAndKeepsOthersOut) {
  CallGate gate;
  ASSERT_TRUE(gate.Enter());
  std::atomic<bool> left = false;
  std::thread closer([&] {
    EXPECT_TRUE(gate.Close());
    EXPECT_TRUE(left.load());
  });
  while (gate.Enter()) gate.Leave();  // Until the closer has begun.
  left = true;
  gate.Leave();
  closer.join();
  EXPECT_FALSE(gate.Enter());
  EXPECT_FALSE(gate.Close());
}

// Each Put writes the same text to a pair of records.
void WritePairs(Collection& collection, int writer, int count) {
  for (int i = 0; i < count; ++i) {
    const std::string text = absl::StrCat(writer, " ", i);
    const std::vector<float> vector = {static_cast<float>(writer + 1),
                                       static_cast<float>(i)};
    PutItem items[2] = {PutItem{RecordView("a")}, PutItem{RecordView("b")}};
    for (PutItem& item : items) {
      item.record.vector = vector;
      item.record.text = text;
    }
    const auto reply = collection.Put(items);
    ASSERT_THAT(reply, IsOk());
    // Read your own write: the version is there, and searchable.
    const auto got = collection.Get({"a", "b"}, {}, Moment::At(reply->lamport));
    ASSERT_THAT(got, IsOk());
    ASSERT_EQ((*got)[0]->record.text, text);
    ASSERT_EQ((*got)[1]->record.text, text);
  }
}

void ReadPairs(const Collection& collection, const std::atomic<bool>& stop) {
  Lamport last = 0;
  while (!stop) {
    const auto got = collection.Get({"a", "b"});
    ASSERT_THAT(got, IsOk());
    ASSERT_EQ((*got)[0].has_value(), (*got)[1].has_value());
    Query query = Query::Vector({1, 1});
    query.exact = true;
    const auto reply = collection.Search(query);
    ASSERT_THAT(reply, IsOk());
    ASSERT_GE(reply->at, last);
    last = reply->at;
    if (!(*got)[0].has_value()) continue;
    ASSERT_EQ((*got)[0]->record.text, (*got)[1]->record.text);
    ASSERT_EQ(reply->hits.size(), 2u);
    ASSERT_EQ(reply->hits[0].version.lamport, reply->hits[1].version.lamport);
    ASSERT_EQ(reply->hits[0].text, reply->hits[1].text);
    ASSERT_EQ(reply->hits[0].version.lamport, reply->at);
  }
}

TEST(ConcurrencyTest, ReadersSeeWholePutsWhileWritersShareTheLog) {
  TempDir dir;
  auto db = Db::Open(dir.path() + "/db");
  ASSERT_THAT(db, IsOk());
  auto created = (*db)->CreateCollection("c", {.dim = 2});
  ASSERT_THAT(created, IsOk());
  Collection& collection = **created;
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers, writers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] { ReadPairs(collection, stop); });
  }
  constexpr int kWriters = 4, kPuts = 60;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] { WritePairs(collection, i, kPuts); });
  }
  for (std::thread& thread : writers) thread.join();
  stop = true;
  for (std::thread& thread : readers) thread.join();
  EXPECT_EQ(collection.Info()->lamport, Lamport{kWriters * kPuts});
  EXPECT_EQ(collection.Stats()->versions, size_t{2 * kWriters * kPuts});
}

TEST(ConcurrencyTest, ClosingAndDroppingAmidCallsEndsThemCleanly) {
  TempDir dir;
  auto db = Db::Open(dir.path() + "/db");
  ASSERT_THAT(db, IsOk());
  auto kept = (*db)->CreateCollection("kept", {.dim = 2});
  auto dropped = (*db)->CreateCollection("dropped", {.dim = 2});
  ASSERT_THAT(kept, IsOk());
  ASSERT_THAT(dropped, IsOk());
  const auto work = [](Collection& collection, absl::StatusCode end) {
    const std::vector<float> vector = {1, 2};
    while (true) {
      PutItem item{RecordView("a")};
      item.record.vector = vector;
      absl::Status status = collection.Put({&item, 1}).status();
      if (status.ok()) status = collection.Get({"a"}).status();
      if (status.ok()) {
        status = collection.Search(Query::Vector({1, 1})).status();
      }
      if (status.ok()) status = collection.List().status();
      if (status.ok()) continue;
      // A dropped collection in a closed database says the latter.
      EXPECT_TRUE(status.code() == end ||
                  status.code() == absl::StatusCode::kFailedPrecondition)
          << status;
      return;
    }
  };
  std::thread a([&] { work(**kept, absl::StatusCode::kFailedPrecondition); });
  std::thread b([&] { work(**dropped, absl::StatusCode::kNotFound); });
  while ((*kept)->Info()->lamport < 5 || (*dropped)->Info()->lamport < 5) {
  }
  EXPECT_THAT((*db)->DropCollection("dropped"), IsOk());
  b.join();
  EXPECT_THAT((*db)->Close(), IsOk());
  a.join();
  EXPECT_EQ((*kept)->Info().status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace corkscrew
