#include "db/log_syncer.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace corkscrew {

LogSyncer::LogSyncer(std::function<absl::Status()> sync,
                     std::function<void(const absl::Status&)> failed,
                     absl::Duration interval)
    : sync_(std::move(sync)), failed_(std::move(failed)), interval_(interval) {}

LogSyncer::~LogSyncer() {
  std::thread thread;
  {
    MutexLock lock(&mutex_);
    stop_ = true;
    wake_.NotifyAll();
    thread = std::move(thread_);
  }
  if (thread.joinable()) thread.join();
}

void LogSyncer::MarkDurable(const Positions& positions) {
  for (const auto& [collection, feed] : positions) {
    collection->RaiseDurable(feed);
  }
}

void LogSyncer::Written(
    absl::Span<const std::shared_ptr<CollectionState>> collections,
    bool synced) {
  MutexLock lock(&mutex_);
  const bool first = unsynced_.empty();
  for (const auto& collection : collections) {
    unsynced_[collection] = collection->writer.feed;
  }
  if (synced) {
    MarkDurable(unsynced_);
    unsynced_.clear();
    due_ = absl::InfiniteFuture();
    return;
  }
  if (!first || interval_ == absl::InfiniteDuration()) return;
  due_ = absl::Now() + interval_;
  if (!thread_.joinable()) thread_ = std::thread([this] { Work(); });
  wake_.NotifyAll();
}

absl::Status LogSyncer::Sync() {
  MutexLock sync_lock(&sync_mutex_);
  Positions positions;
  {
    MutexLock lock(&mutex_);
    if (!status_.ok() || unsynced_.empty()) return status_;
    positions = std::move(unsynced_);
    unsynced_.clear();
    due_ = absl::InfiniteFuture();
  }
  absl::Status status = sync_();
  if (status.ok()) {
    MarkDurable(positions);
    return status;
  }
  {
    MutexLock lock(&mutex_);
    status_ = status;
  }
  failed_(status);
  return status;
}

void LogSyncer::Work() {
  while (true) {
    {
      MutexLock lock(&mutex_);
      while (!stop_ && (due_ == absl::InfiniteFuture() || absl::Now() < due_)) {
        if (due_ == absl::InfiniteFuture()) {
          wake_.Wait(&mutex_);
        } else {
          wake_.WaitUntil(&mutex_, absl::ToChronoTime(due_));
        }
      }
      if (stop_) return;
    }
    if (!Sync().ok()) return;
  }
}

}  // namespace corkscrew
