#ifndef CORKSCREW_DB_INDEX_KEEPER_H_
#define CORKSCREW_DB_INDEX_KEEPER_H_

// Loads the indexes of a database and keeps their segments, in a thread of its
// own.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "base/file_system.h"
#include "base/mutex.h"
#include "db/collection_registry.h"
#include "db/collection_state.h"
#include "db/index_files.h"
#include "db/origin_table.h"
#include "db/store.h"
#include "db/write_commit.h"

namespace corkscrew {

struct IndexKeeperOptions {
  FileSystem* files = nullptr;
  std::string path;  // Of the database.
  Store* store = nullptr;
  const OriginTable* origins = nullptr;
  uint64_t incarnation = 0;
  CollectionRegistry* registry = nullptr;
  // Queues a commit and waits for it.
  std::function<absl::Status(Commit*)> write = nullptr;
  size_t threads = 1;        // For reading bodies.
  size_t segment_slots = 0;  // 0: SegmentSlots().
  bool background = true;    // Else work is done by RunPending().
};

// Thread-safe. Borrows what the options point to.
class IndexKeeper {
 public:
  explicit IndexKeeper(const IndexKeeperOptions& options);
  ~IndexKeeper();

  // Fills the index of a collection; see LoadIndex(). Before Start().
  absl::Status Load(const std::shared_ptr<CollectionState>& collection);

  // Removes files of segments that no collection has, and starts working.
  void Start();

  // Says that there may be work: a block was sealed, a collection dropped. Does
  // not wait for it.
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);
  // Without a thread: does it.
  void RunPending();

  // Writes what is not in files of all collections, or of one.
  //   errors of FileSystem and Store
  absl::Status WriteAll();
  // Removes the slots of forgotten versions (Index::Forget) from memory and
  // files.
  absl::Status Forget(const CollectionState& collection);

  // Stops working; then writes what the next open would have to read, if
  // `write`. Idempotent.
  void Close(bool write);

  // The first error of working in the background since the last success; it is
  // tried again with the next work.
  absl::Status last_error() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  std::shared_ptr<IndexFiles> FilesOf(
      const std::shared_ptr<CollectionState>& collection)
      ABSL_LOCKS_EXCLUDED(mutex_);
  size_t SlotsOf(const CollectionState& collection) const;
  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  // Does what there is to do for all collections.
  absl::Status RunAll(IndexFiles::Mode mode);
  void RemoveDropped();

  const IndexKeeperOptions options_;
  IndexFilesContext context_;

  mutable Mutex mutex_;
  CondVar changed_;
  bool pending_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status last_error_ ABSL_GUARDED_BY(mutex_);
  // By collection number.
  std::map<uint32_t, std::shared_ptr<IndexFiles>> files_
      ABSL_GUARDED_BY(mutex_);
  bool started_ = false;
  std::thread thread_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_INDEX_KEEPER_H_
