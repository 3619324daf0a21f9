#ifndef CORKSCREW_DB_SEGMENT_H_
#define CORKSCREW_DB_SEGMENT_H_

// A block of slots in a mapped file (docs/storage_format.md, "Segments").

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "corkscrew/record.h"
#include "db/died_column.h"
#include "db/metadata_columns_packed.h"
#include "db/segment_format.h"
#include "db/slot_block.h"
#include "quant/scan_layout.h"

namespace corkscrew {

// What a segment has to be; all of it is compared when one is opened.
struct SegmentSpace {
  Uuid collection = {};
  Hash16 descriptor = {};
  ScanLayout layout;  // Of its codes.
  uint32_t rescore_dim = 0;
};

// Immutable but for the times of death. Whatever the bytes of the file are,
// reading is bounded; of bytes that no writer wrote, but whose checksums are
// right, the values mean nothing.
class Segment : public SlotBlock {
 public:
  // Maps the file at `path` and checks all of it but the rows of the rescore
  // column, which are checked when they are first used: a row whose checksum is
  // wrong is empty.
  //   DataLoss  it is damaged, or not of this collection
  //   errors of FileSystem
  static absl::StatusOr<std::shared_ptr<Segment>> Open(
      FileSystem& files, const std::string& path, const SegmentSpace& space);
  // The same for bytes at hand, which `content` holds.
  static absl::StatusOr<std::shared_ptr<Segment>> FromContent(
      std::unique_ptr<FileContent> content, const SegmentSpace& space);

  const SegmentHeader& header() const { return header_; }
  const Hash16& hash() const { return hash_; }  // Names the content.
  bool live() const { return header_.kind == SegmentKind::kLive; }
  size_t slots() const { return header_.slots; }
  // How many slots have died; all of a history segment.
  size_t dead() const { return live() ? died_.count() : slots(); }
  uint64_t file_bytes() const { return header_.file_bytes; }
  // The times of death of a live segment.
  const DiedColumn& deaths() const { return died_; }
  // A checksum of the rescore column was wrong: it should be written anew.
  bool damaged() const { return damaged_.load(std::memory_order_relaxed); }

  void AppendRuns(size_t slots, ScanCopies* copies,
                  std::vector<ScanRun>* runs) const override;
  CodeRow ReadCode(size_t slot, uint8_t* prefix) const override;
  Lamport born(size_t slot) const override { return born_.At(slot); }
  Lamport died(size_t slot) const override {
    return live() ? died_.Get(slot) : died_at_.At(slot);
  }
  bool IsAlive(size_t slot, Lamport at) const override {
    return born_.At(slot) <= at && at < died(slot);
  }
  size_t AliveAt(Lamport at, size_t slots, uint64_t* alive) const override;
  absl::string_view id(size_t slot) const override {
    return Item(id_ends_, ids_, slot);
  }
  BodyKey body(size_t slot) const override;
  const PackedMetadata& metadata() const override { return metadata_; }
  absl::string_view rescore_row(size_t slot) const override;
  size_t index_bytes() const override;
  size_t rescore_bytes() const override;
  size_t mapped_bytes() const override { return header_.file_bytes; }
  uint32_t FindLatest(absl::string_view id) const override;
  bool EndLife(size_t slot, Lamport at) override {
    return live() && died_.Set(slot, at);
  }

 private:
  // Integers of a column.
  struct Integers {
    const char* data = nullptr;
    uint8_t width = 0;
    uint64_t base = 0;

    uint64_t At(size_t i) const;
  };

  Segment(std::unique_ptr<FileContent> content, SegmentHeader header,
          const Hash16& hash, const ScanLayout& layout);

  // DataLoss if a column that is read at once has a wrong checksum.
  absl::Status CheckContent() const;
  // DataLoss if the metadata columns have impossible sizes.
  absl::Status FindColumns();
  absl::string_view Bytes(const SegmentColumn& column) const {
    return content_->bytes().substr(column.offset, column.bytes);
  }
  // The i-th of items whose ends are given.
  static absl::string_view Item(absl::string_view ends, absl::string_view items,
                                size_t i);
  bool RescoreIsGood(size_t begin, size_t end) const;

  const std::unique_ptr<FileContent> content_;
  const SegmentHeader header_;
  const Hash16 hash_;

  const ScanLayout layout_;

  ScanColumns codes_;
  const CodeScalars* scalars_ = nullptr;
  Integers born_, died_at_, seq_, origin_, shard_;
  absl::string_view id_ends_, ids_;
  absl::string_view id_tags_, id_slots_;
  PackedMetadata metadata_;
  absl::string_view rescore_;
  const SegmentColumn* rescore_column_ = nullptr;

  // Of each checksum of the rescore column: 0 not looked at, 1 good, 2 bad.
  mutable std::vector<std::atomic<uint8_t>> rescore_checked_;
  mutable std::atomic<bool> damaged_ = false;
  DiedColumn died_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_SEGMENT_H_
