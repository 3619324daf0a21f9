#ifndef CORKSCREW_DB_COMMIT_QUEUE_H_
#define CORKSCREW_DB_COMMIT_QUEUE_H_

// Group commit: writers queue up, and one of them, the leader, processes all
// that wait, so that they share one sync (as LevelDB's writer queue).

#include <cstddef>
#include <deque>
#include <functional>
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
  // group, which ends when it has `most` (but has one item at least).
  CommitQueue(std::function<void(absl::Span<T* const>)> process,
              std::function<size_t(const T&)> weight, size_t most)
      : process_(std::move(process)), weight_(std::move(weight)), most_(most) {}

  // Returns when `item` has been processed.
  void Run(T* item) ABSL_LOCKS_EXCLUDED(mutex_) {
    Waiter self{item};
    std::vector<T*> group;
    {
      MutexLock lock(&mutex_);
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
      waiter->done = true;
      if (waiter != &self) waiter->wake.NotifyOne();
    }
    if (!queue_.empty()) queue_.front()->wake.NotifyOne();
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

  Mutex mutex_;
  std::deque<Waiter*> queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_COMMIT_QUEUE_H_
