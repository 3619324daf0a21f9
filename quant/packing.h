#ifndef CORKSCREW_QUANT_PACKING_H_
#define CORKSCREW_QUANT_PACKING_H_

// The bit string of a code (docs/quantizer.md, 2.10): value j occupies bits
// j * bits to j * bits + bits - 1, least significant first. Part of the format.

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace corkscrew {

// Bytes of `n` values of `bits` bits, 1..8.
constexpr size_t PackedBytes(size_t n, int bits) {
  return (n * static_cast<size_t>(bits) + 7) / 8;
}

// Writes `values` [n], each below 1 << bits, to `packed`
// [PackedBytes(n, bits)]. Unused bits of the last byte become 0.
void PackBits(absl::Span<const uint8_t> values, int bits,
              absl::Span<uint8_t> packed);

// The inverse of PackBits(). `packed` [PackedBytes(n, bits)], `values` [n].
void UnpackBits(absl::Span<const uint8_t> packed, int bits,
                absl::Span<uint8_t> values);

// True if the bits of `packed` [PackedBytes(n, bits)] after value n - 1 are 0.
bool UnusedBitsAreZero(absl::Span<const uint8_t> packed, size_t n, int bits);

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_PACKING_H_
