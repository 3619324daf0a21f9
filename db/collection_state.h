#ifndef CORKSCREW_DB_COLLECTION_STATE_H_
#define CORKSCREW_DB_COLLECTION_STATE_H_

// What is in memory of one collection.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "corkscrew/embedder.h"
#include "corkscrew/record.h"
#include "db/index.h"
#include "db/read_epochs.h"
#include "db/retained_moments.h"
#include "db/rows.h"

namespace corkscrew {

// A version that can not be read; alive for Lamport times [born, died).
struct DamagedVersion {
  std::string id = {};
  std::string key = {};  // Of its body.
  Lamport born = 0;
  Lamport died = std::numeric_limits<Lamport>::max();
};

// Thread-safe, but `writer` belongs to the commit leader.
class CollectionState {
 public:
  CollectionState(uint32_t number, CollectionRow row,
                  std::shared_ptr<Index> index)
      : number_(number), row_(std::move(row)), index_(std::move(index)) {}

  uint32_t number() const { return number_; }
  const CollectionRow& row() const { return row_; }

  // Null for the system collection and after Drop(). Whoever holds it may go on
  // reading.
  std::shared_ptr<Index> index() const {
    MutexLock lock(&mutex_);
    return index_;
  }
  bool dropped() const { return dropped_.load(std::memory_order_acquire); }
  void Drop() {
    dropped_.store(true, std::memory_order_release);
    MutexLock lock(&mutex_);
    index_ = nullptr;
  }

  // The embedder of row().model, once it has been found and checked.
  std::shared_ptr<const Embedder> embedder() const {
    MutexLock lock(&mutex_);
    return embedder_;
  }
  void set_embedder(std::shared_ptr<const Embedder> embedder) {
    MutexLock lock(&mutex_);
    embedder_ = std::move(embedder);
  }

  // Everything up to here is written and visible.
  Lamport published() const {
    return published_.load(std::memory_order_acquire);
  }
  void set_published(Lamport lamport) {
    published_.store(lamport, std::memory_order_release);
  }

  // The floor and the tags.
  RetainedMoments moments;

  // Reads of records that are going on.
  mutable ReadEpochs reads;

  // Versions whose bodies are damaged: the index does not have them, so a
  // search at a moment at which one is alive has no answer.
  void AddDamage(DamagedVersion damage) {
    MutexLock lock(&mutex_);
    damage_.push_back(std::move(damage));
    damaged_ = damage_.size();
  }
  // A version of `id` begins at `lamport` and ends the one before.
  void EndDamage(absl::string_view id, Lamport lamport) {
    if (damaged_ == 0) return;
    MutexLock lock(&mutex_);
    for (DamagedVersion& damage : damage_) {
      if (damage.id == id) damage.died = std::min(damage.died, lamport);
    }
  }
  size_t damaged() const { return damaged_; }
  //   DataLoss  one is alive at `at`; names its record and row
  absl::Status CheckDamage(Lamport at) const;

  // Ops up to this feed position survive power loss. Nothing above it may be
  // shipped.
  uint64_t durable() const { return durable_.load(std::memory_order_acquire); }
  void RaiseDurable(uint64_t feed) {
    uint64_t now = durable_.load(std::memory_order_relaxed);
    while (now < feed && !durable_.compare_exchange_weak(
                             now, feed, std::memory_order_acq_rel)) {
    }
  }

  // Held versions, and records whose current version is a tombstone.
  std::atomic<uint64_t> versions = 0;
  std::atomic<uint64_t> tombstones = 0;

  // Whether it has, or had, records that expire.
  std::atomic<bool> expires = false;

  // A purge is not complete: files may hold what it removed.
  std::atomic<bool> purge_pending = false;

  // Positions of the last op staged.
  struct Writer {
    Lamport clock = 0;
    uint64_t feed = 0;
    uint64_t seq = 0;      // Of this origin, in shard 0.
    uint64_t wall_ms = 0;  // Of the last `x` row.
    uint64_t versions = 0;
    uint64_t tombstones = 0;
  } writer;

  // The clock row as of what has been staged. For the commit leader.
  ClockRow clock_row() const {
    return {writer.clock, moments.floor(), writer.versions, writer.tombstones};
  }

 private:
  const uint32_t number_;
  const CollectionRow row_;
  std::atomic<bool> dropped_ = false;
  std::atomic<Lamport> published_ = 0;
  std::atomic<uint64_t> durable_ = 0;
  mutable Mutex mutex_;
  std::shared_ptr<Index> index_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Embedder> embedder_ ABSL_GUARDED_BY(mutex_);
  std::vector<DamagedVersion> damage_ ABSL_GUARDED_BY(mutex_);
  std::atomic<size_t> damaged_ = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_COLLECTION_STATE_H_
