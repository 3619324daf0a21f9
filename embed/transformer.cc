#include "embed/transformer.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "embed/compute.h"
#include "embed/tile.h"

// Compiles the -inl.h files below once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "embed/transformer.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h:
#include "embed/math-inl.h"
#include "embed/tile_f32-inl.h"

HWY_BEFORE_NAMESPACE();
namespace corkscrew {
namespace HWY_NAMESPACE {

// The sum over the lanes of `term`(0), `term`(lanes), ... up to `n`, a multiple
// of kPanel. kExact has one order whatever the number of lanes.
template <Arithmetic kArithmetic, class D, class Term>
HWY_INLINE float SumOfTerms(D d, size_t n, const Term& term) {
  const size_t lanes = hn::Lanes(d);
  if constexpr (kArithmetic == Arithmetic::kExact) {
    HWY_ALIGN float sums[kPanel] = {};
    for (size_t i = 0; i < n; i += kPanel) {
      for (size_t j = 0; j < kPanel; j += lanes) {
        hn::Store(hn::Add(hn::Load(d, sums + j), term(i + j)), d, sums + j);
      }
    }
    for (size_t half = kPanel / 2; half > 0; half /= 2) {
      for (size_t j = 0; j < half; ++j) sums[j] += sums[j + half];
    }
    return sums[0];
  } else {
    auto sum = hn::Zero(d);
    for (size_t i = 0; i < n; i += lanes) sum = hn::Add(sum, term(i));
    return hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

// The lanes from `i` on that are below `n`.
template <class D>
HWY_INLINE hn::Mask<D> Below(D d, size_t i, size_t n) {
  return hn::FirstN(d, i < n ? n - i : 0);
}

template <Arithmetic kArithmetic>
HWY_INLINE void LayerNormOf(float* HWY_RESTRICT x, size_t rows, size_t dim,
                            const float* HWY_RESTRICT weight,
                            const float* HWY_RESTRICT bias, float epsilon) {
  const hn::CappedTag<float, kPanel> d;
  const size_t lanes = hn::Lanes(d);
  const size_t stride = PadToPanel(dim);
  const float inverse_dim = 1.0f / static_cast<float>(dim);
  for (size_t row = 0; row < rows; ++row, x += stride) {
    const float sum = SumOfTerms<kArithmetic>(
        d, stride, [&](size_t i) HWY_ATTR { return hn::LoadU(d, x + i); });
    const auto mean = hn::Set(d, sum * inverse_dim);
    const float squares =
        SumOfTerms<kArithmetic>(d, stride, [&](size_t i) HWY_ATTR {
          const auto v = hn::IfThenElseZero(Below(d, i, dim),
                                            hn::Sub(hn::LoadU(d, x + i), mean));
          return hn::Mul(v, v);
        });
    const auto scale =
        hn::Set(d, 1.0f / std::sqrt(squares * inverse_dim + epsilon));
    for (size_t i = 0; i < stride; i += lanes) {
      const auto v = hn::Mul(hn::Sub(hn::LoadU(d, x + i), mean), scale);
      hn::StoreU(MulAdd<kArithmetic>(v, hn::LoadU(d, weight + i),
                                     hn::LoadU(d, bias + i)),
                 d, x + i);
    }
  }
}

void LayerNormRows(float* x, size_t rows, size_t dim, const float* weight,
                   const float* bias, float epsilon, bool exact) {
  if (exact) {
    LayerNormOf<Arithmetic::kExact>(x, rows, dim, weight, bias, epsilon);
  } else {
    LayerNormOf<Arithmetic::kFast>(x, rows, dim, weight, bias, epsilon);
  }
}

template <Arithmetic kArithmetic>
HWY_INLINE void RmsNormOf(float* HWY_RESTRICT x, size_t rows, size_t dim,
                          const float* HWY_RESTRICT weight, float epsilon) {
  const hn::CappedTag<float, kPanel> d;
  const size_t lanes = hn::Lanes(d);
  const size_t stride = PadToPanel(dim);
  for (size_t row = 0; row < rows; ++row, x += stride) {
    const float squares =
        SumOfTerms<kArithmetic>(d, stride, [&](size_t i) HWY_ATTR {
          const auto v = hn::LoadU(d, x + i);
          return hn::Mul(v, v);
        });
    const float mean = squares / static_cast<float>(dim);
    const auto scale = hn::Set(d, 1.0f / std::sqrt(mean + epsilon));
    for (size_t i = 0; i < stride; i += lanes) {
      hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, x + i), scale),
                         hn::LoadU(d, weight + i)),
                 d, x + i);
    }
  }
}

void RmsNormRows(float* x, size_t rows, size_t dim, const float* weight,
                 float epsilon, bool exact) {
  if (exact) {
    RmsNormOf<Arithmetic::kExact>(x, rows, dim, weight, epsilon);
  } else {
    RmsNormOf<Arithmetic::kFast>(x, rows, dim, weight, epsilon);
  }
}

// A vector from `p`, of which only `n` numbers are there, then zeros.
HWY_INLINE hn::Vec<hn::CappedTag<float, kPanel>> LoadFirst(const float* p,
                                                           size_t n) {
  const hn::CappedTag<float, kPanel> d;
  if (n >= hn::Lanes(d)) return hn::LoadU(d, p);
  float buffer[kPanel] = {};
  std::copy(p, p + n, buffer);
  return hn::LoadU(d, buffer);
}

template <Arithmetic kArithmetic>
HWY_INLINE void GateOf(GateKind kind, const float* HWY_RESTRICT x, size_t rows,
                       size_t n, float* HWY_RESTRICT y) {
  const hn::CappedTag<float, kPanel> d;
  const size_t lanes = hn::Lanes(d);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t i = 0; i < n; i += lanes) {
      auto gate = LoadFirst(x + i, n - i);
      const auto value = LoadFirst(x + n + i, n - i);
      if (kind == GateKind::kGelu) {
        gate = Gelu<kArithmetic>(d, gate);
      } else if (kind == GateKind::kGeluTanh) {
        gate = GeluTanh<kArithmetic>(d, gate);
      } else {
        gate = TimesSigmoid<kArithmetic>(d, gate, gate);
      }
      hn::StoreU(hn::Mul(gate, value), d, y + i);
    }
    std::fill(y + n, y + PadToPanel(n), 0.0f);
    x += PadToPanel(2 * n);
    y += PadToPanel(n);
  }
}

void GateRows(GateKind kind, const float* x, size_t rows, size_t n, float* y,
              bool exact) {
  if (exact) {
    GateOf<Arithmetic::kExact>(kind, x, rows, n, y);
  } else {
    GateOf<Arithmetic::kFast>(kind, x, rows, n, y);
  }
}

// Applies the mask to the scores [tokens] of token `at`, before they are
// multiplied by `scale`.
void MaskScores(const AttentionMask& mask, size_t head, float scale, size_t at,
                size_t tokens, float* scores) {
  constexpr float kHidden = -3.0e38f;  // e^(this - any score) is no weight.
  const float slope = mask.slopes == nullptr ? 0.0f : mask.slopes[head] / scale;
  for (size_t i = 0; i < tokens; ++i) {
    const size_t distance = i < at ? at - i : i - at;
    if ((mask.causal && i > at) || (mask.reach > 0 && distance > mask.reach)) {
      scores[i] = kHidden;
    } else {
      scores[i] -= slope * static_cast<float>(distance);
    }
  }
}

// Replaces scores [tokens] of `row` by exp(scale * (score - largest)), and
// returns 1 / their sum. `row` is padded with zeros to whole panels; the
// padding becomes zero.
template <Arithmetic kArithmetic>
HWY_INLINE float SoftmaxRow(float* HWY_RESTRICT row, size_t tokens,
                            float scale) {
  const hn::CappedTag<float, kPanel> d;
  const size_t lanes = hn::Lanes(d);
  const auto lowest = hn::Set(d, -3.0e38f);
  auto largest = lowest;
  for (size_t i = 0; i < tokens; i += lanes) {
    largest = hn::Max(largest, hn::IfThenElse(Below(d, i, tokens),
                                              hn::LoadU(d, row + i), lowest));
  }
  largest = hn::MaxOfLanes(d, largest);
  const auto factor = hn::Set(d, scale);
  const float sum =
      SumOfTerms<kArithmetic>(d, PadToPanel(tokens), [&](size_t i) HWY_ATTR {
        const auto v = hn::Mul(hn::Sub(hn::LoadU(d, row + i), largest), factor);
        const auto e = hn::IfThenElseZero(Below(d, i, tokens),
                                          ExpOfNegative<kArithmetic>(d, v));
        hn::StoreU(e, d, row + i);
        return e;
      });
  return 1.0f / sum;
}

// Writes panels of kPanel keys: to[panel][i][key] = k[key][i], zero beyond the
// last key. `k` [tokens] rows of `stride`; `to` [PadToPanel(tokens), head_dim].
HWY_INLINE void PackKeys(const float* HWY_RESTRICT k, size_t tokens,
                         size_t stride, size_t head_dim,
                         float* HWY_RESTRICT to) {
  for (size_t begin = 0; begin < tokens; begin += kPanel) {
    const size_t n = std::min(kPanel, tokens - begin);
    for (size_t i = 0; i < head_dim; ++i, to += kPanel) {
      const float* from = k + begin * stride + i;
      for (size_t j = 0; j < n; ++j) to[j] = from[j * stride];
      std::fill(to + n, to + kPanel, 0.0f);
    }
  }
}

// Writes panels of kPanel coordinates: to[panel][token][i], zero beyond the
// last coordinate. `to` [PadToPanel(head_dim), tokens].
HWY_INLINE void PackValues(const float* HWY_RESTRICT v, size_t tokens,
                           size_t stride, size_t head_dim,
                           float* HWY_RESTRICT to) {
  for (size_t begin = 0; begin < head_dim; begin += kPanel) {
    const size_t n = std::min(kPanel, head_dim - begin);
    for (size_t t = 0; t < tokens; ++t, to += kPanel) {
      const float* from = v + t * stride + begin;
      std::copy(from, from + n, to);
      std::fill(to + n, to + kPanel, 0.0f);
    }
  }
}

// One head for `n` rows from `row` on, its keys and values packed.
template <Arithmetic kArithmetic>
HWY_INLINE void AttendRows(const float* q, size_t stride, size_t tokens,
                           size_t row, size_t n, size_t head,
                           const AttentionShape& shape,
                           const AttentionMask& mask,
                           AttentionScratch::OfShare& scratch, float* y) {
  const size_t head_dim = shape.head_dim;
  const size_t out_stride = PadToPanel(shape.dim());
  const size_t padded = PadToPanel(tokens);
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  float* scores = scratch.scores.data();
  HWY_ALIGN float tile[kTileRows * kPanel];
  for (size_t key = 0; key < padded; key += kPanel) {
    TileRowsF32<kArithmetic>(n, q + row * stride, stride,
                             scratch.keys.data() + key * head_dim, head_dim,
                             tile);
    for (size_t r = 0; r < n; ++r) {
      std::copy(tile + r * kPanel, tile + (r + 1) * kPanel,
                scores + r * padded + key);
    }
  }
  float inverse[kTileRows];
  for (size_t r = 0; r < n; ++r) {
    if (!mask.hides_nothing()) {
      MaskScores(mask, head, scale, row + r, tokens, scores + r * padded);
    }
    inverse[r] = SoftmaxRow<kArithmetic>(scores + r * padded, tokens, scale);
  }
  for (size_t i = 0; i < head_dim; i += kPanel) {
    TileRowsF32<kArithmetic>(n, scores, padded,
                             scratch.values.data() + i * tokens, tokens, tile);
    for (size_t r = 0; r < n; ++r) {
      float* out = y + (row + r) * out_stride + head * head_dim + i;
      const size_t count = std::min(kPanel, head_dim - i);
      for (size_t j = 0; j < count; ++j) {
        out[j] = tile[r * kPanel + j] * inverse[r];
      }
    }
  }
}

// The heads of one share of the keys, `begin` to `end`.
void AttendHeads(const float* qkv, size_t tokens, const AttentionShape& shape,
                 const AttentionMask& mask, size_t begin, size_t end,
                 bool exact, AttentionScratch::OfShare& scratch, float* y) {
  const size_t head_dim = shape.head_dim;
  const size_t stride = PadToPanel(shape.row());
  const size_t share = shape.heads / shape.keys();
  scratch.keys.resize(PadToPanel(tokens) * head_dim);
  scratch.values.resize(PadToPanel(head_dim) * tokens);
  scratch.scores.resize(kTileRows * PadToPanel(tokens));
  for (size_t key = begin; key < end; ++key) {
    const float* k = qkv + (shape.heads + key) * head_dim;
    PackKeys(k, tokens, stride, head_dim, scratch.keys.data());
    PackValues(k + shape.keys() * head_dim, tokens, stride, head_dim,
               scratch.values.data());
    for (size_t head = key * share; head < (key + 1) * share; ++head) {
      const float* q = qkv + head * head_dim;
      for (size_t row = 0; row < tokens;) {
        const size_t n = NextTile(row, tokens);
        if (exact) {
          AttendRows<Arithmetic::kExact>(q, stride, tokens, row, n, head, shape,
                                         mask, scratch, y);
        } else {
          AttendRows<Arithmetic::kFast>(q, stride, tokens, row, n, head, shape,
                                        mask, scratch, y);
        }
        row += n;
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace corkscrew {

HWY_EXPORT(LayerNormRows);
HWY_EXPORT(RmsNormRows);
HWY_EXPORT(GateRows);
HWY_EXPORT(AttendHeads);

void LayerNorm(float* x, size_t rows, size_t dim, const float* weight,
               const float* bias, float epsilon, Arithmetic arithmetic) {
  HWY_DYNAMIC_DISPATCH(LayerNormRows)
  (x, rows, dim, weight, bias, epsilon, arithmetic == Arithmetic::kExact);
}

void RmsNorm(float* x, size_t rows, size_t dim, const float* weight,
             float epsilon, Arithmetic arithmetic) {
  HWY_DYNAMIC_DISPATCH(RmsNormRows)
  (x, rows, dim, weight, epsilon, arithmetic == Arithmetic::kExact);
}

void Gate(GateKind kind, const float* x, size_t rows, size_t n, float* y,
          Arithmetic arithmetic) {
  HWY_DYNAMIC_DISPATCH(GateRows)
  (kind, x, rows, n, y, arithmetic == Arithmetic::kExact);
}

void Attention(const float* qkv, size_t tokens, const AttentionShape& shape,
               const AttentionMask& mask, AttentionScratch* scratch, float* y,
               const Compute& compute) {
  const size_t keys = shape.keys();
  const size_t shares = compute.Parts(keys);
  scratch->shares.resize(shares);
  compute.Run(shares, [&](size_t share) {
    HWY_DYNAMIC_DISPATCH(AttendHeads)
    (qkv, tokens, shape, mask, keys * share / shares,
     keys * (share + 1) / shares, compute.arithmetic == Arithmetic::kExact,
     scratch->shares[share], y);
  });
}

}  // namespace corkscrew
#endif  // HWY_ONCE
