#ifndef CORKSCREW_RPC_READINESS_H_
#define CORKSCREW_RPC_READINESS_H_

// Asks a database now and then whether it takes writes, and why not.

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "corkscrew/db.h"

namespace corkscrew {

// Has a thread from construction to destruction, which does not wait for the
// interval.
class Readiness {
 public:
  using Report = std::function<void(DbState state, absl::string_view reason)>;

  // Borrows `db`. `report` is called by the thread: once at first if writes are
  // refused, then at every change of the state. A database that does not answer
  // has failed.
  Readiness(Db& db, Report report, absl::Duration interval);
  ~Readiness();
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;

 private:
  void Work() ABSL_LOCKS_EXCLUDED(mutex_);

  Db& db_;
  const Report report_;
  const absl::Duration interval_;
  Mutex mutex_;
  CondVar wake_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_RPC_READINESS_H_
