#include "quant/score_formulas.h"

#include <algorithm>
#include <cassert>
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

void IpScoresFromSums(Metric metric, const ScoreUnits& units, double level_unit,
                      const float* sums, const float* sketch_sums,
                      const CodeScalars* scalars, size_t n, float* scores) {
  assert(metric != Metric::kCosine);
  for (size_t i = 0; i < n; ++i) {
    const float norm = scalars[i].norm;
    const auto m1 = static_cast<float>(static_cast<double>(norm) * level_unit);
    const float dot = ((sums[i] * units.dot) * m1) +
                      ((sketch_sums[i] * units.sketch) * scalars[i].scale);
    scores[i] = metric == Metric::kL2
                    ? std::max(0.0f, (norm * norm + units.norm2) - 2 * dot)
                    : dot;
  }
}

}  // namespace corkscrew
#endif  // HWY_ONCE
