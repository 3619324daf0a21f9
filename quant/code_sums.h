#ifndef CORKSCREW_QUANT_CODE_SUMS_H_
#define CORKSCREW_QUANT_CODE_SUMS_H_

// The integer half of scoring (docs/quantizer.md, 2.14): sums of query integer
// times code level over the coordinates of each row, exact, hence equal on
// every CPU. Reads canonical code bytes as they are stored.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "hwy/aligned_allocator.h"
#include "quant/codebook.h"

namespace corkscrew {

// Rows of packed codes. Borrows the bytes.
struct CodeRows {
  const uint8_t* first = nullptr;
  size_t stride = 0;  // Bytes from one row to the next.
  size_t count = 0;
  const uint8_t* end = nullptr;  // End of the readable bytes: kernels read past
                                 // a row, but never past this.
};

// A query's integers in the order in which the kernels meet the codes. A byte
// of 4-bit codes holds coordinates 2j and 2j+1, so the even and the odd ones
// are kept apart, and codes need no other layout than the canonical one.
struct QueryIntegers {
  // Plane p [plane_bytes] at p * plane_bytes holds coordinates p, p + planes,
  // p + 2 * planes, ...; 0 after the last. As many planes as codes in a byte;
  // one plane for widths that do not divide a byte.
  hwy::AlignedFreeUniquePtr<int8_t[]> planes;
  size_t plane_bytes = 0;  // A multiple of the longest vector.

  // All coordinates in order, 0 after the last: for kernels that unpack first.
  hwy::AlignedFreeUniquePtr<int16_t[]> wide;

  int64_t total = 0;  // Of all integers.
};

// What the kernels know about the codes of one width. Immutable.
struct CodeTables {
  int bits = 0;
  size_t dim = 0;
  std::vector<int16_t> levels;  // [1 << bits]

  // The level of code k is offset_scale * u(k) - offset with u(k) a byte:
  // looked up for 2 and 4 bits, k itself for 1 bit and for the uniform
  // codebook.
  bool bytewise = false;  // Whether there is such a u.
  int offset_scale = 1;
  int offset = 0;
  // u for the low and the high half of an index of four bits, which for 4 bits
  // is one code and for 2 bits two.
  alignas(16) uint8_t low[16] = {};
  alignas(16) uint8_t high[16] = {};

  // Other widths: level + offset in two bytes, by code; repeated to the end.
  alignas(64) uint8_t level_low[256] = {};
  alignas(64) uint8_t level_high[256] = {};
};

CodeTables MakeCodeTables(const Codebook& codebook, int bits, size_t dim);

// Sums rows of one width. Immutable: thread-safe.
class CodeSums {
 public:
  CodeSums(const Codebook& codebook, int bits, size_t dim);

  // Arranges `values` [dim], each in -127..127.
  QueryIntegers Arrange(absl::Span<const int8_t> values) const;

  // The same of another code's levels [dim]. Where they are wider than a byte
  // the result has no planes.
  QueryIntegers ArrangeLevels(absl::Span<const int16_t> levels) const;

  // Sets sums[i] to the sum over row i, converted to float in one rounding.
  // `sums` [rows.count]. Allocates nothing.
  void Sum(const QueryIntegers& query, const CodeRows& rows, float* sums) const;

 private:
  CodeTables tables_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_CODE_SUMS_H_
