#ifndef CORKSCREW_DB_MAINTENANCE_H_
#define CORKSCREW_DB_MAINTENANCE_H_

// What a database does by itself now and then: applies the rules of retention,
// logs the deletes of expired records, and completes purges that a crash cut
// off. In small steps, so that writers wait for no more than one batch.

#include <map>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "corkscrew/collection.h"
#include "corkscrew/record.h"
#include "db/collection_registry.h"
#include "db/collection_state.h"
#include "db/origin_table.h"
#include "db/store.h"

namespace corkscrew {

class Engine;

// Gives the collections in `registry` their tags and rules, as of now.
//   DataLoss  a row or record is damaged; names it
absl::Status LoadHistory(const Store& store, const OriginTable& origins,
                         CollectionRegistry* registry);

// Thread-safe. Borrows the engine.
class Maintenance {
 public:
  explicit Maintenance(Engine& engine) : engine_(engine) {}
  ~Maintenance() { Stop(); }

  // Starts the thread that calls RunOnce() every few seconds.
  void Start();
  // Ends it, after its current step. Idempotent; not restartable.
  void Stop();

  // Does what is due by the clock of the engine. Its errors are those of the
  // store, which every write reports.
  void RunOnce();

  // Collection::ApplyRetention(), without the name of the collection in errors.
  absl::StatusOr<RetentionReply> ApplyRetention(
      const std::shared_ptr<CollectionState>& state, const CallOptions& call);

  // Collection::Purge() for valid ids, likewise.
  absl::StatusOr<PurgeReply> Purge(
      const std::shared_ptr<CollectionState>& state,
      absl::Span<const absl::string_view> ids, const CallOptions& call);

 private:
  // When retention was applied last.
  struct Applied {
    absl::Time time = absl::InfinitePast();
    Lamport published = 0;
  };

  bool stopping() const {
    MutexLock lock(&mutex_);
    return stopping_;
  }
  bool RetentionIsDue(const CollectionState& state) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);

  Engine& engine_;

  // One pass at a time, in the thread or for a caller.
  Mutex turn_;
  std::map<Uuid, Applied> applied_ ABSL_GUARDED_BY(turn_);

  mutable Mutex mutex_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_MAINTENANCE_H_
