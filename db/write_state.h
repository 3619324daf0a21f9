#ifndef CORKSCREW_DB_WRITE_STATE_H_
#define CORKSCREW_DB_WRITE_STATE_H_

// Whether an open database takes writes, and why not.

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "corkscrew/db.h"

namespace corkscrew {

// Thread-safe.
class WriteState {
 public:
  struct Snapshot {
    DbState state = DbState::kWritable;
    std::string reason = {};  // Empty if writable.
  };
  Snapshot snapshot() const;

  // What a write is refused with; OK while writes are taken.
  //   FailedPrecondition  failed
  //   ResourceExhausted   low space
  absl::Status Check() const;

  // Ends writes until the database is opened again. The first reason stays.
  void Fail(absl::string_view reason);

  // Ends writes until ClearLowSpace().
  void SetLowSpace(absl::string_view reason);
  void ClearLowSpace();

 private:
  mutable Mutex mutex_;
  Snapshot now_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_WRITE_STATE_H_
