#ifndef CORKSCREW_DB_CALL_GATE_H_
#define CORKSCREW_DB_CALL_GATE_H_

// Lets calls in until it is closed, and closing waits for those inside.

#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace corkscrew {

// Thread-safe.
class CallGate {
 public:
  // False: closed. After true, Leave() must follow.
  [[nodiscard]] bool Enter() {
    MutexLock lock(&mutex_);
    if (closed_) return false;
    ++inside_;
    return true;
  }
  void Leave() {
    MutexLock lock(&mutex_);
    if (--inside_ == 0) empty_.NotifyAll();
  }

  // Returns when no call is inside any more and none can come in. True for the
  // one caller that closed it; others wait as well.
  bool Close() {
    MutexLock lock(&mutex_);
    const bool first = !closed_;
    closed_ = true;
    while (inside_ > 0) empty_.Wait(&mutex_);
    return first;
  }

 private:
  Mutex mutex_;
  CondVar empty_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  size_t inside_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_CALL_GATE_H_
