#ifndef CORKSCREW_QUANT_CODE_SUMS_H_
#define CORKSCREW_QUANT_CODE_SUMS_H_

// The integer half of scoring (docs/quantizer.md, 2.14): sums of query integer
// times code level over the coordinates of each row, exact, hence equal on
// every CPU. Reads canonical code bytes as they are stored.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "quant/codebook.h"

namespace corkscrew {

// Rows of packed codes. Borrows the bytes.
struct CodeRows {
  const uint8_t* first = nullptr;
  size_t stride = 0;  // Bytes from one row to the next.
  size_t count = 0;
  const uint8_t* end = nullptr;  // End of the readable bytes.
};

// A query's integers, in the order in which the kernels meet the codes.
struct QueryIntegers {
  std::vector<int8_t> values;  // [dim]
};

// Sums rows of one width. Immutable: thread-safe.
class CodeSums {
 public:
  CodeSums(const Codebook& codebook, int bits, size_t dim);

  // Arranges `values` [dim], each in -127..127.
  QueryIntegers Arrange(absl::Span<const int8_t> values) const;

  // Sets sums[i] to the sum over row i, converted to float in one rounding.
  // `sums` [rows.count]. Allocates nothing.
  void Sum(const QueryIntegers& query, const CodeRows& rows, float* sums) const;

 private:
  int bits_;
  size_t dim_;
  std::vector<int16_t> levels_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_CODE_SUMS_H_
