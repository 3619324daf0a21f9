#ifndef CORKSCREW_DB_WRITE_GUARD_H_
#define CORKSCREW_DB_WRITE_GUARD_H_

// What stands between the commit leader and the store: whether writes are
// taken, disk space, memory, and when the log is synced.

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/file_system.h"
#include "corkscrew/db.h"
#include "db/collection_registry.h"
#include "db/collection_state.h"
#include "db/disk_space.h"
#include "db/environment.h"
#include "db/log_syncer.h"
#include "db/memory_budget.h"
#include "db/store.h"
#include "db/write_state.h"

namespace corkscrew {

// Whether the last life of the database in `path` ended with a write of which
// nobody knows whether it is on the disk, and that fact again forgotten. What
// may be there must not be written a second time as something else, so the next
// life has another incarnation.
bool HasFailedMark(FileSystem& files, absl::string_view path);
absl::Status RemoveFailedMark(FileSystem& files, absl::string_view path);

// Admit(), Failed() and Written() belong to the commit leader; the rest is
// thread-safe. Borrows everything.
class WriteGuard {
 public:
  WriteGuard(const Environment& environment, absl::string_view path,
             const Options& options, const MemoryBudget& budget,
             CollectionRegistry* registry, Store* store, WriteState* state);

  // Before a group of writes of about `bytes` is staged.
  //   FailedPrecondition  writes stopped
  //   ResourceExhausted   disk or memory; what makes room may be staged
  absl::Status Admit(size_t bytes, absl::Time now);
  // Whether memory was why the last Admit() refused.
  bool no_memory() const { return no_memory_; }

  // After a write whose outcome is unknown: ends all writes.
  void Failed(const absl::Status& why);

  // After a write was applied. `synced`: with the log.
  void Written(absl::Span<const std::shared_ptr<CollectionState>> collections,
               bool synced) {
    syncer_.Written(collections, synced);
  }

  // Everything that was answered is durable when this returns OK.
  absl::Status Sync() { return syncer_.Sync(); }

  // The state, with low space looked at anew.
  WriteState::Snapshot Look();

 private:
  absl::Status AdmitMemory(size_t bytes);

  FileSystem& files_;
  const std::string path_;
  const uint64_t low_space_bytes_;
  const MemoryBudget& budget_;
  CollectionRegistry& registry_;
  Store& store_;
  WriteState& state_;
  DiskSpace disk_;
  size_t unlooked_ = 0;     // Bytes written since the index was measured,
  size_t index_bytes_ = 0;  // and what it was.
  bool measured_ = false;
  bool no_memory_ = false;
  LogSyncer syncer_;  // The last: it has a thread.
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_WRITE_GUARD_H_
