#ifndef CORKSCREW_DB_COMMIT_QUEUE_H_
#define CORKSCREW_DB_COMMIT_QUEUE_H_

// Group commit: writers queue up, and one of them, the leader, processes all
// that wait, so that they share one sync (as LevelDB's writer queue).

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/types/span.h"
#include "base/mutex.h"

namespace corkscrew {

// Thread-safe. T is what a writer hands over and finds its result in.
template <typename T>
class CommitQueue {
 public:
  // `process` handles a group in queue order. It is called by one thread at a
  // time, without a lock, and may be slow. `weight` is what an item adds to its
  // group, which ends when it has `most` (but has one item at least). `bytes`
  // is what it takes of `room` while it waits or is processed.
  CommitQueue(std::function<void(absl::Span<T* const>)> process,
              std::function<size_t(const T&)> weight, size_t most,
              std::function<size_t(const T&)> bytes, size_t room)
      : process_(std::move(process)),
        weight_(std::move(weight)),
        most_(most),
        bytes_(std::move(bytes)),
        room_(room) {}

  // Returns when `item` has been processed. Waits, in order of arrival, while
  // the queue has no room for it; an item larger than the room waits for the
  // queue to be empty.
  void Run(T* item) ABSL_LOCKS_EXCLUDED(mutex_) {
    Waiter self{item};
    std::vector<T*> group;
    const size_t bytes = bytes_(*item);
    {
      MutexLock lock(&mutex_);
      const uint64_t ticket = next_ticket_++;
      while (ticket != admitted_ || (taken_ > 0 && taken_ + bytes > room_)) {
        space_.Wait(&mutex_);
      }
      ++admitted_;
      taken_ += bytes;
      if (next_ticket_ != admitted_) space_.NotifyAll();
      queue_.push_back(&self);
      while (!self.done && queue_.front() != &self) self.wake.Wait(&mutex_);
      if (self.done) return;
      size_t sum = 0;
      for (const Waiter* waiter : queue_) {
        sum += weight_(*waiter->item);
        if (!group.empty() && sum > most_) break;
        group.push_back(waiter->item);
      }
    }
    // This is the front: nobody else leads until it has left the queue.
    process_(group);
    MutexLock lock(&mutex_);
    for (size_t i = 0; i < group.size(); ++i) {
      Waiter* waiter = queue_.front();
      queue_.pop_front();
      taken_ -= bytes_(*waiter->item);
      waiter->done = true;
      if (waiter != &self) waiter->wake.NotifyOne();
    }
    if (!queue_.empty()) queue_.front()->wake.NotifyOne();
    if (next_ticket_ != admitted_) space_.NotifyAll();
  }

  // What waits and what is processed.
  size_t bytes() const ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(&mutex_);
    return taken_;
  }

 private:
  struct Waiter {
    T* const item;
    bool done = false;
    CondVar wake = {};
  };

  const std::function<void(absl::Span<T* const>)> process_;
  const std::function<size_t(const T&)> weight_;
  const size_t most_;
  const std::function<size_t(const T&)> bytes_;
  const size_t room_;

  mutable Mutex mutex_;
  CondVar space_;
  std::deque<Waiter*> queue_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t admitted_ ABSL_GUARDED_BY(mutex_) = 0;  // Tickets below are in.
  size_t taken_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_COMMIT_QUEUE_H_
