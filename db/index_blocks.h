#ifndef CORKSCREW_DB_INDEX_BLOCKS_H_
#define CORKSCREW_DB_INDEX_BLOCKS_H_

// The blocks of an index: one that grows, sealed ones that wait to be written,
// and segments. Readers get a list that never changes; the writer adds to the
// growing block and ends lives everywhere; maintenance replaces blocks by
// segments with the same slots.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "db/growing_block.h"
#include "db/index.h"
#include "db/index_view.h"
#include "db/segment.h"

namespace corkscrew {

struct IndexBlocksOptions {
  ScanLayout layout;  // Of the codes.
  size_t rescore_dim = 0;
  // When the growing block is sealed: at so many slots, or feed positions since
  // the last time. 0: never.
  size_t seal_slots = 0;
  uint64_t seal_ops = 0;
  std::function<void()> on_seal = nullptr;  // As in IndexOptions.
};

class IndexBlocks {
 public:
  // One of the sealed blocks.
  struct Block {
    std::shared_ptr<SlotBlock> block;
    std::shared_ptr<Segment> segment;  // The same; null if not in a file.
    IndexView::Part part;
  };
  using List = std::vector<Block>;

  explicit IndexBlocks(const IndexBlocksOptions& options);

  // Of the writer. As Index::Add() and Index::Publish(), the latter with the
  // feed position of the last op added.
  void Add(const IndexEntry& entry) ABSL_LOCKS_EXCLUDED(writer_mutex_);
  void Publish(Lamport now, uint64_t feed) ABSL_LOCKS_EXCLUDED(writer_mutex_);
  // As Index::Hold() and Index::Release().
  void Hold() ABSL_LOCKS_EXCLUDED(writer_mutex_);
  void Release() ABSL_LOCKS_EXCLUDED(writer_mutex_);

  // For readers. The time is read first: blocks are replaced by blocks with the
  // same slots, so that every list after it has what belongs to it.
  IndexView View() const ABSL_LOCKS_EXCLUDED(list_mutex_);
  Lamport now() const { return now_.load(std::memory_order_acquire); }
  uint64_t feed() const { return feed_.load(std::memory_order_acquire); }
  size_t alive() const {
    return published_alive_.load(std::memory_order_acquire);
  }

  // The sealed blocks.
  std::shared_ptr<const List> sealed() const ABSL_LOCKS_EXCLUDED(list_mutex_);
  // All ops up to this feed position are in segments, or have no slots.
  uint64_t covered() const ABSL_LOCKS_EXCLUDED(writer_mutex_);
  // Whether there are sealed blocks that are not in files.
  bool HasUnwritten() const;

  // Takes these segments, which cover the feed up to `covered`. Before anything
  // is added that ends a life in them.
  void Adopt(std::vector<std::shared_ptr<Segment>> segments, uint64_t covered)
      ABSL_LOCKS_EXCLUDED(writer_mutex_);
  // Ends, in segments, the lives of earlier versions of `id` than the one at
  // `at`, which `earlier` tells.
  void EndEarlier(absl::string_view id, Lamport at,
                  absl::FunctionRef<bool(const BodyKey&)> earlier)
      ABSL_LOCKS_EXCLUDED(writer_mutex_);

  // Seals the growing block, unless it is empty; if it has the slots for that;
  // if another block has been sealed. The first waits while the writer holds
  // what it has added: what is sealed has been published. The others are of the
  // writer.
  void Seal() ABSL_LOCKS_EXCLUDED(writer_mutex_);
  void SealIfFull() ABSL_LOCKS_EXCLUDED(writer_mutex_);
  void SealIfAny() ABSL_LOCKS_EXCLUDED(writer_mutex_);

  // Replacing blocks. One at a time: Begin(), then Finish() or Abandon().
  //
  // Deaths in all blocks are noted from Begin() on. Returns the blocks and the
  // feed position that is covered once all unwritten ones of them are in files.
  struct Snapshot {
    std::shared_ptr<const List> sealed;
    uint64_t covered = 0;
  };
  Snapshot Begin() ABSL_LOCKS_EXCLUDED(writer_mutex_);
  // Puts `outputs`, which have the slots that were alive in `inputs` at some
  // time after Begin() and those that were not, in their place. Lives that
  // ended meanwhile end in them too. `dropped_alive` slots that were alive were
  // left out.
  void Finish(const std::vector<const SlotBlock*>& inputs,
              const std::vector<std::shared_ptr<Segment>>& outputs,
              uint64_t covered, size_t dropped_alive)
      ABSL_LOCKS_EXCLUDED(writer_mutex_);
  void Abandon() ABSL_LOCKS_EXCLUDED(writer_mutex_);

 private:
  struct Lists {
    List sealed;
    std::shared_ptr<GrowingBlock> growing;
  };
  struct Death {
    std::shared_ptr<SlotBlock> block;
    uint32_t slot;
    Lamport at;
  };

  std::shared_ptr<GrowingBlock> NewBlock() const;
  std::shared_ptr<const Lists> lists() const ABSL_LOCKS_EXCLUDED(list_mutex_);
  void SetLists(std::shared_ptr<const Lists> lists)
      ABSL_LOCKS_EXCLUDED(list_mutex_);
  void ReleaseLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer_mutex_);
  void SealLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer_mutex_);
  void EndLifeInSealed(const List& sealed, absl::string_view id, Lamport at)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer_mutex_);

  const IndexBlocksOptions options_;

  std::atomic<size_t> published_alive_ = 0;
  std::atomic<uint64_t> feed_ = 0;
  std::atomic<Lamport> now_ = 0;

  // Held by the writer, and briefly by maintenance; never by readers.
  mutable Mutex writer_mutex_;
  size_t alive_ ABSL_GUARDED_BY(writer_mutex_) = 0;
  uint64_t sealed_feed_ ABSL_GUARDED_BY(writer_mutex_) = 0;
  uint64_t covered_ ABSL_GUARDED_BY(writer_mutex_) = 0;
  bool held_ ABSL_GUARDED_BY(writer_mutex_) = false;
  CondVar released_;
  bool noting_ ABSL_GUARDED_BY(writer_mutex_) = false;
  std::vector<Death> deaths_ ABSL_GUARDED_BY(writer_mutex_);

  // Held to copy or replace the pointer, no longer. Replaced under
  // writer_mutex_.
  mutable Mutex list_mutex_;
  std::shared_ptr<const Lists> lists_ ABSL_GUARDED_BY(list_mutex_);
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_INDEX_BLOCKS_H_
