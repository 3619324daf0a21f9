#include "quant/rescore.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/types/span.h"
#include "corkscrew/metric.h"

// Compiles the -inl.h file below once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/rescore.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h:
#include "quant/dot8-inl.h"

#if HWY_ONCE
namespace corkscrew {
namespace {

float RoundUp(double x) {
  const auto nearest = static_cast<float>(x);
  if (static_cast<double>(nearest) >= x) return nearest;
  return std::nextafter(nearest, std::numeric_limits<float>::infinity());
}

// Not less than the root of the sum of `n` squares, which was rounded to
// `squares`.
float LengthBound(double squares, size_t n) {
  // The sum may be low by a factor 1 - n 2^-53, the root of it and the product
  // below by 1 - 2^-53 each.
  return RoundUp(std::sqrt(squares) *
                 (1 + (static_cast<double>(n) + 4) * 0x1p-52));
}

}  // namespace

HWY_EXPORT(Dot8Float);
HWY_EXPORT(Dot8FixedRow);
HWY_EXPORT(Dot8FixedRows);
HWY_EXPORT(FixRow);
HWY_EXPORT(LargestMagnitude);
HWY_EXPORT(RoundRow);

double Dot8(absl::Span<const float> x, absl::Span<const float> y) {
  assert(x.size() == y.size());
  return HWY_DYNAMIC_DISPATCH(Dot8Float)(x.data(), y.data(), x.size());
}

double Dot8Fixed(absl::Span<const int16_t> row, float scale,
                 absl::Span<const float> query) {
  assert(row.size() == query.size());
  return double{scale} * HWY_DYNAMIC_DISPATCH(Dot8FixedRow)(
                             row.data(), query.data(), row.size());
}

void Dot8Fixed(absl::Span<const int16_t* const> rows, const float* scales,
               absl::Span<const float> query, double* dots) {
  HWY_DYNAMIC_DISPATCH(Dot8FixedRows)
  (rows.data(), rows.size(), query.data(), query.size(), dots);
  for (size_t i = 0; i < rows.size(); ++i) {
    dots[i] = static_cast<double>(scales[i]) * dots[i];
  }
}

FixedPoint RoundToFixed(absl::Span<const float> vector,
                        absl::Span<int16_t> row) {
  assert(vector.size() == row.size());
  const size_t n = vector.size();
  const double largest =
      HWY_DYNAMIC_DISPATCH(LargestMagnitude)(vector.data(), n);
  int exponent;
  const double fraction = std::frexp(largest, &exponent);
  exponent -= 15;
  if (std::nearbyint(std::ldexp(fraction, 15)) > 0x7FFF) ++exponent;
  const double scale = std::ldexp(1.0, std::max(exponent, -149));
  double squares;
  const double errors = HWY_DYNAMIC_DISPATCH(FixRow)(
      vector.data(), n, scale, 1 / scale, row.data(), &squares);
  return {.scale = static_cast<float>(scale),
          .error = LengthBound(errors, n),
          .n2 = squares * scale * scale};
}

float RoundToBFloat16(absl::Span<const float> vector,
                      absl::Span<uint16_t> row) {
  assert(vector.size() == row.size());
  const double squares =
      HWY_DYNAMIC_DISPATCH(RoundRow)(vector.data(), vector.size(), row.data());
  return LengthBound(squares, vector.size());
}

Lengths LengthsOf(absl::Span<const float> vector) {
  const double n2 = Dot8(vector, vector);
  return {.n = std::sqrt(n2), .n2 = n2};
}

float ScoreFromDot(Metric metric, double dot, const Lengths& x,
                   const Lengths& q) {
  switch (metric) {
    case Metric::kDot:
      return static_cast<float>(dot);
    case Metric::kCosine:
      if (x.n == 0 || q.n == 0) return 0;
      return static_cast<float>(dot / (x.n * q.n));
    case Metric::kL2:
      return static_cast<float>(std::max(0.0, (x.n2 + q.n2) - 2 * dot));
  }
  assert(false);
  return 0;
}

void ScoreBounds(Metric metric, double dot, float error, const Lengths& x,
                 const Lengths& q, float* nearest, float* farthest) {
  if (error == 0) {  // The values are the vector.
    *nearest = *farthest = ScoreFromDot(metric, dot, x, q);
    return;
  }
  // Both dot products and both lengths are sums of at most 65,535 rounded terms
  // in eight lanes: each is off by less than 2^-39 of |x| |q|. 2^-36 covers
  // them together with the few roundings below and those of the score.
  constexpr double kSlack = 0x1p-36;
  const double margin =
      (q.n * static_cast<double>(error)) * (1 + kSlack) + (x.n * q.n) * kSlack;
  const double high = dot + margin;
  const double low = dot - margin;
  if (metric == Metric::kL2) {
    const double sum = x.n2 + q.n2;
    const double slack = 0x1p-50 * sum;
    *nearest = static_cast<float>(std::max(0.0, (sum - 2 * high) - slack));
    *farthest = static_cast<float>(std::max(0.0, (sum - 2 * low) + slack));
    return;
  }
  *nearest = ScoreFromDot(metric, high, x, q);
  *farthest = ScoreFromDot(metric, low, x, q);
}

}  // namespace corkscrew
#endif  // HWY_ONCE
