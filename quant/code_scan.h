#ifndef CORKSCREW_QUANT_CODE_SCAN_H_
#define CORKSCREW_QUANT_CODE_SCAN_H_

// The integer sums of a search over the columns of scan_layout.h
// (docs/quantizer.md, 1.2 and 2.14), stage by stage: the prefix of the sign
// plane for whole blocks, the sign plane and the full code for lists of slots.
// All sums are exact, hence equal on every CPU.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "corkscrew/metric.h"
#include "corkscrew/quantizer.h"
#include "hwy/aligned_allocator.h"
#include "quant/code_sums.h"
#include "quant/query_grid.h"
#include "quant/rotation.h"
#include "quant/scan_layout.h"
#include "quant/score_formulas.h"

namespace corkscrew {

// Integers that a plane is multiplied with, in the orders of the kernels.
struct PlaneIntegers {
  // Coordinate 8 * i + t at t * stride + i: those that share a bit position.
  // 0 where there is no coordinate.
  const int8_t* by_bit = nullptr;
  size_t stride = 0;
  const int8_t* in_order = nullptr;  // 0 after the last coordinate.
  int32_t total = 0;                 // Of all coordinates.
};

// What turns sums into stage scores; see StageScores().
struct StageUnits {
  float query = 0;  // sq; for prefix sums, sq times dim by prefix coordinates.
  float level = 0;  // kd of one bit, rounded to float.
  float norm2 = 0;  // nq2
};

// The integers of one query (2.13) as the scan kernels read them. Immutable,
// movable. Belongs to the CodeScan that made it.
struct ScanQuery {
  // Lookup tables of the prefix; what they hold is up to the SIMD target.
  const uint8_t* prefix_tables = nullptr;
  // What the prefix sum of a slot is less than twice the sum that its bits find
  // there.
  int32_t prefix_offset = 0;
  int32_t prefix_magnitude = 0;  // No prefix sum is larger.
  // The same for queries that are looked up together; which tables have a
  // second one, by bit.
  const uint8_t* shared_tables = nullptr;
  uint32_t shared_excess = 0;

  PlaneIntegers rest;    // Of the sign plane after the prefix.
  PlaneIntegers levels;  // All coordinates.
  PlaneIntegers sketch;  // Mode kIp only.
  StageUnits prefix_units;
  StageUnits sign_units;
  ScoreUnits units;  // Of the full code.

  hwy::AlignedFreeUniquePtr<uint8_t[]> memory;  // Of the arrays.
  size_t memory_bytes = 0;
};

// A few blocks of the prefix as several queries look them up one after the
// other: in the first-level cache, their indices made once. For CodeScan.
class SharedBlocks {
 public:
  static constexpr size_t kMaxBlocks = 8;
  static constexpr size_t kIndexBytes = kMaxBlocks * 64 * kScanBlock;

  size_t blocks() const { return blocks_; }

 private:
  friend class CodeScan;

  const uint8_t* prefix_ = nullptr;
  size_t blocks_ = 0;
  alignas(64) uint8_t indices_[kIndexBytes];  // What is in is up to the target.
};

// Sums for the codes of one quantizer. Immutable: thread-safe. The functions
// allocate nothing, but for Prepare() as it says.
class CodeScan {
 public:
  explicit CodeScan(const Quantizer& quantizer);

  const ScanLayout& layout() const { return tables_.layout; }

  ScanQuery Prepare(const PreparedQuery& query) const;

  // The same from the query itself, [dim]. `scan` may be one that was prepared
  // before: its memory is used again, as that of `grid`, so that nothing is
  // allocated. Without `shared` it can not be used with SharedBlocks.
  // Errors of Quantizer::Prepare() but for the size, which is only asserted.
  absl::Status Prepare(absl::Span<const float> query, bool shared,
                       QueryGrid* grid, ScanQuery* scan) const;

  // Sets sums[i] to the prefix sum of slot i: the sum over the coordinates of
  // the prefix of the query's integer where the sign bit is 1, less where it is
  // 0. `prefix` [blocks, prefix_bytes, 64], `sums` [blocks * 64].
  void PrefixSums(const ScanQuery& query, const uint8_t* prefix, size_t blocks,
                  int16_t* sums) const;

  // Makes `blocks` <= kMaxBlocks blocks at `prefix`, which are borrowed, ready
  // for the next function. Costs as much as the sums of one or two queries.
  void Share(const uint8_t* prefix, size_t blocks, SharedBlocks* shared) const;

  // As PrefixSums() for blocks that several queries share, at about half of the
  // cost on CPUs that look bytes up in long tables (AVX-512 VBMI with VNNI) and
  // the same elsewhere. `sums` [blocks * 64].
  void PrefixSums(const ScanQuery& query, const SharedBlocks& shared,
                  int16_t* sums) const;

  // Sets sums[i] to the same sum over all coordinates (A1 of 2.14) of
  // slots[i], whose prefix sum is prefix_sums[i]. Rows that lie ahead are
  // prefetched: slots are best in ascending order.
  void SignSums(const ScanQuery& query, const ScanColumns& columns,
                absl::Span<const uint32_t> slots, const int16_t* prefix_sums,
                int32_t* sums) const;

  // As SignSums() for several queries: they take turns on runs of slots, so
  // that rows that several ask for are read from memory once. The slots of each
  // are in ascending order. `queries`, `slots`, `prefix_sums`, `sums` [q].
  void SignSums(absl::Span<const ScanQuery* const> queries,
                const ScanColumns& columns,
                absl::Span<const absl::Span<const uint32_t>> slots,
                absl::Span<const int16_t* const> prefix_sums,
                absl::Span<int32_t* const> sums) const;

  // Sets sums[i] to A of 2.14 for slots[i], whose sum over the sign plane is
  // sign_sums[i], converted to float in one rounding.
  void FullSums(const ScanQuery& query, const ScanColumns& columns,
                absl::Span<const uint32_t> slots, const int32_t* sign_sums,
                float* sums) const;

  // Mode kIp only: sets sums[i] to A2 of 2.14, as FullSums().
  void SketchSums(const ScanQuery& query, const ScanColumns& columns,
                  absl::Span<const uint32_t> slots, float* sums) const;

  // Sets scores[i] to the score of 2.14 with the sum sums[i] of FullSums() and,
  // in mode kIp, sketch_sums[i] of SketchSums() (otherwise null). What
  // Quantizer::Score() gives for the canonical codes. `sums`, `scalars`,
  // `scores` [n].
  void FullScores(const ScanQuery& query, Metric metric, const float* sums,
                  const float* sketch_sums, const CodeScalars* scalars,
                  size_t n, float* scores) const;

  // For the kernels.
  struct Tables {
    explicit Tables(const QuantizerParams& params);

    ScanLayout layout;
    CodeTables codes;
    // Whether a level is first + weights[0] * sign bit + weights[1] * next bit
    // + ..., as it is for 1 and 2 bits and the uniform codebook.
    bool linear = false;
    int32_t weights[8] = {};
    int32_t first = 0;
    double level_unit = 0;  // kd
    float sign_level = 0;   // kd of one bit, rounded to float.
  };

 private:
  // `sketch` is empty but in mode kIp.
  void Arrange(absl::Span<const int8_t> values, absl::Span<const int8_t> sketch,
               const ScoreUnits& units, bool shared, ScanQuery* out) const;

  Tables tables_;
  Rotation rotation_;
  std::optional<Rotation> sketch_rotation_;  // Mode kIp only.
};

// Sets scores[i] to the stage score (docs/quantizer.md, 1.2) of sum sums[i]:
//   kCosine  float(sum)
//   kDot     float(sum) * norm32
//   kL2      (nx2 + nq2) - 2 * dot, dot = ((float(sum) * query) * norm32) *
//            level; smaller is better; may be negative
// `sums`, `scalars`, `scores` [n]; `units` are those of the kind of sums.
void StageScores(Metric metric, const StageUnits& units, const int32_t* sums,
                 const CodeScalars* scalars, size_t n, float* scores);

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_CODE_SCAN_H_
