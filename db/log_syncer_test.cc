#include "db/log_syncer.h"

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;

// Counts syncs, and lets a test wait for one.
class Syncs {
 public:
  absl::Status Sync() {
    MutexLock lock(&mutex_);
    ++count_;
    changed_.NotifyAll();
    return status_;
  }
  void Failed() {
    MutexLock lock(&mutex_);
    ++failed_;
    changed_.NotifyAll();
  }
  void FailFromNowOn() {
    MutexLock lock(&mutex_);
    status_ = absl::UnavailableError("no sync");
  }
  void AwaitFailure() {
    MutexLock lock(&mutex_);
    while (failed_ == 0) changed_.Wait(&mutex_);
  }
  int count() {
    MutexLock lock(&mutex_);
    return count_;
  }
  int failed() {
    MutexLock lock(&mutex_);
    return failed_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
  int failed_ ABSL_GUARDED_BY(mutex_) = 0;
};

class LogSyncerTest : public ::testing::Test {
 protected:
  std::unique_ptr<LogSyncer> Make(absl::Duration interval) {
    return std::make_unique<LogSyncer>(
        [this] { return syncs_.Sync(); },
        [this](const absl::Status&) { syncs_.Failed(); }, interval);
  }
  std::shared_ptr<CollectionState> Collection(uint32_t number) {
    return std::make_shared<CollectionState>(number, CollectionRow(), nullptr);
  }

  Syncs syncs_;
};

TEST_F(LogSyncerTest, AnUnsyncedWriteIsDurableAfterTheNextSync) {
  const auto syncer = Make(absl::InfiniteDuration());
  const std::vector<std::shared_ptr<CollectionState>> both = {Collection(1),
                                                              Collection(2)};
  both[0]->writer.feed = 5;
  both[1]->writer.feed = 7;
  syncer->Written(both, /*synced=*/false);
  EXPECT_EQ(both[0]->durable(), 0u);
  EXPECT_THAT(syncer->Sync(), IsOk());
  EXPECT_EQ(both[0]->durable(), 5u);
  EXPECT_EQ(both[1]->durable(), 7u);
  EXPECT_THAT(syncer->Sync(), IsOk());
  EXPECT_EQ(syncs_.count(), 1);  // There was nothing to sync.
}

TEST_F(LogSyncerTest, ASyncedWriteMakesEverythingBeforeItDurable) {
  const auto syncer = Make(absl::InfiniteDuration());
  const auto a = Collection(1), b = Collection(2);
  a->writer.feed = 3;
  syncer->Written({a}, /*synced=*/false);
  b->writer.feed = 4;
  syncer->Written({b}, /*synced=*/true);
  EXPECT_EQ(a->durable(), 3u);
  EXPECT_EQ(b->durable(), 4u);
  EXPECT_THAT(syncer->Sync(), IsOk());
  EXPECT_EQ(syncs_.count(), 0);
}

TEST_F(LogSyncerTest, TheThreadSyncsByItself) {
  const auto syncer = Make(absl::ZeroDuration());
  const auto a = Collection(1);
  for (uint64_t feed = 1; feed <= 20; ++feed) {
    a->writer.feed = feed;
    syncer->Written({a}, /*synced=*/false);
    // Ends by the thread's work or not at all.
    while (a->durable() < feed) std::this_thread::yield();
  }
  EXPECT_EQ(syncs_.count(), 20);
}

TEST_F(LogSyncerTest, AFailedSyncIsReportedOnceAndMakesNothingDurable) {
  const auto syncer = Make(absl::ZeroDuration());
  const auto a = Collection(1);
  syncs_.FailFromNowOn();
  a->writer.feed = 1;
  syncer->Written({a}, /*synced=*/false);
  syncs_.AwaitFailure();
  EXPECT_FALSE(syncer->Sync().ok());
  EXPECT_EQ(a->durable(), 0u);
  EXPECT_EQ(syncs_.count(), 1);
  EXPECT_EQ(syncs_.failed(), 1);
}

TEST_F(LogSyncerTest, DestructionDoesNotWaitForTheTime) {
  const auto syncer = Make(absl::Hours(24));
  const auto a = Collection(1);
  a->writer.feed = 1;
  syncer->Written({a}, /*synced=*/false);
}

}  // namespace
}  // namespace corkscrew
