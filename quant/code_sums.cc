#include "quant/code_sums.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "quant/codebook.h"
#include "quant/packing.h"

namespace corkscrew {
namespace {

// Coordinates unpacked at a time; a multiple of 8, so that blocks start on
// bytes.
constexpr size_t kBlock = 4096;

}  // namespace

CodeSums::CodeSums(const Codebook& codebook, int bits, size_t dim)
    : bits_(bits), dim_(dim), levels_(codebook.levels) {}

QueryIntegers CodeSums::Arrange(absl::Span<const int8_t> values) const {
  return {.values = {values.begin(), values.end()}};
}

void CodeSums::Sum(const QueryIntegers& query, const CodeRows& rows,
                   float* sums) const {
  uint8_t codes[kBlock];
  for (size_t row = 0; row < rows.count; ++row) {
    const uint8_t* packed = rows.first + row * rows.stride;
    int64_t sum = 0;
    for (size_t start = 0; start < dim_; start += kBlock) {
      const size_t size = std::min(kBlock, dim_ - start);
      const size_t bytes = PackedBytes(size, bits_);
      UnpackBits({packed, bytes}, bits_, {codes, size});
      packed += bytes;
      for (size_t i = 0; i < size; ++i) {
        sum += query.values[start + i] * levels_[codes[i]];
      }
    }
    sums[row] = static_cast<float>(sum);
  }
}

}  // namespace corkscrew
