// Scores from integer sums, compiled once per SIMD target. Include after
// highway.h.

#if defined(CORKSCREW_QUANT_SCORE_FORMULAS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CORKSCREW_QUANT_SCORE_FORMULAS_INL_H_
#undef CORKSCREW_QUANT_SCORE_FORMULAS_INL_H_
#else
#define CORKSCREW_QUANT_SCORE_FORMULAS_INL_H_
#endif

#include <cstddef>

#include "hwy/highway.h"
#include "quant/score_formulas.h"

HWY_BEFORE_NAMESPACE();
namespace corkscrew {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// `pairs` [n] is norm32, scale32 of each row.
template <Metric kMetric>
void ScoreLoop(const ScoreUnits& units, const float* HWY_RESTRICT sums,
               const float* HWY_RESTRICT pairs, size_t n,
               float* HWY_RESTRICT scores) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const size_t lanes = hn::Lanes(d);
  const V zero = hn::Zero(d);
  const V unit =
      hn::Set(d, kMetric == Metric::kCosine ? units.cosine : units.dot);
  const V norm2 = hn::Set(d, units.norm2);
  const auto score = [&](V sum, V norm, V scale) HWY_ATTR {
    const V product = hn::Mul(sum, unit);
    if constexpr (kMetric == Metric::kCosine) {
      return hn::IfThenZeroElse(hn::Eq(norm, zero),
                                hn::Mul(product, hn::Div(scale, norm)));
    }
    const V dot = hn::Mul(product, scale);
    if constexpr (kMetric == Metric::kDot) return dot;
    return hn::Max(
        zero, hn::Sub(hn::Add(hn::Mul(norm, norm), norm2), hn::Add(dot, dot)));
  };
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    V norm;
    V scale;
    hn::LoadInterleaved2(d, pairs + 2 * i, norm, scale);
    hn::StoreU(score(hn::LoadU(d, sums + i), norm, scale), d, scores + i);
  }
  for (; i < n; ++i) {
    const V norm = hn::Set(d, pairs[2 * i]);
    const V scale = hn::Set(d, pairs[2 * i + 1]);
    scores[i] = hn::GetLane(score(hn::Set(d, sums[i]), norm, scale));
  }
}

void ScoreRows(Metric metric, const ScoreUnits& units, const float* sums,
               const float* pairs, size_t n, float* scores) {
  switch (metric) {
    case Metric::kCosine:
      return ScoreLoop<Metric::kCosine>(units, sums, pairs, n, scores);
    case Metric::kDot:
      return ScoreLoop<Metric::kDot>(units, sums, pairs, n, scores);
    case Metric::kL2:
      return ScoreLoop<Metric::kL2>(units, sums, pairs, n, scores);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
