#ifndef CORKSCREW_QUANT_SCORE_FORMULAS_H_
#define CORKSCREW_QUANT_SCORE_FORMULAS_H_

// The floating-point half of scoring (docs/quantizer.md, 2.14): from integer
// sums to scores, in single-rounded float operations in the written order.
// Results are equal on every CPU.

#include <cstddef>

#include "corkscrew/metric.h"
#include "corkscrew/quantizer.h"

namespace corkscrew {

// What a query adds to the scores: sq, sqc, nq2; mode kIp: sq2.
struct ScoreUnits {
  float dot = 0;
  float cosine = 0;
  float norm2 = 0;
  float sketch = 0;
};

// Sets scores[i] to the score of mode kMse with the integer sum sums[i].
// `sums`, `scalars`, `scores` [n].
void ScoresFromSums(Metric metric, const ScoreUnits& units, const float* sums,
                    const CodeScalars* scalars, size_t n, float* scores);

// The same of mode kIp for kDot and kL2. `level_unit` is kd; `sketch_sums` [n]
// are those over the sketches.
void IpScoresFromSums(Metric metric, const ScoreUnits& units, double level_unit,
                      const float* sums, const float* sketch_sums,
                      const CodeScalars* scalars, size_t n, float* scores);

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_SCORE_FORMULAS_H_
