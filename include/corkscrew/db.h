#ifndef CORKSCREW_DB_H_
#define CORKSCREW_DB_H_

// CorkScrewDB: an embedded, versioned vector database.
//
//   corkscrew::Options options;
//   options.embedders = corkscrew::ModelDirectories({"models"});
//   auto db = corkscrew::Db::Open("/var/lib/notes", options);
//   auto notes = (*db)->CreateCollection("notes", {.model =
//                                                  "corkscrew-default-1"});
//   corkscrew::PutItem item{corkscrew::RecordView("a")};
//   item.record.text = "the cat sat on the mat";
//   (*notes)->Put({&item, 1});
//   auto reply = (*notes)->Search(corkscrew::Query::Text("a pet"));
//
// There are no transactions across collections.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "corkscrew/backup.h"
#include "corkscrew/collection.h"
#include "corkscrew/embedder.h"
#include "corkscrew/record.h"

namespace corkscrew {

struct Options {
  // Create the database if there is none at the path.
  bool create_if_missing = true;

  // Finds the models of collections. Null: vectors only; text is refused with
  // FailedPrecondition.
  std::shared_ptr<const EmbedderRegistry> embedders = nullptr;

  // Open for reading only, beside the process that writes. Sees what that one
  // writes within a second. Writes answer FailedPrecondition; nothing in the
  // directory is changed. create_if_missing does not count.
  bool read_only = false;

  // How long Db::Open() waits while another process holds the directory. One
  // that serves it as a node is not waited for: connect to it, or use
  // OpenOrConnect().
  absl::Duration lock_timeout = absl::ZeroDuration();

  // Memory for cached blocks of the store, in bytes.
  size_t block_cache_bytes = size_t{32} << 20;

  // Most memory that the database may hold, in bytes: block cache, memtables,
  // index and queues together (DbStats::memory). 0: no limit. Caches get what
  // the rest leaves. A write that would pass the limit waits until more of the
  // index is in mapped files, which do not count; if that is not enough it is
  // ResourceExhausted.
  size_t memory_budget_bytes = 0;

  // Writes are refused with ResourceExhausted while the file system has less
  // free space than this, in bytes.
  uint64_t low_space_bytes = uint64_t{64} << 20;

  // Threads for encoding and searching; 0 takes one per core.
  size_t threads = 0;

  // Wall time, for the information in StoredRecord::wall_ms. Null: the system
  // clock. Never decides which version wins.
  std::function<absl::Time()> now = nullptr;
};

// A second name of a collection. A name is that of a collection or of an
// alias, never of both.
struct AliasInfo {
  std::string name = {};
  std::string collection = {};  // The name of the collection itself.

  friend bool operator==(const AliasInfo&, const AliasInfo&) = default;
};

// What must be true when SetAlias() is decided; checked and written as one.
struct AliasOptions {
  // The alias names this collection now; empty: there is no such alias.
  std::optional<std::string> if_collection = std::nullopt;
  // The clock of a collection is at this Lamport time still: every write of it
  // is known to the caller.
  struct Unchanged {
    std::string collection = {};
    Lamport lamport = 0;
  };
  std::optional<Unchanged> if_unchanged = std::nullopt;
};

enum class DbState {
  kWritable = 1,
  kReadOnly = 2,  // Opened so.
  kLowSpace = 3,  // Too little disk space: writes are refused until there is.
  kFailed = 4,    // An I/O error: writes are refused until the next open.
};

// Memory in use, in bytes, by what uses it.
struct MemoryStats {
  size_t block_cache = 0;
  size_t memtables = 0;  // Writes not yet in files.
  size_t index = 0;      // Codes, scalars, ids, metadata columns: not mapped.
  size_t rescore = 0;    // The rescore columns: not mapped.
  size_t queues = 0;     // Writes that wait.
  // Files of the index. The system keeps them in memory while it has some to
  // spare, so they are no part of total() and of Options::memory_budget_bytes.
  size_t mapped = 0;

  size_t total() const {
    return block_cache + memtables + index + rescore + queues;
  }
};

struct DbStats {
  DbState state = DbState::kWritable;
  std::string state_reason = {};  // Why it is not writable.
  Uuid uuid = {};                 // Of the database,
  Uuid replica = {};              // of this replica,
  uint64_t incarnation = 0;
  uint32_t format_version = 0;
  std::vector<CollectionStats> collections = {};  // By name.
  MemoryStats memory = {};
  size_t disk_bytes = 0;  // Bytes of all files.
  // Bytes of the log that opening gave up: a write that was cut off when the
  // process or the system died, and that nobody was told is done.
  uint64_t recovery_dropped_bytes = 0;
};

// A database: local, or a node reached over the network. Thread-safe. Holds
// its directory until Close() or destruction.
class Db {
 public:
  // Opens the database in directory `path` and locks it against other
  // processes.
  //   InvalidArgument     the path is empty
  //   NotFound            none there, and create_if_missing is false
  //   FailedPrecondition  another process holds it (names its pid, and the
  //                       addresses of a node); the format version or a
  //                       required feature is unknown
  //   DataLoss            the store is damaged; nothing was changed
  //   PermissionDenied, Unavailable, ResourceExhausted  as the system says
  static absl::StatusOr<std::unique_ptr<Db>> Open(absl::string_view path,
                                                  const Options& options = {});

  virtual ~Db() = default;

  // Creates a collection and returns it.
  //   InvalidArgument     a name or option outside its range; no model and no
  //                       dim; a dim other than the model's
  //   AlreadyExists       the name is taken, by an alias too; says where the
  //                       descriptors differ
  //   NotFound            no such model
  //   FailedPrecondition  a model, but no Options::embedders
  //   ResourceExhausted   kMaxCollections exist
  virtual absl::StatusOr<std::shared_ptr<Collection>> CreateCollection(
      absl::string_view name, const CollectionOptions& options,
      const CallOptions& call = {}) = 0;

  // Returns an existing collection by its name or by an alias. Never creates.
  // What is returned stays with that collection when the alias is moved.
  //   NotFound  no such collection
  virtual absl::StatusOr<std::shared_ptr<Collection>> OpenCollection(
      absl::string_view name, const CallOptions& call = {}) = 0;

  // Removes a collection with its history.
  //   NotFound            no such collection
  //   FailedPrecondition  aliases name it, or `name` is an alias: names them
  virtual absl::Status DropCollection(absl::string_view name,
                                      const CallOptions& call = {}) = 0;

  // Makes `alias` a name of `collection`, or moves it there: who opens it sees
  // the old collection or the new one, nothing else. Aliases follow the rules
  // of collection names.
  //   InvalidArgument     the name
  //   AlreadyExists       a collection has this name
  //   NotFound            no such collection, or one of `options`
  //   FailedPrecondition  `collection` is an alias
  //   Aborted             what `options` asks for is not so: names both values
  //   ResourceExhausted   kMaxAliases exist
  virtual absl::Status SetAlias(absl::string_view alias,
                                absl::string_view collection,
                                const AliasOptions& options = {},
                                const CallOptions& call = {}) = 0;

  // Forgets an alias; its collection stays.
  //   NotFound  no such alias
  virtual absl::Status DeleteAlias(absl::string_view alias,
                                   const CallOptions& call = {}) = 0;

  // Returns all aliases by name.
  virtual absl::StatusOr<std::vector<AliasInfo>> ListAliases(
      const CallOptions& call = {}) = 0;

  // Returns all collections by name.
  virtual absl::StatusOr<std::vector<CollectionInfo>> ListCollections(
      const CallOptions& call = {}) = 0;

  virtual absl::StatusOr<DbStats> Stats(const CallOptions& call = {}) = 0;

  // Takes a snapshot of everything written before, while writes go on. `where`
  // is a directory that must not exist, whose parent must; on a node, a name
  // below the directory that the node was given for backups.
  //   AlreadyExists       it exists
  //   FailedPrecondition  opened read-only; a node without such a directory
  //   InvalidArgument     on a node: not a name
  virtual absl::StatusOr<BackupContent> Snapshot(
      absl::string_view where, const BackupOptions& options = {},
      const CallOptions& call = {}) = 0;

  // Adds a generation with everything written before to the repository in the
  // directory `where`, which is made if there is none; only files that it does
  // not have yet are copied. On a node, a name as with Snapshot().
  //   FailedPrecondition  opened read-only; a node without such a directory;
  //                       another process uses the repository
  //   InvalidArgument     on a node: not a name
  virtual absl::StatusOr<BackupInfo> Backup(absl::string_view where,
                                            const BackupOptions& options = {},
                                            const CallOptions& call = {}) = 0;

  // Adds to the store of logs in the directory `where`, which is made if there
  // is none, what the logs of all collections have more than it: segments that
  // are never changed (corkscrew/backup.h). Only what survives a power loss is
  // sealed. Idempotent. On a node, a name as with Snapshot().
  //   FailedPrecondition  opened read-only; a node without such a directory;
  //                       another process uses the store
  //   InvalidArgument     on a node: not a name
  virtual absl::StatusOr<OffloadReply> OffloadLogs(
      absl::string_view where, const BackupOptions& options = {},
      const CallOptions& call = {}) = 0;

  // For servers: tells processes that find the directory locked where this one
  // serves it. Replaces what was said before; none: nowhere.
  virtual absl::Status Announce(absl::Span<const std::string> addresses) {
    (void)addresses;
    return absl::OkStatus();
  }

  // Finishes running calls, then releases everything. Later calls, also of
  // collections, fail with FailedPrecondition. Idempotent. The destructor
  // closes too, but can not report an error.
  virtual absl::Status Close() = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_H_
