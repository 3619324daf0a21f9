#include "rpc/readiness.h"

#include <functional>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace corkscrew {

Readiness::Readiness(Db& db, std::function<void(bool writable)> report,
                     absl::Duration interval)
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
  bool before = true;
  while (true) {
    const absl::StatusOr<DbStats> stats = db_.Stats();
    const bool writable = stats.ok() && stats->state == DbState::kWritable;
    if (writable != before) report_(writable);
    before = writable;
    const auto until = absl::ToChronoTime(absl::Now() + interval_);
    MutexLock lock(&mutex_);
    while (!stop_ && wake_.WaitUntil(&mutex_, until)) {
    }
    if (stop_) return;
  }
}

}  // namespace corkscrew
