#include "quant/code_sums.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "quant/codebook.h"
#include "quant/packing.h"

// Compiles the -inl.h file below once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/code_sums.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h:
#include "quant/code_sums-inl.h"

#if HWY_ONCE
namespace corkscrew {
namespace {

// Kernels read queries in vectors of up to this many bytes.
constexpr size_t kMaxVectorBytes = 64;

}  // namespace

CodeTables MakeCodeTables(const Codebook& codebook, int bits, size_t dim) {
  CodeTables tables;
  tables.bits = bits;
  tables.dim = dim;
  tables.levels = codebook.levels;
  const int step = codebook.levels[1] - codebook.levels[0];
  const bool uniform = bits == 8 && step == 2 && codebook.levels[0] == -255;
  tables.bytewise = bits == 1 || bits == 2 || bits == 4 || uniform;
  tables.offset = codebook.levels.back();
  if (bits == 1 || uniform) tables.offset_scale = 2;
  for (size_t i = 0; i < 256; ++i) {
    const int sum = codebook.levels[i % codebook.levels.size()] + tables.offset;
    tables.level_low[i] = static_cast<uint8_t>(sum % 256);
    tables.level_high[i] = static_cast<uint8_t>(sum / 256);
  }
  if (bits == 2 || bits == 4) {
    const int mask = (1 << bits) - 1;
    for (int i = 0; i < 16; ++i) {
      tables.low[i] = static_cast<uint8_t>(
          codebook.levels[static_cast<size_t>(i & mask)] + tables.offset);
      tables.high[i] = static_cast<uint8_t>(
          codebook.levels[static_cast<size_t>(i >> (4 - bits))] +
          tables.offset);
    }
  }
  return tables;
}

CodeSums::CodeSums(const Codebook& codebook, int bits, size_t dim)
    : tables_(MakeCodeTables(codebook, bits, dim)) {}

QueryIntegers CodeSums::Arrange(absl::Span<const int8_t> values) const {
  assert(values.size() == tables_.dim);
  QueryIntegers query;
  for (const int8_t value : values) query.total += value;
  const size_t padded = hwy::RoundUpTo(values.size(), kMaxVectorBytes);
  query.wide = hwy::AllocateAligned<int16_t>(padded);
  std::fill(query.wide.get(), query.wide.get() + padded, int16_t{0});
  std::copy(values.begin(), values.end(), query.wide.get());
  const size_t planes =
      tables_.bytewise ? 8 / static_cast<size_t>(tables_.bits) : 1;
  query.plane_bytes =
      hwy::RoundUpTo(hwy::DivCeil(values.size(), planes), kMaxVectorBytes);
  const size_t total = planes * query.plane_bytes;
  query.planes = hwy::AllocateAligned<int8_t>(total);
  std::fill(query.planes.get(), query.planes.get() + total, int8_t{0});
  for (size_t plane = 0; plane < planes; ++plane) {
    int8_t* to = query.planes.get() + plane * query.plane_bytes;
    for (size_t i = plane; i < values.size(); i += planes) *to++ = values[i];
  }
  return query;
}

QueryIntegers CodeSums::ArrangeLevels(absl::Span<const int16_t> levels) const {
  assert(levels.size() == tables_.dim);
  if (tables_.levels.back() <= 127) {
    return Arrange(std::vector<int8_t>(levels.begin(), levels.end()));
  }
  QueryIntegers query;
  const size_t padded = hwy::RoundUpTo(levels.size(), kMaxVectorBytes);
  query.wide = hwy::AllocateAligned<int16_t>(padded);
  std::fill(query.wide.get(), query.wide.get() + padded, int16_t{0});
  std::copy(levels.begin(), levels.end(), query.wide.get());
  return query;
}

HWY_EXPORT(SumRows);

void CodeSums::Sum(const QueryIntegers& query, const CodeRows& rows,
                   float* sums) const {
  if (rows.count == 0) return;
  HWY_DYNAMIC_DISPATCH(SumRows)(tables_, query, rows, sums);
}

}  // namespace corkscrew
#endif  // HWY_ONCE
