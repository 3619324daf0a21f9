#include "rpc/readiness.h"

#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace corkscrew {

Readiness::Readiness(Db& db, Report report, absl::Duration interval)
    : db_(db), report_(std::move(report)), interval_(interval) {
  thread_ = std::thread([this] { Work(); });
}

Readiness::~Readiness() {
  {
    MutexLock lock(&mutex_);
    stop_ = true;
    wake_.NotifyAll();
  }
  thread_.join();
}

void Readiness::Work() {
  DbState before = DbState::kWritable;
  while (true) {
    const absl::StatusOr<DbStats> stats = db_.Stats();
    const DbState state = stats.ok() ? stats->state : DbState::kFailed;
    if (state != before) {
      report_(state, stats.ok() ? absl::string_view(stats->state_reason)
                                : stats.status().message());
    }
    before = state;
    const auto until = absl::ToChronoTime(absl::Now() + interval_);
    MutexLock lock(&mutex_);
    while (!stop_ && wake_.WaitUntil(&mutex_, until)) {
    }
    if (stop_) return;
  }
}

}  // namespace corkscrew
