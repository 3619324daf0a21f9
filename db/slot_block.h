#ifndef CORKSCREW_DB_SLOT_BLOCK_H_
#define CORKSCREW_DB_SLOT_BLOCK_H_

// Some of the slots of an index, in columns: one slot per version that is not a
// tombstone, alive for Lamport times [born, died). The growing block
// (growing_block.h) takes new slots; segments (segment.h) are files. A search
// reads many blocks as one (index_view.h).

#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/quantizer.h"
#include "corkscrew/record.h"
#include "db/index.h"

namespace corkscrew {

// Any thread may read slots that it has learned of. Of such a slot only `died`
// changes, once, by the one writer of the index.
class SlotBlock {
 public:
  static constexpr Lamport kAlive = std::numeric_limits<Lamport>::max();
  static constexpr uint32_t kNone = 0xFFFFFFFF;

  virtual ~SlotBlock() = default;

  // Slots [first, first + size) whose columns lie one after the other.
  struct Run {
    size_t size;
    const uint8_t* codes;        // [size, code_bytes]
    const CodeScalars* scalars;  // [size]
  };
  // Returns the run from `first` to `last` or to where the columns end.
  virtual Run RunAt(size_t first, size_t last) const = 0;

  virtual Lamport born(size_t slot) const = 0;
  virtual Lamport died(size_t slot) const = 0;  // kAlive: not yet.
  // Whether the slot is the version of its record at time `at`.
  virtual bool IsAlive(size_t slot, Lamport at) const = 0;

  virtual absl::string_view id(size_t slot) const = 0;
  virtual BodyKey body(size_t slot) const = 0;

  // Equal metadata has one row (metadata_row.h), numbered from 0.
  virtual uint32_t metadata_number(size_t slot) const = 0;
  virtual absl::string_view metadata_row(uint32_t number) const = 0;
  // How many rows the slots that the caller knows of have, or more.
  virtual size_t metadata_rows() const = 0;

  // The rescore column.
  struct RescoreRow {
    absl::Span<const uint16_t> row;  // [dim] bfloat16; empty: it is damaged and
                                     // has to be made from the original.
    double n2;                       // dot8 of the original with itself.
    float error;                     // Bound of the row's rounding error.
  };
  virtual RescoreRow rescore_row(size_t slot) const = 0;

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

}  // namespace corkscrew

#endif  // CORKSCREW_DB_SLOT_BLOCK_H_
