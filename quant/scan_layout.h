#ifndef CORKSCREW_QUANT_SCAN_LAYOUT_H_
#define CORKSCREW_QUANT_SCAN_LAYOUT_H_

// The columns that searches read (docs/quantizer.md, 1.2): the bits of the
// canonical codes, sorted by significance, so that a stage of a search reads
// no more than it needs. Nothing is added and nothing lost: columns are made
// from canonical codes and give them back.
//
// A plane is one bit of every coordinate: bit i % 8 of byte i / 8. The first
// plane, the most significant bits, is the sign plane. Its first bytes, the
// prefix, are kept for 64 slots together, since each search reads all of them:
//
//   prefix  [blocks, prefix_bytes, 64]  byte 2 * i + h of a line of 64 belongs
//                                       to slot i + 32 * h of the block
//   rest    [slots, rest_bytes]         the sign plane after the prefix
//   low     [slots, low_planes, plane_bytes]  the other planes, the most
//                                       significant first; the sketch of mode
//                                       kIp is the last one

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "corkscrew/quantizer.h"

namespace corkscrew {

// Slots of a block of the prefix.
inline constexpr size_t kScanBlock = 64;

// Kernels read up to this many bytes past the last row of `rest` and of `low`:
// memory must be readable there. Its content does not matter.
inline constexpr size_t kScanPadding = 64;

// Column bytes of one kind of code. Bits after coordinate dim - 1 are 0.
struct ScanLayout {
  explicit ScanLayout(const QuantizerParams& params);

  size_t dim;
  int level_bits;       // Bits per coordinate, without the sketch.
  bool has_sketch;      // Mode kIp.
  size_t plane_bytes;   // ceil(dim / 8)
  size_t prefix_bytes;  // 1..32. All of the sign plane up to 24 bytes;
                        // otherwise 16, or plane_bytes / 8 if that is more.
  size_t rest_bytes;    // plane_bytes - prefix_bytes
  size_t low_planes;
  size_t low_bytes;  // low_planes * plane_bytes

  static constexpr size_t Blocks(size_t slots) {
    return (slots + kScanBlock - 1) / kScanBlock;
  }
  size_t prefix_size(size_t slots) const {
    return Blocks(slots) * prefix_bytes * kScanBlock;
  }
  // Without kScanPadding.
  size_t rest_size(size_t slots) const { return slots * rest_bytes; }
  size_t low_size(size_t slots) const { return slots * low_bytes; }

  // Where byte `byte` of the prefix of `slot` is.
  size_t PrefixPosition(size_t slot, size_t byte) const {
    const size_t i = slot % kScanBlock;
    return (slot / kScanBlock * prefix_bytes + byte) * kScanBlock +
           2 * (i % 32) + i / 32;
  }
};

// The columns of a run of slots, numbered from 0. Borrows them. `prefix` and
// `low` may be null where there are no such bytes.
struct ScanColumns {
  const uint8_t* prefix = nullptr;
  const uint8_t* rest = nullptr;
  const uint8_t* low = nullptr;
};
struct MutableScanColumns {
  uint8_t* prefix = nullptr;
  uint8_t* rest = nullptr;
  uint8_t* low = nullptr;
};

// Writes `code`, a canonical code of the quantizer, to the columns of `slot`
// and nothing else. No thread may scan the block of `slot` meanwhile.
void StoreCode(const ScanLayout& layout, absl::Span<const uint8_t> code,
               size_t slot, const MutableScanColumns& columns);

// Writes the canonical code of `slot` to `code` [code_bytes()].
void LoadCode(const ScanLayout& layout, const ScanColumns& columns, size_t slot,
              absl::Span<uint8_t> code);

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_SCAN_LAYOUT_H_
