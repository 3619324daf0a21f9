#ifndef CORKSCREW_BACKUP_H_
#define CORKSCREW_BACKUP_H_

// Snapshots, backups and restore (docs/storage_format.md, "Snapshots and
// backups"); logs kept elsewhere ("Stores of logs").
//
// A snapshot is a directory with all files of a database at one moment. Its
// files are hard links where the file system allows: fast and small, but on the
// same disk. A backup repository holds any number of generations, each file
// once; what it needs of a place to store them is BackupStore, so that it can
// be a directory or anything else. Both are taken while the database is
// written to, end with a manifest that names every file with its SHA-256, and
// are nothing without it.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "corkscrew/record.h"

namespace corkscrew {

class Db;

// How far a snapshot, backup, verification, restore or replay is.
struct BackupProgress {
  uint64_t bytes = 0;  // Read, hashed or copied so far,
  uint64_t total = 0;  // of this many in this step. OffloadLogs(): ops.
};

struct BackupOptions {
  // Called now and then on the calling thread. Null: never.
  std::function<void(const BackupProgress&)> progress = nullptr;
  // Asked now and then on the calling thread; true ends the call with
  // Cancelled. Null: never.
  std::function<bool()> cancelled = nullptr;
};

// A collection as a snapshot or backup holds it.
struct BackupCollection {
  std::string name = {};
  Uuid uuid = {};
  Lamport lamport = 0;  // Time of the last write that is inside.
};

// What a snapshot or backup holds.
struct BackupContent {
  Uuid uuid = {};            // Of the database,
  Uuid replica = {};         // of the replica that it was taken of,
  uint64_t incarnation = 0;  // in that life of its directory.
  uint32_t format_version = 0;
  int64_t wall_ms = 0;  // When it was taken; information only.
  std::vector<BackupCollection> collections = {};  // By name.
  size_t files = 0;
  uint64_t bytes = 0;  // Of all files.
};

struct BackupInfo {
  uint64_t generation = 0;  // From 1; larger is newer.
  BackupContent content = {};
  // Of a backup just taken: bytes of the files that were not there yet.
  uint64_t new_bytes = 0;
};

// Which generations to keep: one that either rule keeps. The newest is always
// kept.
struct BackupRetention {
  size_t keep = 0;                                 // The newest so many.
  absl::Duration keep_for = absl::ZeroDuration();  // Those not older.
};

// Where a repository keeps its objects. A name is parts of lower-case letters,
// digits, '-', '_' and '.', joined by '/'; no part starts with '.'. Objects are
// written once and whole, and never changed. Thread-safe.
class BackupStore {
 public:
  virtual ~BackupStore() = default;

  struct Object {
    std::string name = {};
    uint64_t bytes = 0;
  };

  // Stores an object, durably when it returns; until then nobody sees it.
  // Replaces one of the same name. Idempotent.
  virtual absl::Status Push(absl::string_view name,
                            absl::string_view content) = 0;
  // The objects whose names start with `prefix` ("" or a name and '/'), by
  // name. What was only half written is not among them.
  virtual absl::StatusOr<std::vector<Object>> List(
      absl::string_view prefix) = 0;
  //   NotFound           no such object
  //   ResourceExhausted  it has more than `most` bytes
  virtual absl::StatusOr<std::string> Pull(absl::string_view name,
                                           uint64_t most) = 0;
  // Removes an object; that there is none is no error.
  virtual absl::Status Delete(absl::string_view name) = 0;
};

// Objects as files below `path`, which is created (mode 0700) by the first
// Push(); its parent must exist. An object is a temporary file that is written,
// synced, read back and renamed. Links are not followed.
std::unique_ptr<BackupStore> DirectoryBackupStore(absl::string_view path);

// The generations of a repository, oldest first.
//   NotFound  there is no repository
//   DataLoss  a manifest is damaged; names it
absl::StatusOr<std::vector<BackupInfo>> ListBackups(BackupStore& repository);

// Reads everything that a generation (0: the newest) needs and compares the
// hashes.
//   NotFound  no such generation
//   DataLoss  a file is missing or damaged; names it
absl::StatusOr<BackupInfo> VerifyBackup(BackupStore& repository,
                                        uint64_t generation = 0,
                                        const BackupOptions& options = {});

struct PruneReply {
  std::vector<uint64_t> removed = {};  // Generations, oldest first.
  uint64_t bytes = 0;                  // Of the files removed.
};

// Removes generations that `retention` does not keep as of `now`, then all
// files that none needs. Crash-safe: repeat it to finish. Must not run beside a
// backup into the same repository; those in a directory lock it.
absl::StatusOr<PruneReply> PruneBackups(BackupStore& repository,
                                        const BackupRetention& retention,
                                        absl::Time now);

// The same snapshot, as VerifyBackup().
absl::StatusOr<BackupContent> VerifySnapshot(absl::string_view snapshot,
                                             const BackupOptions& options = {});

// Makes a database in directory `path`, which must not exist or be empty, from
// a generation (0: the newest) of a repository or from a snapshot. Everything
// is verified before anything is written. The database is complete when `path`
// appears, starts a new incarnation, and what the newest purge list of the
// repository names is purged from it.
//   NotFound       no such generation, no snapshot
//   AlreadyExists  `path` exists and is not empty
//   DataLoss       a file is missing, damaged, or not one that a snapshot has;
//                  names it
absl::StatusOr<BackupContent> RestoreBackup(BackupStore& repository,
                                            uint64_t generation,
                                            absl::string_view path,
                                            const BackupOptions& options = {});
absl::StatusOr<BackupContent> RestoreSnapshot(
    absl::string_view snapshot, absl::string_view path,
    const BackupOptions& options = {});

// The log of a collection in a store of logs: every write in the order in which
// the database applied it, with what it wrote. It is cut into segments that
// continue each other and are never changed. Where a segment can not continue
// the one before, because the database was restored or lost something, a new
// lineage begins, which has all that there is from the first write on.
struct LogInfo {
  std::string name = {};  // Of the collection.
  Uuid uuid = {};
  uint64_t lineage = 0;  // From 1; larger is newer.
  // Of its last op in the store; ops have the positions 1, 2, ...
  uint64_t position = 0;
  uint64_t segments = 0;
  uint64_t bytes = 0;  // Of the segments.
};

// What Db::OffloadLogs() did.
struct OffloadReply {
  uint64_t new_ops = 0;
  uint64_t new_bytes = 0;
  std::vector<LogInfo> logs = {};  // Of all collections that have ops, by name.
};

// The logs of a store by name, UUID and lineage. Their segments are not read to
// the end.
//   NotFound  there is no store of logs
//   DataLoss  the first segment of a log is damaged; names it
absl::StatusOr<std::vector<LogInfo>> ListLogs(BackupStore& store);

// Which log to read.
struct LogChoice {
  std::string name = {};  // Of the collection; empty: the store has only one.
  uint64_t lineage = 0;  // 0: the newest, of the newest collection of the name.
};

// Reads a whole log and compares all hashes.
//   NotFound         no such log
//   InvalidArgument  no name, but several collections
//   DataLoss         a segment is missing or damaged; names it
absl::StatusOr<LogInfo> VerifyLog(BackupStore& store, const LogChoice& choice,
                                  const BackupOptions& options = {});

struct LogRetention {
  size_t keep = 1;       // The newest so many lineages of each collection; > 0.
  bool dry_run = false;  // Only says what it would do.
};

struct PruneLogsReply {
  std::vector<LogInfo> removed = {};
  // Older lineages that stay, because the newest one of their collection is not
  // whole or does not reach as far.
  std::vector<LogInfo> kept_back = {};
  uint64_t bytes = 0;  // Of the segments removed.
};

// Removes older lineages than `retention` keeps. One goes only if the newest of
// its collection was read whole now, with all hashes, and has as many
// positions: a copy that a crash or a full disk has cut off replaces nothing.
// What was lost between two lives of a database is in the older lineage alone.
// Crash-safe: what has begun to go is no whole log any more; repeat it to
// finish. Must not run beside Db::OffloadLogs() into the same store; those in a
// directory lock it.
//   InvalidArgument  `keep` is 0
//   NotFound         there is no store of logs
absl::StatusOr<PruneLogsReply> PruneLogs(BackupStore& store,
                                         const LogRetention& retention,
                                         const BackupOptions& options = {});

struct ReplayReply {
  LogInfo log = {};
  uint64_t written = 0;  // Versions, tombstones too.
  // Versions that the log has no content of, because retention had removed it
  // before, or because the log says that they were purged.
  uint64_t left_out = 0;
};

// Makes the collection of a log in `db`, from its first write to its last: all
// versions in their order. Everything is verified before the first write. As
// long as nothing was left out, Lamport times are those of the log; wall times
// are of now. If it fails, the collection is dropped.
//   AlreadyExists       `db` has a collection of that name
//   FailedPrecondition  `db` has another model under its name
//   or an error of VerifyLog(), CreateCollection(), Put() and Delete()
absl::StatusOr<ReplayReply> ReplayLog(BackupStore& store,
                                      const LogChoice& choice, Db& db,
                                      const BackupOptions& options = {});

}  // namespace corkscrew

#endif  // CORKSCREW_BACKUP_H_
