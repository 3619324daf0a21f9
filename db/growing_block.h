#ifndef CORKSCREW_DB_GROWING_BLOCK_H_
#define CORKSCREW_DB_GROWING_BLOCK_H_

// The block that takes new slots. Slots are only appended, in chunks that never
// move.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/quantizer.h"
#include "corkscrew/record.h"
#include "db/alive_words.h"
#include "db/byte_arena.h"
#include "db/index.h"
#include "db/metadata_columns_growing.h"
#include "db/rescore_row.h"
#include "db/slot_block.h"
#include "db/stable_vector.h"
#include "db/string_table.h"
#include "quant/scan_layout.h"

namespace corkscrew {

// An uninitialized array that starts at a cache line.
template <typename T>
class Column {
 public:
  Column() = default;
  explicit Column(size_t size)
      : data_(size == 0 ? nullptr
                        : static_cast<T*>(::operator new (
                              size * sizeof(T), std::align_val_t{64}))) {
    static_assert(std::is_trivially_destructible_v<T>);
  }

  T* get() const { return data_.get(); }
  T& operator[](size_t i) const { return data_.get()[i]; }

 private:
  struct Free {
    void operator()(T* data) const {
      ::operator delete (data, std::align_val_t{64});
    }
  };
  std::unique_ptr<T, Free> data_;
};

// One writer at a time calls Add() and Publish(); any thread calls the rest,
// with slots below a count that it got from snapshot().
class GrowingBlock : public SlotBlock {
 public:
  static constexpr size_t kNoRescoreColumn = 0;

  // `layout` is that of the codes, `rescore_dim` the dimension or
  // kNoRescoreColumn.
  GrowingBlock(const ScanLayout& layout, size_t rescore_dim)
      : layout_(layout),
        rescore_dim_(rescore_dim),
        row_bytes_(
            rescore_dim == kNoRescoreColumn ? 0 : RescoreRowBytes(rescore_dim)),
        block_(layout.prefix_size(1)) {}

  // As Index::Add(). At most 2^32 - 1 slots.
  struct Added {
    bool known;  // This block had the id before.
    bool ended;  // A slot of this block has died of it.
  };
  Added Add(const IndexEntry& entry);
  // As Index::Publish().
  void Publish(Lamport now);

  // What a reader may see: the first `slots` slots, at `now` or before.
  struct Snapshot {
    Lamport now = 0;
    size_t slots = 0;
  };
  Snapshot snapshot() const;

  // The last slots, 64 to 127 of them, are copied: blocks of 64 come into the
  // prefix when they are full, and kernels read past a row, where the writer
  // may be at work.
  void AppendRuns(size_t slots, ScanCopies* copies,
                  std::vector<ScanRun>* runs) const override;
  CodeRow ReadCode(size_t slot, uint8_t* prefix) const override;

  Lamport born(size_t slot) const override {
    const auto [chunk, i] = Find(slot);
    return chunk.born[i];
  }
  Lamport died(size_t slot) const override {
    const auto [chunk, i] = Find(slot);
    return chunk.died[i].load(std::memory_order_relaxed);
  }
  bool IsAlive(size_t slot, Lamport at) const override {
    const auto [chunk, i] = Find(slot);
    return chunk.born[i] <= at &&
           at < chunk.died[i].load(std::memory_order_relaxed);
  }

  size_t AliveAt(Lamport at, size_t slots, uint64_t* alive) const override;

  absl::string_view id(size_t slot) const override {
    const auto [chunk, i] = Find(slot);
    return ids_.Get(chunk.ids_begin + chunk.id[i]);
  }
  BodyKey body(size_t slot) const override;

  const GrowingMetadata& metadata() const override { return metadata_; }

  absl::string_view rescore_row(size_t slot) const override {
    const auto [chunk, i] = Find(slot);
    return {chunk.rows.get() + i * row_bytes_, row_bytes_};
  }

  // At the real capacity of all arrays.
  size_t index_bytes() const override {
    return index_bytes_.load(std::memory_order_relaxed);
  }
  size_t rescore_bytes() const override {
    return rescore_bytes_.load(std::memory_order_relaxed);
  }
  size_t mapped_bytes() const override { return 0; }

  uint32_t FindLatest(absl::string_view id) const override;
  bool EndLife(size_t slot, Lamport at) override;

 private:
  // 64 slots in a small collection; 1024 from the fifth chunk on, so that at
  // most that many stay unused.
  using Map = ChunkMap<6, 10>;

  // Of 64 slots.
  struct Lives {
    std::atomic<Lamport> latest_born = 0;
    DeadWord dead;
  };

  struct Chunk {
    Chunk(size_t size, const ScanLayout& layout, size_t row_bytes);

    // Scan columns; the prefix of a block of 64 when that is full, and before
    // that, and for copying it, row by row.
    Column<uint8_t> prefix;
    Column<uint8_t> prefix_rows;
    Column<uint8_t> rest;
    Column<uint8_t> low;
    Column<CodeScalars> scalars;
    std::unique_ptr<Lives[]> lives;
    Column<Lamport> born;
    Column<std::atomic<Lamport>> died;
    Column<uint64_t> seq;
    Column<uint32_t> origin;
    Column<uint16_t> shard;
    Column<uint32_t> id;  // Position in ids_, less ids_begin.
    Column<char> rows;    // Rescore column.
    uint64_t ids_begin = 0;
  };

  struct Place {
    const Chunk& chunk;
    size_t i;
  };
  Place Find(size_t slot) const {
    const Map::Place place = Map::Find(slot);
    return {*chunks_[place.chunk], place.offset};
  }

  void StoreScanCode(absl::Span<const uint8_t> code, Chunk& chunk, size_t i);
  void CopyRows(size_t first, size_t slots, size_t to, ScanCopies::Copy* copy,
                const MutableScanColumns& columns) const;
  void CountBytes();

  const ScanLayout layout_;
  const size_t rescore_dim_;
  const size_t row_bytes_;  // Of the rescore column.

  // Appended by the writer; elements below the published counts are read by
  // everybody.
  StableVector<std::unique_ptr<Chunk>> chunks_;
  ByteArena ids_;
  GrowingMetadata metadata_;

  // The writer's own.
  std::vector<uint8_t> block_;  // A block of the prefix.
  size_t slots_ = 0;
  size_t chunk_slots_ = 0;  // Room for slots in all chunks.
  StringTable latest_;      // Id -> slot of its latest version.

  std::atomic<Lamport> published_now_ = 0;
  std::atomic<size_t> published_slots_ = 0;
  std::atomic<size_t> index_bytes_ = 0;
  std::atomic<size_t> rescore_bytes_ = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_GROWING_BLOCK_H_
