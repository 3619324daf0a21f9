#ifndef CORKSCREW_QUANT_QUERY_GRID_H_
#define CORKSCREW_QUANT_QUERY_GRID_H_

// From vectors to fixed point and from queries to the integers that scores are
// made with (docs/quantizer.md, 2.8 and 2.13). Equal on every CPU.

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "quant/rotation.h"
#include "quant/score_formulas.h"

namespace corkscrew {

inline constexpr double kFixedOne = 0x1p24;  // Fixed-point 1.0.

// Writes `vector`, scaled to length 1, in fixed point to `v` (all 0 for a null
// vector) and returns its length (0 for a null vector). Sets `squared_norm` to
// dot8 of the vector with itself. `v` has the size of `vector`.
//   InvalidArgument  NaN, infinity, or a length above 2^60
absl::StatusOr<double> ToFixedPoint(absl::Span<const float> vector,
                                    absl::Span<int32_t> v,
                                    double* squared_norm);

// The integers of a query, class S8. Keeps its memory when it is made again.
struct QueryGrid {
  double norm = 0;  // 0 for a null query.
  ScoreUnits units;
  std::vector<int8_t> values;  // [dim] each in -127..127
  std::vector<int8_t> sketch;  // Mode kIp: the same for the sketch. Or empty.
  std::vector<int32_t> rotated, spare;  // Used on the way.
};

// Makes `grid` of `query` [rotation.dim()]. `sketch` is the second rotation in
// mode kIp, otherwise null. Allocates only in `grid`. Errors of ToFixedPoint().
absl::Status MakeQueryGrid(absl::Span<const float> query,
                           const Rotation& rotation, const Rotation* sketch,
                           QueryGrid* grid);

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_QUERY_GRID_H_
