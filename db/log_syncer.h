#ifndef CORKSCREW_DB_LOG_SYNCER_H_
#define CORKSCREW_DB_LOG_SYNCER_H_

// Syncs the log some time after writes that did not wait for it
// (Durability::kRelaxed), and keeps track of what is durable.

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "db/collection_state.h"

namespace corkscrew {

// Thread-safe. Has a thread from the first relaxed write on.
class LogSyncer {
 public:
  // `sync` syncs the log with everything written so far; `failed` is called
  // once if that fails, perhaps from the thread, and ends all syncing. A sync
  // begins at most `interval` after the first write that it covers; an infinite
  // one leaves that to Sync().
  LogSyncer(std::function<absl::Status()> sync,
            std::function<void(const absl::Status&)> failed,
            absl::Duration interval);
  // Syncs nothing.
  ~LogSyncer();

  // After a write to these collections was applied. `synced`: the log was
  // synced with it, and so with everything before.
  void Written(absl::Span<const std::shared_ptr<CollectionState>> collections,
               bool synced) ABSL_LOCKS_EXCLUDED(mutex_);

  // Syncs now if something is not durable. OK: everything for which Written()
  // was called before is.
  absl::Status Sync() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Feed positions by collection.
  using Positions =
      absl::flat_hash_map<std::shared_ptr<CollectionState>, uint64_t>;

  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  static void MarkDurable(const Positions& positions);

  const std::function<absl::Status()> sync_;
  const std::function<void(const absl::Status&)> failed_;
  const absl::Duration interval_;

  Mutex sync_mutex_;  // Held during a sync; before mutex_.
  Mutex mutex_;
  CondVar wake_;
  Positions unsynced_ ABSL_GUARDED_BY(mutex_);
  absl::Time due_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_LOG_SYNCER_H_
