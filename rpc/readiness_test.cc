#include "rpc/readiness.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/fake_db.h"

namespace corkscrew {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(ReadinessTest, EveryChangeIsReported) {
  testing::FakeDb db;
  Mutex mutex;
  CondVar changed;
  std::vector<std::pair<DbState, std::string>> reports;
  const auto set = [&](DbState state, absl::string_view reason = "") {
    DbStats stats;
    stats.state = state;
    stats.state_reason = std::string(reason);
    db.set_stats(stats);
  };
  const auto await = [&](size_t count) {
    MutexLock lock(&mutex);
    while (reports.size() < count) changed.Wait(&mutex);
  };
  set(DbState::kLowSpace, "full");
  {
    Readiness readiness(
        db,
        [&](DbState state, absl::string_view reason) {
          MutexLock lock(&mutex);
          reports.emplace_back(state, reason);
          changed.NotifyAll();
        },
        absl::ZeroDuration());
    await(1);
    set(DbState::kWritable);
    await(2);
    set(DbState::kFailed, "no disk");
    await(3);
  }
  MutexLock lock(&mutex);
  EXPECT_THAT(reports, ElementsAre(Pair(DbState::kLowSpace, "full"),
                                   Pair(DbState::kWritable, ""),
                                   Pair(DbState::kFailed, "no disk")));
}

TEST(ReadinessTest, DestructionDoesNotWaitForTheInterval) {
  testing::FakeDb db;
  Readiness readiness(
      db, [](DbState, absl::string_view) {}, absl::Hours(24));
}

}  // namespace
}  // namespace corkscrew
