#include "rpc/readiness.h"

#include <vector>

#include "absl/time/time.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/fake_db.h"

namespace corkscrew {
namespace {

using ::testing::ElementsAre;

TEST(ReadinessTest, EveryChangeIsReported) {
  testing::FakeDb db;
  Mutex mutex;
  CondVar changed;
  std::vector<bool> reports;
  const auto set = [&](DbState state) {
    DbStats stats;
    stats.state = state;
    db.set_stats(stats);
  };
  const auto await = [&](size_t count) {
    MutexLock lock(&mutex);
    while (reports.size() < count) changed.Wait(&mutex);
  };
  set(DbState::kLowSpace);
  {
    Readiness readiness(
        db,
        [&](bool writable) {
          MutexLock lock(&mutex);
          reports.push_back(writable);
          changed.NotifyAll();
        },
        absl::ZeroDuration());
    await(1);
    set(DbState::kWritable);
    await(2);
    set(DbState::kFailed);
    await(3);
  }
  MutexLock lock(&mutex);
  EXPECT_THAT(reports, ElementsAre(false, true, false));
}

TEST(ReadinessTest, DestructionDoesNotWaitForTheInterval) {
  testing::FakeDb db;
  Readiness readiness(
      db, [](bool) {}, absl::Hours(24));
}

}  // namespace
}  // namespace corkscrew
