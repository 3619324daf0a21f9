#include "quant/score_formulas.h"

#include <algorithm>
#include <cstddef>

#include "corkscrew/metric.h"
#include "corkscrew/quantizer.h"

// Compiles the -inl.h file below once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/score_formulas.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h:
#include "quant/score_formulas-inl.h"

#if HWY_ONCE
namespace corkscrew {

HWY_EXPORT(ScoreRows);

void ScoresFromSums(Metric metric, const ScoreUnits& units, const float* sums,
                    const CodeScalars* scalars, size_t n, float* scores) {
  static_assert(sizeof(CodeScalars) == 2 * sizeof(float) &&
                    offsetof(CodeScalars, norm) == 0,
                "read as pairs of floats");
  if (n == 0) return;
  HWY_DYNAMIC_DISPATCH(ScoreRows)
  (metric, units, sums, &scalars[0].norm, n, scores);
}

float DistanceFromDot(float dot, float norm, float query_norm2) {
  return std::max(0.0f, (norm * norm + query_norm2) - 2 * dot);
}

}  // namespace corkscrew
#endif  // HWY_ONCE
