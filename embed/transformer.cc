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
                     const AttentionShape& shape, AttentionScratch* scratch,
                     float* y) {
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
HWY_EXPORT(AttentionOfText);

void LayerNorm(float* x, size_t rows, size_t dim, const float* weight,
               const float* bias, float epsilon) {
  HWY_DYNAMIC_DISPATCH(LayerNormRows)(x, rows, dim, weight, bias, epsilon);
}

void Attention(const float* qkv, size_t tokens, const AttentionShape& shape,
               AttentionScratch* scratch, float* y) {
  HWY_DYNAMIC_DISPATCH(AttentionOfText)(qkv, tokens, shape, scratch, y);
}

}  // namespace corkscrew
#endif  // HWY_ONCE
