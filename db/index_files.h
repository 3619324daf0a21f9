#ifndef CORKSCREW_DB_INDEX_FILES_H_
#define CORKSCREW_DB_INDEX_FILES_H_

// The segment files of one collection: writes what its index has sealed, keeps
// them few and live ones free of the dead, and catalogues them in the store
// (docs/storage_format.md, "Segments").

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "base/mutex.h"
#include "db/collection_state.h"
#include "db/index_blocks.h"
#include "db/origin_table.h"
#include "db/segment.h"
#include "db/segment_builder.h"
#include "db/segment_catalogue.h"
#include "db/store.h"
#include "db/write_commit.h"

namespace corkscrew {

// What the files of all collections share. Borrowed.
struct IndexFilesContext {
  FileSystem* files = nullptr;
  std::string directory;  // Of all segments.
  const Store* store = nullptr;
  const OriginTable* origins = nullptr;
  uint64_t incarnation = 0;
  // Queues a commit and waits for it.
  std::function<absl::Status(Commit*)> write = nullptr;
};

// Slots of a full segment, about 16 MiB.
size_t SegmentSlots(const Descriptor& descriptor);

// The content hash of the op at `feed`, zero at position 0.
//   DataLoss  there is none
absl::StatusOr<Hash16> OpHashAt(const Store& store, uint32_t collection,
                                uint64_t feed);

// The segments of a collection must be these.
SegmentSpace SpaceOf(const CollectionRow& row);

// What the store and the directory had of a collection when it was opened.
struct CataloguedFiles {
  uint64_t next_number = 1;  // Greater than those of all files.
  std::set<uint64_t> segments = {};
  uint64_t feed = 0;  // That they cover; 0: they could not be used.
  std::string sidecar = {};
  // Keys of `s` rows that say nothing; removed when the catalogue is written.
  std::vector<std::string> malformed = {};
};

// Thread-safe.
class IndexFiles {
 public:
  // `segment_slots` is the size of segments.
  IndexFiles(const IndexFilesContext* context,
             std::shared_ptr<CollectionState> collection, size_t segment_slots,
             CataloguedFiles catalogued);

  enum class Mode {
    kBackground,
    kClose,  // Also what has not been sealed, and no large merges.
    kAll,    // Also what has not been sealed, however little it is.
  };
  // Does the next piece of work, if there is any; returns whether there was.
  // Files are durable before the catalogue names them, and removed after it
  // does not any more.
  //   errors of FileSystem, Store and OriginalReader; the index stays as it
  //   was
  absl::StatusOr<bool> Step(Mode mode) ABSL_LOCKS_EXCLUDED(mutex_);

  // Leaves the slots of forgotten versions (Index::Forget) out of all blocks
  // and files. When it returns, no file has them.
  absl::Status Forget() ABSL_LOCKS_EXCLUDED(mutex_);

  const CollectionState& collection() const { return *collection_; }
  // The files that the store names.
  std::vector<std::string> Names() ABSL_LOCKS_EXCLUDED(mutex_);
  // Removes all files of the collection, which was dropped.
  absl::Status RemoveAll() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Blocks = std::vector<const IndexBlocks::Block*>;

  absl::Status Rewrite(Index& index, const IndexBlocks::Snapshot& snapshot,
                       const Blocks& inputs,
                       const ForgottenRecords::Table* without)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteSlots(SegmentKind kind, const SegmentStamp& stamp,
                          absl::Span<const SlotToCopy> slots,
                          std::vector<std::shared_ptr<Segment>>* outputs)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RemoveFiles() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RemoveCatalogue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteCatalogue(const Index& index)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<SegmentPosition> PositionAt(uint64_t feed) const;
  std::string PathOf(const std::string& name) const;
  absl::Status MakeDirectory();

  const IndexFilesContext& context_;
  const std::shared_ptr<CollectionState> collection_;
  const size_t segment_slots_;

  Mutex mutex_;
  uint64_t next_number_ ABSL_GUARDED_BY(mutex_);
  // Segments that the store names.
  std::set<uint64_t> catalogued_ ABSL_GUARDED_BY(mutex_);
  uint64_t catalogued_feed_ ABSL_GUARDED_BY(mutex_);
  // Files that it does not name any more, or never did.
  std::set<std::string> obsolete_ ABSL_GUARDED_BY(mutex_);
  std::string sidecar_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> malformed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_INDEX_FILES_H_
