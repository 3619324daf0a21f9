#ifndef CORKSCREW_DB_READ_EPOCHS_H_
#define CORKSCREW_DB_READ_EPOCHS_H_

// Lets somebody who takes rows away wait for the reads that may still want
// them, without holding up new ones (as read-copy-update does).

#include <array>
#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace corkscrew {

// Thread-safe.
class ReadEpochs {
 public:
  // One read, from before it decides what it may see until it has it. A reader
  // must not wait for somebody who calls WaitForReads().
  class Read {
   public:
    explicit Read(ReadEpochs& epochs)
        : epochs_(epochs), epoch_(epochs.Enter()) {}
    ~Read() { epochs_.Leave(epoch_); }
    Read(const Read&) = delete;
    Read& operator=(const Read&) = delete;

   private:
    ReadEpochs& epochs_;
    const size_t epoch_;
  };

  // Returns when every read that had begun before this call has ended.
  void WaitForReads() {
    MutexLock turn(&turn_);  // One change of epochs at a time.
    MutexLock lock(&mutex_);
    const size_t before = current_;
    current_ = 1 - current_;
    while (reads_[before] > 0) ended_.Wait(&mutex_);
  }

 private:
  size_t Enter() {
    MutexLock lock(&mutex_);
    ++reads_[current_];
    return current_;
  }
  void Leave(size_t epoch) {
    MutexLock lock(&mutex_);
    if (--reads_[epoch] == 0) ended_.NotifyAll();
  }

  Mutex turn_;
  Mutex mutex_;
  CondVar ended_;
  size_t current_ ABSL_GUARDED_BY(mutex_) = 0;
  std::array<size_t, 2> reads_ ABSL_GUARDED_BY(mutex_) = {};
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_READ_EPOCHS_H_
