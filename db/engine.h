#ifndef CORKSCREW_DB_ENGINE_H_
#define CORKSCREW_DB_ENGINE_H_

// An open database directory: what the local Db and its collections share.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "corkscrew/db.h"
#include "db/call_gate.h"
#include "db/collection_registry.h"
#include "db/collection_state.h"
#include "db/commit_leader.h"
#include "db/commit_queue.h"
#include "db/directory.h"
#include "db/environment.h"
#include "db/follower.h"
#include "db/index_keeper.h"
#include "db/maintenance.h"
#include "db/memory_budget.h"
#include "db/open_session.h"
#include "db/origin_table.h"
#include "db/recovery.h"
#include "db/request_log.h"
#include "db/rows.h"
#include "db/store.h"
#include "db/write_commit.h"
#include "db/write_guard.h"
#include "db/write_state.h"

namespace corkscrew {

// Thread-safe. Between Call::Begin() and its end everything but Close() may be
// used.
class Engine {
 public:
  // Errors of Db::Open().
  static absl::StatusOr<std::shared_ptr<Engine>> Open(
      const std::string& path, const Options& options,
      const Environment& environment = {});
  ~Engine();

  // Waits for running calls, marks the directory as cleanly closed and releases
  // it. Only the first call does something.
  absl::Status Close();

  // Says in the lock file where this database is served.
  absl::Status Announce(absl::Span<const std::string> addresses);

  // A running call. Close() waits for its end.
  class Call {
   public:
    explicit Call(Engine& engine) : engine_(engine) {}
    ~Call() {
      if (inside_) engine_.gate_.Leave();
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    //   FailedPrecondition  the database is closed
    //   or, when open for reading only, an error of Follower::CatchUp()
    absl::Status Begin();

   private:
    Engine& engine_;
    bool inside_ = false;
  };

  // Queues a commit, waits for it and returns its status. Waits too while the
  // queue is full.
  //   FailedPrecondition  open for reading only
  //   ResourceExhausted   it is larger than the queue may be
  absl::Status Run(Commit* commit);
  absl::Status CheckWritable() const;
  size_t queued_bytes() const;
  // Whether writes are taken now.
  WriteState::Snapshot write_state() const;

  const std::string& path() const { return path_; }
  const Options& options() const { return options_; }
  absl::Time now() const;  // The wall clock of Options::now.
  const Environment& environment() const { return environment_; }
  size_t threads() const { return threads_; }
  const Store& store() const { return *store_; }
  // Held while a snapshot or backup is taken: one at a time.
  Mutex& backup_mutex() { return backup_mutex_; }
  const OriginTable& origins() const { return origins_; }
  CollectionRegistry& registry() { return *registry_; }
  IndexKeeper& keeper() { return *keeper_; }
  Maintenance& maintenance() { return *maintenance_; }
  const Uuid& uuid() const { return uuid_; }
  const Origin& origin() const { return origin_; }
  // Bytes of the log that opening gave up.
  uint64_t recovery_dropped_bytes() const {
    return recovered_.has_value() ? recovered_->dropped_bytes : 0;
  }

  // As Store::EraseDeleted(), in all files of the database.
  //   ResourceExhausted  there is no space to write them anew
  absl::Status EraseDeleted(absl::Span<const Store::KeyRange> ranges,
                            absl::FunctionRef<absl::Status()> check);

  // The embedder of a collection: found on first use and checked against the
  // descriptor.
  //   FailedPrecondition  no model, no registry, or another embedding space
  //   NotFound            no such model
  absl::StatusOr<std::shared_ptr<const Embedder>> EmbedderFor(
      CollectionState& collection) const;

 private:
  Engine(std::string path, const Options& options,
         const Environment& environment);

  static absl::StatusOr<std::shared_ptr<Engine>> OpenReadOnly(
      const std::string& path, const Options& options,
      const Environment& environment);
  absl::StatusOr<std::unique_ptr<Store>> OpenStore();
  absl::Status Load();
  std::unique_ptr<IndexKeeper> MakeKeeper();
  // The rest of Load(), unless read only. `batch` is what loading has to write.
  absl::Status StartWriting(const IndexSettings& index_settings,
                            WriteBatch batch);
  // A group of the queue.
  void Process(absl::Span<Commit* const> group);
  // Reads or creates the identity of the database.
  absl::Status LoadIdentity(WriteBatch* batch);
  absl::StatusOr<bool> IsOtherLife();
  absl::Status CreateIdentity(WriteBatch* batch);
  absl::Status LoadOrigins(WriteBatch* batch);

  const std::string path_;
  const Options options_;
  const Environment environment_;
  const size_t threads_;
  const MemoryBudget budget_;
  CallGate gate_;
  Mutex backup_mutex_;
  WriteState write_state_;

  // Constant after Open() until Close().
  std::unique_ptr<DirectoryLock> lock_;
  std::unique_ptr<Store> store_;
  Uuid uuid_ = {};
  Origin origin_ = {};
  uint32_t origin_number_ = 0;
  std::optional<RecoveryNote> recovered_ = std::nullopt;
  OpenRow open_row_ = {.clean = true};  // As opening found it.
  OriginTable origins_;
  std::unique_ptr<CollectionRegistry> registry_;
  std::unique_ptr<IndexKeeper> keeper_;
  std::unique_ptr<CommitQueue<Commit>> queue_;  // Null: read only.
  std::unique_ptr<Follower> follower_;          // Null: writable.

  // Of the commit leader.
  RequestLog requests_;
  std::unique_ptr<OpenSession> session_;
  std::unique_ptr<WriteGuard> guard_;
  std::unique_ptr<CommitLeader> leader_;

  std::unique_ptr<Maintenance> maintenance_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_ENGINE_H_
