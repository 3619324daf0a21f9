#ifndef CORKSCREW_DB_SLOT_BLOCK_H_
#define CORKSCREW_DB_SLOT_BLOCK_H_

// Some of the slots of an index, in columns: one slot per version that is not a
// tombstone, alive for Lamport times [born, died). The growing block
// (growing_block.h) takes new slots; segments (segment.h) are files. A search
// reads many blocks as one (index_view.h).

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/quantizer.h"
#include "corkscrew/record.h"
#include "db/index.h"
#include "db/metadata_columns.h"
#include "quant/scan_layout.h"

namespace corkscrew {

// Slots whose columns (quant/scan_layout.h) lie one after the other.
struct ScanRun {
  size_t first = 0;  // Number of the first slot in its block; a multiple of 64.
  size_t slots = 0;
  ScanColumns columns;                   // Of these slots, numbered from 0.
  const CodeScalars* scalars = nullptr;  // [slots]

  // The run from its i-th slot on, a multiple of 64.
  ScanRun From(size_t i, const ScanLayout& layout) const {
    ScanRun run = *this;
    run.first += i;
    run.slots -= i;
    run.columns.prefix += i * layout.prefix_bytes;
    if (run.columns.rest != nullptr) run.columns.rest += i * layout.rest_bytes;
    if (run.columns.low != nullptr) run.columns.low += i * layout.low_bytes;
    run.scalars += i;
    return run;
  }
};

// Memory for slots that can not be scanned where they lie. Used again and
// again.
class ScanCopies {
 public:
  struct Copy {
    std::vector<uint8_t> bytes;
    std::vector<CodeScalars> scalars;
  };
  // Stays until Clear().
  Copy& Next() {
    if (used_ == copies_.size()) copies_.push_back(std::make_unique<Copy>());
    return *copies_[used_++];
  }
  void Clear() { used_ = 0; }

 private:
  std::vector<std::unique_ptr<Copy>> copies_;
  size_t used_ = 0;
};

// Any thread may read slots that it has learned of. Of such a slot only `died`
// changes, once, by the one writer of the index.
class SlotBlock {
 public:
  static constexpr Lamport kAlive = std::numeric_limits<Lamport>::max();
  static constexpr uint32_t kNone = 0xFFFFFFFF;

  virtual ~SlotBlock() = default;

  // Appends the runs of the first `slots` slots, in order.
  virtual void AppendRuns(size_t slots, ScanCopies* copies,
                          std::vector<ScanRun>* runs) const = 0;

  // What the columns have of one slot. Writes its part of the prefix to
  // `prefix` [prefix_bytes].
  struct CodeRow {
    const uint8_t* rest;  // [rest_bytes]
    const uint8_t* low;   // [low_bytes]
    CodeScalars scalars;
  };
  virtual CodeRow ReadCode(size_t slot, uint8_t* prefix) const = 0;

  virtual Lamport born(size_t slot) const = 0;
  virtual Lamport died(size_t slot) const = 0;  // kAlive: not yet.
  // Whether the slot is the version of its record at time `at`.
  virtual bool IsAlive(size_t slot, Lamport at) const = 0;
  // Sets bit i % 64 of alive[i / 64] to IsAlive(i, at) for the first `slots`
  // slots, and those after them in the last word to 0. Returns how many are.
  virtual size_t AliveAt(Lamport at, size_t slots, uint64_t* alive) const = 0;

  virtual absl::string_view id(size_t slot) const = 0;
  virtual BodyKey body(size_t slot) const = 0;

  virtual const MetadataColumns& metadata() const = 0;

  // The row of the rescore column (rescore_row.h). Empty: it is damaged and has
  // to be made from the original.
  virtual absl::string_view rescore_row(size_t slot) const = 0;

  // Memory, mapped files included, of everything but the rescore column, and
  // of that.
  virtual size_t index_bytes() const = 0;
  virtual size_t rescore_bytes() const = 0;
  // Of both, what is a mapped file.
  virtual size_t mapped_bytes() const = 0;

  // For the writer: the last slot with this id, or kNone. Expected O(1).
  virtual uint32_t FindLatest(absl::string_view id) const = 0;
  // For the writer: ends the life of a slot at `at` unless it has ended.
  // Returns whether it did.
  virtual bool EndLife(size_t slot, Lamport at) = 0;
};

// The canonical code of a slot.
inline std::vector<uint8_t> CanonicalCode(const SlotBlock& block, size_t slot,
                                          const ScanLayout& layout,
                                          size_t code_bytes) {
  std::vector<uint8_t> row(layout.prefix_bytes);
  const SlotBlock::CodeRow rest = block.ReadCode(slot, row.data());
  std::vector<uint8_t> prefix(layout.prefix_size(1));
  for (size_t i = 0; i < row.size(); ++i) {
    prefix[layout.PrefixPosition(0, i)] = row[i];
  }
  std::vector<uint8_t> code(code_bytes);
  LoadCode(layout, {prefix.data(), rest.rest, rest.low}, 0,
           absl::MakeSpan(code));
  return code;
}

}  // namespace corkscrew

#endif  // CORKSCREW_DB_SLOT_BLOCK_H_
