#ifndef CORKSCREW_QUANT_RESCORE_H_
#define CORKSCREW_QUANT_RESCORE_H_

// Scores with stored vectors (TQ spec 2.15), the rounded ones of the rescore
// column among them. All sums are dot8 (spec 2.8): the same bits on every CPU.

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "corkscrew/metric.h"

namespace corkscrew {

// dot8(x, y) of spec 2.8. `x`, `y` [n].
double Dot8(absl::Span<const float> x, absl::Span<const float> y);

// A vector in 16-bit fixed point: coordinate i is scale * row[i], exactly.
struct FixedPoint {
  float scale = 0;  // A power of two.
  float error = 0;  // The vector is at most this far from the values.
  double n2 = 0;    // dot8 of the values with themselves.
};

// Rounds `vector` [dim], finite, to the multiples of the smallest power of two
// (at least 2^-149) with which all of them fit into 16 bits, nearest even, and
// writes the factors to `row` [dim]. An error of 0: the values are the vector.
FixedPoint RoundToFixed(absl::Span<const float> vector,
                        absl::Span<int16_t> row);

// dot8 of the values and a float query. `row`, `query` [n].
double Dot8Fixed(absl::Span<const int16_t> row, float scale,
                 absl::Span<const float> query);

// Sets dots[i] to Dot8Fixed() of rows[i] [dim] and scales[i], at about half of
// the cost. `rows`, `scales`, `dots` [n], `query` [dim].
void Dot8Fixed(absl::Span<const int16_t* const> rows, const float* scales,
               absl::Span<const float> query, double* dots);

// Rounds `vector` [dim], finite, to bfloat16, nearest even, into `row` [dim]
// and returns an upper bound of the length of the rounding error. A value past
// the largest bfloat16 becomes that one instead of infinity.
float RoundToBFloat16(absl::Span<const float> vector, absl::Span<uint16_t> row);

// The score of spec 2.15 from a dot product and the two lengths
// nx = sqrt(dot8(x,x)) and nq; for kL2, nx2 = dot8(x,x) and nq2 likewise.
struct Lengths {
  double n = 0;   // sqrt(dot8(v,v))
  double n2 = 0;  // dot8(v,v)
};
Lengths LengthsOf(absl::Span<const float> vector);
float ScoreFromDot(Metric metric, double dot, const Lengths& x,
                   const Lengths& q);

// Bounds of ScoreFromDot() with the true vector, when `dot` was taken with
// values that are at most `error` away from it: dot error |q| e and the
// rounding of the sums of up to 65,535 coordinates (and the slack
// 2^-50 (nx^2 + nq^2) for kL2). *nearest >= the true score in the metric's
// order (for kL2: <=), *farthest the other way round; equal to it if `error` is
// 0. `x` has the lengths of the true vector.
void ScoreBounds(Metric metric, double dot, float error, const Lengths& x,
                 const Lengths& q, float* nearest, float* farthest);

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_RESCORE_H_
