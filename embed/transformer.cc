#include "embed/transformer.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

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

void LayerNormRows(float* HWY_RESTRICT x, size_t rows, size_t dim,
                   const float* HWY_RESTRICT weight,
                   const float* HWY_RESTRICT bias, float epsilon) {
  const hn::CappedTag<float, kPanel> d;
  const size_t lanes = hn::Lanes(d);
  const size_t stride = PadToPanel(dim);
  const float inverse_dim = 1.0f / static_cast<float>(dim);
  for (size_t row = 0; row < rows; ++row, x += stride) {
    auto sum = hn::Zero(d);
    for (size_t i = 0; i < stride; i += lanes) {
      sum = hn::Add(sum, hn::LoadU(d, x + i));
    }
    const auto mean = hn::Mul(hn::SumOfLanes(d, sum), hn::Set(d, inverse_dim));
    auto squares = hn::Zero(d);
    for (size_t i = 0; i < dim; i += lanes) {
      const auto v = hn::Sub(hn::LoadU(d, x + i), mean);
      const auto inside = hn::FirstN(d, dim - i);
      squares = hn::MulAdd(v, hn::IfThenElseZero(inside, v), squares);
    }
    const float variance =
        hn::GetLane(hn::SumOfLanes(d, squares)) * inverse_dim;
    const auto scale = hn::Set(d, 1.0f / std::sqrt(variance + epsilon));
    for (size_t i = 0; i < stride; i += lanes) {
      const auto v = hn::Mul(hn::Sub(hn::LoadU(d, x + i), mean), scale);
      hn::StoreU(
          hn::MulAdd(v, hn::LoadU(d, weight + i), hn::LoadU(d, bias + i)), d,
          x + i);
    }
  }
}

void RmsNormRows(float* HWY_RESTRICT x, size_t rows, size_t dim,
                 const float* HWY_RESTRICT weight, float epsilon) {
  const hn::CappedTag<float, kPanel> d;
  const size_t lanes = hn::Lanes(d);
  const size_t stride = PadToPanel(dim);
  for (size_t row = 0; row < rows; ++row, x += stride) {
    auto squares = hn::Zero(d);
    for (size_t i = 0; i < stride; i += lanes) {
      const auto v = hn::LoadU(d, x + i);
      squares = hn::MulAdd(v, v, squares);
    }
    const float mean =
        hn::GetLane(hn::SumOfLanes(d, squares)) / static_cast<float>(dim);
    const auto scale = hn::Set(d, 1.0f / std::sqrt(mean + epsilon));
    for (size_t i = 0; i < stride; i += lanes) {
      hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, x + i), scale),
                         hn::LoadU(d, weight + i)),
                 d, x + i);
    }
  }
}

// x / (1 + e^-y)
template <class D, class V = hn::Vec<D>>
HWY_INLINE V TimesSigmoid(D d, V x, V y) {
  const V one = hn::Set(d, 1.0f);
  const V e = ExpOfNegative(d, hn::Neg(hn::Abs(y)));
  const V share = hn::IfThenElse(hn::Ge(y, hn::Zero(d)), one, e);
  return hn::Div(hn::Mul(x, share), hn::Add(one, e));
}

// (1 + tanh(z)) / 2 = 1 / (1 + e^-2z)
template <class D, class V = hn::Vec<D>>
HWY_INLINE V GeluTanh(D d, V x) {
  const V cube = hn::Mul(hn::Mul(x, x), x);
  const V inner = hn::MulAdd(cube, hn::Set(d, 0.044715f), x);
  return TimesSigmoid(d, x, hn::Mul(inner, hn::Set(d, 1.59576912f)));
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

void GateRows(GateKind kind, const float* HWY_RESTRICT x, size_t rows, size_t n,
              float* HWY_RESTRICT y) {
  const hn::CappedTag<float, kPanel> d;
  const size_t lanes = hn::Lanes(d);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t i = 0; i < n; i += lanes) {
      auto gate = LoadFirst(x + i, n - i);
      const auto value = LoadFirst(x + n + i, n - i);
      if (kind == GateKind::kGelu) {
        gate = Gelu(d, gate);
      } else if (kind == GateKind::kGeluTanh) {
        gate = GeluTanh(d, gate);
      } else {
        gate = TimesSigmoid(d, gate, gate);
      }
      hn::StoreU(hn::Mul(gate, value), d, y + i);
    }
    std::fill(y + n, y + PadToPanel(n), 0.0f);
    x += PadToPanel(2 * n);
    y += PadToPanel(n);
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
HWY_INLINE float SoftmaxRow(float* HWY_RESTRICT row, size_t tokens,
                            float scale) {
  const hn::CappedTag<float, kPanel> d;
  const size_t lanes = hn::Lanes(d);
  const auto lowest = hn::Set(d, -3.0e38f);
  auto largest = lowest;
  for (size_t i = 0; i < tokens; i += lanes) {
    const auto inside = hn::FirstN(d, tokens - i);
    largest =
        hn::Max(largest, hn::IfThenElse(inside, hn::LoadU(d, row + i), lowest));
  }
  largest = hn::MaxOfLanes(d, largest);
  const auto factor = hn::Set(d, scale);
  auto sum = hn::Zero(d);
  for (size_t i = 0; i < tokens; i += lanes) {
    const auto inside = hn::FirstN(d, tokens - i);
    const auto v = hn::Mul(hn::Sub(hn::LoadU(d, row + i), largest), factor);
    const auto e = hn::IfThenElseZero(inside, ExpOfNegative(d, v));
    sum = hn::Add(sum, e);
    hn::StoreU(e, d, row + i);
  }
  return 1.0f / hn::GetLane(hn::SumOfLanes(d, sum));
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

void AttentionOfText(const float* qkv, size_t tokens,
                     const AttentionShape& shape, const AttentionMask& mask,
                     AttentionScratch* scratch, float* y) {
  const size_t head_dim = shape.head_dim;
  const size_t in_stride = PadToPanel(3 * shape.dim());
  const size_t out_stride = PadToPanel(shape.dim());
  const size_t padded = PadToPanel(tokens);
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  scratch->keys.resize(padded * head_dim);
  scratch->values.resize(PadToPanel(head_dim) * tokens);
  scratch->scores.resize(kTileRows * padded);
  float* scores = scratch->scores.data();
  HWY_ALIGN float tile[kTileRows * kPanel];
  for (size_t head = 0; head < shape.heads; ++head) {
    const float* q = qkv + head * head_dim;
    PackKeys(q + shape.dim(), tokens, in_stride, head_dim,
             scratch->keys.data());
    PackValues(q + 2 * shape.dim(), tokens, in_stride, head_dim,
               scratch->values.data());
    for (size_t row = 0; row < tokens;) {
      const size_t n = NextTile(row, tokens);
      for (size_t key = 0; key < padded; key += kPanel) {
        TileRowsF32(n, q + row * in_stride, in_stride,
                    scratch->keys.data() + key * head_dim, head_dim, tile);
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
        inverse[r] = SoftmaxRow(scores + r * padded, tokens, scale);
      }
      for (size_t i = 0; i < head_dim; i += kPanel) {
        TileRowsF32(n, scores, padded, scratch->values.data() + i * tokens,
                    tokens, tile);
        for (size_t r = 0; r < n; ++r) {
          float* out = y + (row + r) * out_stride + head * head_dim + i;
          const size_t count = std::min(kPanel, head_dim - i);
          for (size_t j = 0; j < count; ++j) {
            out[j] = tile[r * kPanel + j] * inverse[r];
          }
        }
      }
      row += n;
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
HWY_EXPORT(AttentionOfText);

void LayerNorm(float* x, size_t rows, size_t dim, const float* weight,
               const float* bias, float epsilon) {
  HWY_DYNAMIC_DISPATCH(LayerNormRows)(x, rows, dim, weight, bias, epsilon);
}

void RmsNorm(float* x, size_t rows, size_t dim, const float* weight,
             float epsilon) {
  HWY_DYNAMIC_DISPATCH(RmsNormRows)(x, rows, dim, weight, epsilon);
}

void Gate(GateKind kind, const float* x, size_t rows, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(GateRows)(kind, x, rows, n, y);
}

void Attention(const float* qkv, size_t tokens, const AttentionShape& shape,
               const AttentionMask& mask, AttentionScratch* scratch, float* y) {
  HWY_DYNAMIC_DISPATCH(AttentionOfText)(qkv, tokens, shape, mask, scratch, y);
}

}  // namespace corkscrew
#endif  // HWY_ONCE
