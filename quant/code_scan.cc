#include "quant/code_scan.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
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
PlaneIntegers ArrangePlane(absl::Span<const int8_t> values, size_t stride,
                           int8_t* in_order, int8_t* by_bit) {
  int32_t total = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    in_order[i] = values[i];
    by_bit[i % 8 * stride + i / 8] = values[i];
    total += values[i];
  }
  return {by_bit, stride, in_order, total};
}

std::vector<int8_t> Narrow(const QueryIntegers& integers, size_t dim) {
  std::vector<int8_t> values(dim);
  std::transform(integers.wide.get(), integers.wide.get() + dim, values.begin(),
                 [](int16_t value) { return static_cast<int8_t>(value); });
  return values;
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
  sign_level = static_cast<float>(
      (static_cast<double>(MakeCodebook(1, 1).unit) * 0x1p-23) /
      std::sqrt(static_cast<double>(layout.dim)));
  first = levels[0];
  linear = layout.level_bits <= 2 || (codes.bytewise && layout.level_bits == 8);
  for (int i = 0; i < layout.level_bits; ++i) {
    weights[i] = levels[size_t{1} << (layout.level_bits - 1 - i)] - first;
  }
}

CodeScan::CodeScan(const Quantizer& quantizer)
    : tables_(quantizer.params()),
      rotation_(quantizer.params().dim, quantizer.params().seed,
                RotationKind::kMain) {
  if (quantizer.params().mode == QuantizerMode::kIp) {
    sketch_rotation_.emplace(quantizer.params().dim, quantizer.params().seed,
                             RotationKind::kSketch);
  }
}

ScanQuery CodeScan::Prepare(const PreparedQuery& query) const {
  const PreparedQuery::Rep& from = query.rep();
  const size_t dim = tables_.layout.dim;
  ScanQuery scan;
  Arrange(Narrow(from.integers, dim),
          tables_.layout.has_sketch ? Narrow(from.sketch, dim)
                                    : std::vector<int8_t>(),
          from.units, /*shared=*/true, &scan);
  return scan;
}

absl::Status CodeScan::Prepare(absl::Span<const float> query, bool shared,
                               QueryGrid* grid, ScanQuery* scan) const {
  const Rotation* const sketch =
      sketch_rotation_.has_value() ? &*sketch_rotation_ : nullptr;
  CORKSCREW_RETURN_IF_ERROR(MakeQueryGrid(query, rotation_, sketch, grid));
  Arrange(grid->values, grid->sketch, grid->units, shared, scan);
  return absl::OkStatus();
}

void CodeScan::Arrange(absl::Span<const int8_t> values,
                       absl::Span<const int8_t> sketch, const ScoreUnits& units,
                       bool shared, ScanQuery* out) const {
  const ScanLayout& layout = tables_.layout;
  // Kernels read whole vectors, at any position of a row.
  const size_t stride = hwy::RoundUpTo(layout.plane_bytes, 64) + 64;
  const size_t in_order = hwy::RoundUpTo(layout.dim, 64) + 128;
  const size_t table_bytes =
      HWY_DYNAMIC_DISPATCH(PrefixTableBytes)(layout.prefix_bytes);
  const size_t arranged = in_order + 8 * stride;
  const size_t shared_bytes =
      shared ? HWY_DYNAMIC_DISPATCH(SharedTableBytes)(layout.prefix_bytes) : 0;
  const size_t before = table_bytes + shared_bytes;
  const size_t total = before + arranged * (layout.has_sketch ? 2 : 1);

  ScanQuery& scan = *out;
  if (scan.memory_bytes < total) {
    scan.memory = hwy::AllocateAligned<uint8_t>(total);
    scan.memory_bytes = total;
  }
  uint8_t* at = scan.memory.get();
  std::fill(at + before, at + total, uint8_t{0});
  const auto take = [&at](size_t bytes) {
    uint8_t* const start = at;
    at += bytes;
    return start;
  };
  uint8_t* const tables = take(table_bytes);
  uint8_t* const shared_tables = take(shared_bytes);
  const auto arrange = [&](absl::Span<const int8_t> integers) {
    auto* const plain = reinterpret_cast<int8_t*>(take(in_order));
    auto* const by_bit = reinterpret_cast<int8_t*>(take(8 * stride));
    return ArrangePlane(integers, stride, plain, by_bit);
  };
  scan.levels = arrange(values);
  scan.sketch = layout.has_sketch ? arrange(sketch) : PlaneIntegers();

  const size_t prefix_dim = std::min(layout.dim, 8 * layout.prefix_bytes);
  int32_t prefix_total = 0;
  scan.prefix_magnitude = 0;
  for (const int8_t value : values.first(prefix_dim)) {
    prefix_total += value;
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
  scan.shared_tables = nullptr;
  scan.shared_excess = 0;
  if (shared) {
    scan.shared_tables = shared_tables;
    scan.shared_excess = HWY_DYNAMIC_DISPATCH(FillSharedTables)(
        scan.levels.in_order, layout.prefix_bytes, shared_tables);
  }

  const auto dim = static_cast<double>(layout.dim);
  scan.units = units;
  scan.sign_units.query = units.dot;
  scan.sign_units.level = tables_.sign_level;
  scan.sign_units.norm2 = units.norm2;
  scan.prefix_units = scan.sign_units;
  scan.prefix_units.query = static_cast<float>(
      (static_cast<double>(units.dot) * dim) / static_cast<double>(prefix_dim));
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
  assert(query.shared_tables != nullptr);
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

void CodeScan::FullScores(const ScanQuery& query, Metric metric,
                          const float* sums, const float* sketch_sums,
                          const CodeScalars* scalars, size_t n,
                          float* scores) const {
  const ScoreUnits& units = query.units;
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
