#include "quant/code_scan.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "corkscrew/metric.h"
#include "corkscrew/quantizer.h"
#include "quant/code_sums.h"
#include "quant/codebook.h"
#include "quant/prepared_query.h"
#include "quant/scan_layout.h"
#include "quant/score_formulas.h"

// Compiles the -inl.h file below once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/code_scan.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h:
#include "quant/code_scan-inl.h"
#include "quant/prefix_sums-inl.h"
#include "quant/shared_prefix_sums-inl.h"

#if HWY_ONCE
namespace corkscrew {
namespace {

// Of the sign plane, that several queries read before the next ones.
constexpr size_t kBytesPerRun = 256 * 1024;

// Copies `values` to `in_order` and, by bit position, to `by_bit`, both filled
// with 0.
PlaneIntegers Arrange(absl::Span<const int16_t> values, size_t stride,
                      int8_t* in_order, int8_t* by_bit) {
  int32_t total = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<int8_t>(values[i]);
    in_order[i] = value;
    by_bit[i % 8 * stride + i / 8] = value;
    total += value;
  }
  return {by_bit, stride, in_order, total};
}

int32_t Total(absl::Span<const int16_t> values) {
  int32_t total = 0;
  for (const int16_t value : values) total += value;
  return total;
}

}  // namespace

HWY_EXPORT(PrefixTableBytes);
HWY_EXPORT(FillPrefixTables);
HWY_EXPORT(PrefixSumsOf);
HWY_EXPORT(SharedTableBytes);
HWY_EXPORT(FillSharedTables);
HWY_EXPORT(ShareBlocksOf);
HWY_EXPORT(SharedPrefixSumsOf);
HWY_EXPORT(SignSumsOf);
HWY_EXPORT(ToFloats);
HWY_EXPORT(SketchSumsOf);
HWY_EXPORT(FullSumsOf);

CodeScan::Tables::Tables(const QuantizerParams& params) : layout(params) {
  const Codebook codebook = MakeCodebook(params.codebook, layout.level_bits);
  codes = MakeCodeTables(codebook, layout.level_bits, layout.dim);
  const std::vector<int16_t>& levels = codes.levels;
  level_unit = (static_cast<double>(codebook.unit) * 0x1p-23) /
               std::sqrt(static_cast<double>(layout.dim));
  first = levels[0];
  linear = layout.level_bits <= 2 || (codes.bytewise && layout.level_bits == 8);
  for (int i = 0; i < layout.level_bits; ++i) {
    weights[i] = levels[size_t{1} << (layout.level_bits - 1 - i)] - first;
  }
}

CodeScan::CodeScan(const Quantizer& quantizer) : tables_(quantizer.params()) {}

ScanQuery CodeScan::Prepare(const PreparedQuery& query) const {
  const PreparedQuery::Rep& from = query.rep();
  const ScanLayout& layout = tables_.layout;
  // Kernels read whole vectors, at any position of a row.
  const size_t stride = hwy::RoundUpTo(layout.plane_bytes, 64) + 64;
  const size_t in_order = hwy::RoundUpTo(layout.dim, 64) + 128;
  const size_t table_bytes =
      HWY_DYNAMIC_DISPATCH(PrefixTableBytes)(layout.prefix_bytes);
  const size_t arranged = in_order + 8 * stride;
  const size_t shared_bytes =
      HWY_DYNAMIC_DISPATCH(SharedTableBytes)(layout.prefix_bytes);
  const size_t before = table_bytes + shared_bytes;
  const size_t total = before + arranged * (layout.has_sketch ? 2 : 1);

  ScanQuery scan;
  scan.memory = hwy::AllocateAligned<uint8_t>(total);
  uint8_t* at = scan.memory.get();
  std::fill(at + before, at + total, uint8_t{0});
  const auto take = [&at](size_t bytes) {
    uint8_t* const start = at;
    at += bytes;
    return start;
  };
  uint8_t* const tables = take(table_bytes);
  uint8_t* const shared_tables = take(shared_bytes);
  const auto arrange = [&](const QueryIntegers& integers) {
    auto* const plain = reinterpret_cast<int8_t*>(take(in_order));
    auto* const by_bit = reinterpret_cast<int8_t*>(take(8 * stride));
    return Arrange({integers.wide.get(), layout.dim}, stride, plain, by_bit);
  };
  scan.levels = arrange(from.integers);
  if (layout.has_sketch) scan.sketch = arrange(from.sketch);

  const size_t prefix_dim = std::min(layout.dim, 8 * layout.prefix_bytes);
  const absl::Span<const int16_t> prefix(from.integers.wide.get(), prefix_dim);
  const int32_t prefix_total = Total(prefix);
  for (const int16_t value : prefix) {
    scan.prefix_magnitude += std::abs(int{value});
  }
  scan.rest = scan.levels;
  scan.rest.by_bit += layout.prefix_bytes;
  scan.rest.in_order += 8 * layout.prefix_bytes;
  scan.rest.total -= prefix_total;
  scan.prefix_tables = tables;
  scan.prefix_offset =
      2 * HWY_DYNAMIC_DISPATCH(FillPrefixTables)(scan.levels.in_order,
                                                 layout.prefix_bytes, tables) +
      prefix_total;
  scan.shared_tables = shared_tables;
  scan.shared_excess = HWY_DYNAMIC_DISPATCH(FillSharedTables)(
      scan.levels.in_order, layout.prefix_bytes, shared_tables);

  const auto dim = static_cast<double>(layout.dim);
  scan.sign_units.query = from.units.dot;
  scan.sign_units.level = static_cast<float>(
      (static_cast<double>(MakeCodebook(1, 1).unit) * 0x1p-23) /
      std::sqrt(dim));
  scan.sign_units.norm2 = from.units.norm2;
  scan.prefix_units = scan.sign_units;
  scan.prefix_units.query =
      static_cast<float>((static_cast<double>(from.units.dot) * dim) /
                         static_cast<double>(prefix_dim));
  return scan;
}

void CodeScan::PrefixSums(const ScanQuery& query, const uint8_t* prefix,
                          size_t blocks, int16_t* sums) const {
  HWY_DYNAMIC_DISPATCH(PrefixSumsOf)
  (tables_.layout, query, prefix, blocks, sums);
}

void CodeScan::Share(const uint8_t* prefix, size_t blocks,
                     SharedBlocks* shared) const {
  assert(blocks <= SharedBlocks::kMaxBlocks);
  shared->prefix_ = prefix;
  shared->blocks_ = blocks;
  HWY_DYNAMIC_DISPATCH(ShareBlocksOf)
  (tables_.layout, prefix, blocks, shared->indices_);
}

void CodeScan::PrefixSums(const ScanQuery& query, const SharedBlocks& shared,
                          int16_t* sums) const {
  HWY_DYNAMIC_DISPATCH(SharedPrefixSumsOf)
  (tables_.layout, query, shared.prefix_, shared.indices_, shared.blocks_,
   sums);
}

void CodeScan::SignSums(const ScanQuery& query, const ScanColumns& columns,
                        absl::Span<const uint32_t> slots,
                        const int16_t* prefix_sums, int32_t* sums) const {
  HWY_DYNAMIC_DISPATCH(SignSumsOf)
  (tables_.layout, query, columns, slots, prefix_sums, sums);
}

void CodeScan::SignSums(absl::Span<const ScanQuery* const> queries,
                        const ScanColumns& columns,
                        absl::Span<const absl::Span<const uint32_t>> slots,
                        absl::Span<const int16_t* const> prefix_sums,
                        absl::Span<int32_t* const> sums) const {
  // Runs of rows that the second-level cache holds.
  const size_t run =
      std::max<size_t>(kBytesPerRun / (tables_.layout.rest_bytes + 1), 1);
  size_t left = 0;
  for (const auto& some : slots) left += some.size();
  size_t least = std::numeric_limits<size_t>::max();
  for (const auto& some : slots) {
    if (!some.empty()) least = std::min<size_t>(least, some[0]);
  }
  for (size_t begin = least; left != 0; begin += run) {
    for (size_t q = 0; q < queries.size(); ++q) {
      const auto first = static_cast<size_t>(
          std::lower_bound(slots[q].begin(), slots[q].end(), begin) -
          slots[q].begin());
      const auto rest = slots[q].subspan(first);
      const auto n = static_cast<size_t>(
          std::lower_bound(rest.begin(), rest.end(), begin + run) -
          rest.begin());
      SignSums(*queries[q], columns, rest.first(n), prefix_sums[q] + first,
               sums[q] + first);
      left -= n;
    }
  }
}

void CodeScan::FullSums(const ScanQuery& query, const ScanColumns& columns,
                        absl::Span<const uint32_t> slots,
                        const int32_t* sign_sums, float* sums) const {
  HWY_DYNAMIC_DISPATCH(FullSumsOf)
  (tables_, query, columns, slots, sign_sums, sums);
}

void CodeScan::SketchSums(const ScanQuery& query, const ScanColumns& columns,
                          absl::Span<const uint32_t> slots, float* sums) const {
  assert(tables_.layout.has_sketch);
  HWY_DYNAMIC_DISPATCH(SketchSumsOf)
  (tables_.layout, query, columns, slots, sums);
}

void CodeScan::FullScores(const PreparedQuery& query, Metric metric,
                          const float* sums, const float* sketch_sums,
                          const CodeScalars* scalars, size_t n,
                          float* scores) const {
  const ScoreUnits& units = query.rep().units;
  if (!tables_.layout.has_sketch) {
    return ScoresFromSums(metric, units, sums, scalars, n, scores);
  }
  IpScoresFromSums(metric, units, tables_.level_unit, sums, sketch_sums,
                   scalars, n, scores);
}

void StageScores(Metric metric, const StageUnits& units, const int32_t* sums,
                 const CodeScalars* scalars, size_t n, float* scores) {
  switch (metric) {
    case Metric::kCosine:
      HWY_DYNAMIC_DISPATCH(ToFloats)(sums, n, scores);
      return;
    case Metric::kDot:
      for (size_t i = 0; i < n; ++i) {
        scores[i] = static_cast<float>(sums[i]) * scalars[i].norm;
      }
      return;
    case Metric::kL2:
      for (size_t i = 0; i < n; ++i) {
        const float norm = scalars[i].norm;
        const float dot =
            ((static_cast<float>(sums[i]) * units.query) * norm) * units.level;
        scores[i] = (norm * norm + units.norm2) - 2 * dot;
      }
      return;
  }
}

}  // namespace corkscrew
#endif  // HWY_ONCE
