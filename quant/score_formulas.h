#ifndef CORKSCREW_QUANT_SCORE_FORMULAS_H_
#define CORKSCREW_QUANT_SCORE_FORMULAS_H_

// The floating-point half of scoring (docs/quantizer.md, 2.14): from integer
// sums to scores, in single-rounded float operations in the written order.
// Results are equal on every CPU.

#include <cstddef>

#include "corkscrew/metric.h"
#include "corkscrew/quantizer.h"

namespace corkscrew {

// What a query adds to the scores of mode kMse: sq, sqc, nq2.
struct ScoreUnits {
  float dot = 0;
  float cosine = 0;
  float norm2 = 0;
};

// Sets scores[i] to the score of mode kMse with the integer sum sums[i].
// `sums`, `scalars`, `scores` [n].
void ScoresFromSums(Metric metric, const ScoreUnits& units, const float* sums,
                    const CodeScalars* scalars, size_t n, float* scores);

// Replaces the dot product `dot` by the squared distance. `norm` is that of the
// code, `query_norm2` the square of the query's.
float DistanceFromDot(float dot, float norm, float query_norm2);

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_SCORE_FORMULAS_H_
