#ifndef CORKSCREW_DB_STORE_H_
#define CORKSCREW_DB_STORE_H_

// Durable ordered rows. The only user of RocksDB. Which options it sets and
// why: docs/architecture.md, "The store".

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace rocksdb {
class Env;
}

namespace corkscrew {

// The two column families. Fixed at creation.
enum class Family {
  kRows,    // Small rows.
  kBodies,  // Bodies of versions ("hist").
};

// Rows that are written together: all of them or none. Made by
// Store::NewBatch() and must not outlive the store. Single-threaded.
class WriteBatch {
 public:
  ~WriteBatch();
  WriteBatch(WriteBatch&&) noexcept;
  WriteBatch& operator=(WriteBatch&&) noexcept;

  void Put(Family family, absl::string_view key, absl::string_view value);
  void Delete(Family family, absl::string_view key);
  // Deletes all keys in [begin, end).
  void DeleteRange(Family family, absl::string_view begin,
                   absl::string_view end);

  bool empty() const;

 private:
  friend class Store;
  struct Rep;
  explicit WriteBatch(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

// Walks over the rows of one family in key order, as they were when it was
// made. Single-threaded. Must not outlive the store; hold it briefly, because
// it keeps files from being removed.
class RowIterator {
 public:
  virtual ~RowIterator() = default;

  virtual void Seek(absl::string_view key) = 0;  // The first row at or after.
  virtual void SeekToLast() = 0;
  virtual void Next() = 0;
  virtual void Prev() = 0;
  virtual bool valid() const = 0;
  virtual absl::string_view key() const = 0;    // Until the next move.
  virtual absl::string_view value() const = 0;  // Likewise.
  // Not OK: reading failed, which is why valid() is false.
  virtual absl::Status status() const = 0;
};

// What becomes of a log that can not be read to its end.
enum class LogRecovery {
  kStrict,      // DataLoss.
  kUpToDamage,  // Everything before the damage; the rest is gone. Only after
                // ScanWals() has found that nothing acknowledged is in it.
};

struct StoreOptions {
  bool create_if_missing = true;
  LogRecovery recovery = LogRecovery::kStrict;
  // Change nothing in the directory. Writes fail.
  bool read_only = false;
  size_t block_cache_bytes = size_t{32} << 20;
  size_t memtable_bytes = size_t{32} << 20;  // Of rows not yet in files.
  rocksdb::Env* env = nullptr;  // Files and threads; null: the system's.
  // Called by a thread of the store when its own work (moving rows to files,
  // merging files) fails; no write is taken any more.
  std::function<void(const absl::Status&)> background_error = nullptr;
};

// Thread-safe.
class Store {
 public:
  // Opens the store in directory `path`, which must exist if a store is to be
  // created in it.
  //   NotFound  none there, and create_if_missing is false
  //   FailedPrecondition, DataLoss, PermissionDenied, ResourceExhausted,
  //   Unavailable  as the system says
  static absl::StatusOr<std::unique_ptr<Store>> Open(
      const std::string& path, const StoreOptions& options);
  // Opens a store that another process may be writing, for reading only, as it
  // is now. Changes no file.
  //   NotFound  none there
  static absl::StatusOr<std::unique_ptr<Store>> Follow(
      const std::string& path, const StoreOptions& options);
  ~Store();

  // Of a store from Follow(): makes what was written since visible.
  // Batches are seen whole. One call at a time, side by side with reads, which
  // may see it or not.
  //   Unavailable  the writer changes too much meanwhile
  absl::Status CatchUp();

  WriteBatch NewBatch() const;

  // Writes `batch` and, unless told otherwise, syncs the log with everything
  // before. The first batch of each log file (of a few MiB) is synced in any
  // case, and with it everything before. After an error the outcome is not
  // known and every later write fails. One thread at a time. `meanwhile` is
  // called once the rows can be read, before they are synced: all work that
  // comes after a sync starts with cold caches.
  //   FailedPrecondition  writing had failed before: nothing was written
  enum class Sync { kNow, kLater };
  absl::Status Write(
      WriteBatch& batch, Sync sync = Sync::kNow,
      absl::FunctionRef<void()> meanwhile = [] {});

  // Syncs the log with everything that was written before the call. Errors as
  // Write().
  absl::Status SyncLog();

  // Bounds the cache of blocks.
  void SetBlockCacheBytes(size_t bytes);

  // The number of the last row written, counted from the making of the store;
  // and of the last one known to be synced.
  uint64_t last_sequence() const;
  uint64_t synced_sequence() const;

  // Reads every block of every table.
  //   DataLoss  a checksum is wrong; names the file
  absl::Status VerifyTables() const;

  // The value of `key`, or nullopt.
  absl::StatusOr<std::optional<std::string>> Get(Family family,
                                                 absl::string_view key) const;

  // Calls `visit(i, value)` for each of `keys`, with nullopt where there is no
  // row. The value is valid during the call. Ends at the first error, which
  // may be the visitor's.
  absl::Status MultiGet(
      Family family, absl::Span<const std::string> keys,
      absl::FunctionRef<absl::Status(size_t, std::optional<absl::string_view>)>
          visit) const;

  // Rows with begin <= key < end.
  std::unique_ptr<RowIterator> NewIterator(Family family,
                                           absl::string_view begin,
                                           absl::string_view end) const;

  // Makes a store in `path`, which must not exist, of all that was written
  // before: hard links to files where possible. Side by side with everything.
  // The files are not synced.
  absl::Status Checkpoint(const std::string& path) const;

  // Rewrites files until none holds a value that was deleted or overwritten
  // under a key of `ranges` of the body family. Nothing of what is left in the
  // log is from before this call. Files go when nobody reads them any more;
  // `check` is asked meanwhile and ends the wait with its error.
  //   Unavailable  somebody holds an iterator for longer than that is allowed
  struct KeyRange {
    std::string begin;
    std::string end;
  };
  absl::Status EraseDeleted(absl::Span<const KeyRange> ranges,
                            absl::FunctionRef<absl::Status()> check);
  // What EraseDeleted() writes anew, about, in bytes: it takes as much space
  // until the old files go.
  uint64_t BytesToErase(absl::Span<const KeyRange> ranges) const;

  // Moves everything from the log to files, so that the next open replays
  // nothing (unless a write failed), and closes. Only the destructor may
  // follow.
  absl::Status Close();

  size_t block_cache_bytes() const;  // In use.
  size_t memtable_bytes() const;

 private:
  class Secondary;
  struct Rep;
  explicit Store(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_STORE_H_
