#include "quant/rescore.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/types/span.h"
#include "corkscrew/metric.h"

namespace corkscrew {
namespace {

double Join(const double (&a)[8]) {
  return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

float FromBFloat16(uint16_t x) {
  return std::bit_cast<float>(uint32_t{x} << 16);
}

// Nearest even. A finite value stays finite: past the largest bfloat16 it
// becomes that one, so that its error has a length.
uint16_t ToBFloat16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = bits + 0x7FFF + ((bits >> 16) & 1);
  if (std::isfinite(x) && (rounded & 0x7F800000) == 0x7F800000) {
    return static_cast<uint16_t>((bits >> 31 << 15) | 0x7F7F);
  }
  return static_cast<uint16_t>(rounded >> 16);
}

float RoundUp(double x) {
  const auto nearest = static_cast<float>(x);
  if (static_cast<double>(nearest) >= x) return nearest;
  return std::nextafter(nearest, std::numeric_limits<float>::infinity());
}

}  // namespace

double Dot8(absl::Span<const float> x, absl::Span<const float> y) {
  assert(x.size() == y.size());
  double a[8] = {};
  for (size_t i = 0; i < x.size(); ++i) {
    a[i % 8] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  }
  return Join(a);
}

double Dot8BFloat16(absl::Span<const uint16_t> row,
                    absl::Span<const float> query) {
  assert(row.size() == query.size());
  double a[8] = {};
  for (size_t i = 0; i < row.size(); ++i) {
    a[i % 8] += static_cast<double>(FromBFloat16(row[i])) *
                static_cast<double>(query[i]);
  }
  return Join(a);
}

float RoundToBFloat16(absl::Span<const float> vector,
                      absl::Span<uint16_t> row) {
  assert(vector.size() == row.size());
  double squares = 0;
  for (size_t i = 0; i < vector.size(); ++i) {
    row[i] = ToBFloat16(vector[i]);
    const double error = static_cast<double>(vector[i]) -
                         static_cast<double>(FromBFloat16(row[i]));
    squares += error * error;
  }
  // Differences and their squares are exact; the sum of n of them may be low
  // by a factor 1 - n 2^-53, the root by 1 - 2^-53.
  const double n = static_cast<double>(vector.size());
  return RoundUp(std::sqrt(squares) * (1 + (n + 4) * 0x1p-52));
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
  if (error == 0) {  // The row is the vector.
    *nearest = *farthest = ScoreFromDot(metric, dot, x, q);
    return;
  }
  // `dot`, the dot product of the true score and both lengths are sums of at
  // most 65,535 rounded terms in eight lanes: each is off by less than 2^-39 of
  // |x| |q|, and 2^-37 covers them all.
  constexpr double kSlack = 0x1p-37;
  const double margin =
      (q.n * static_cast<double>(error)) * (1 + kSlack) + (x.n * q.n) * kSlack;
  const double high = dot + margin;
  const double low = dot - margin;
  if (metric == Metric::kL2) {
    const double slack = 0x1p-50 * (x.n2 + q.n2);
    const double sum = x.n2 + q.n2;
    *nearest = static_cast<float>(std::max(0.0, (sum - 2 * high) - slack));
    *farthest = static_cast<float>(std::max(0.0, (sum - 2 * low) + slack));
    return;
  }
  *nearest = ScoreFromDot(metric, high, x, q);
  *farthest = ScoreFromDot(metric, low, x, q);
}

}  // namespace corkscrew
