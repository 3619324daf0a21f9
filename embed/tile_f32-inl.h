// The inner loop of every float32 matrix product, compiled once per SIMD
// target. Include after highway.h. Vectors are of fixed size here (they are
// held in arrays): scalable targets need another tile.

#if defined(CORKSCREW_EMBED_TILE_F32_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CORKSCREW_EMBED_TILE_F32_INL_H_
#undef CORKSCREW_EMBED_TILE_F32_INL_H_
#else
#define CORKSCREW_EMBED_TILE_F32_INL_H_
#endif

#include <cstddef>

#include "embed/compute.h"
#include "embed/math-inl.h"
#include "embed/tile.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace corkscrew {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// tile[r][j] = sum over i of a[r * stride + i] * panel[i * kPanel + j], in the
// order of i: a row's sums do not depend on the rows beside it. `panel`
// [depth, kPanel], `tile` [kRows, kPanel].
template <size_t kRows, Arithmetic kArithmetic>
HWY_INLINE void TileF32(const float* HWY_RESTRICT a, size_t stride,
                        const float* HWY_RESTRICT panel, size_t depth,
                        float* HWY_RESTRICT tile) {
  // 6 rows by 2 vectors are 12 sums, enough to hide the latency of a fused
  // multiply-add (4) at two per cycle, and fit 16 registers.
  const hn::CappedTag<float, kPanel / 2> d;
  using V = hn::Vec<decltype(d)>;
  const size_t lanes = hn::Lanes(d);
  for (size_t j = 0; j < kPanel; j += 2 * lanes) {
    V sum0[kRows];
    V sum1[kRows];
    HWY_UNROLL(6)
    for (size_t r = 0; r < kRows; ++r) sum0[r] = sum1[r] = hn::Zero(d);
    for (size_t i = 0; i < depth; ++i) {
      const V b0 = hn::LoadU(d, panel + i * kPanel + j);
      const V b1 = hn::LoadU(d, panel + i * kPanel + j + lanes);
      HWY_UNROLL(6)
      for (size_t r = 0; r < kRows; ++r) {
        const V ar = hn::Set(d, a[r * stride + i]);
        sum0[r] = MulAdd<kArithmetic>(ar, b0, sum0[r]);
        sum1[r] = MulAdd<kArithmetic>(ar, b1, sum1[r]);
      }
    }
    HWY_UNROLL(6)
    for (size_t r = 0; r < kRows; ++r) {
      hn::StoreU(sum0[r], d, tile + r * kPanel + j);
      hn::StoreU(sum1[r], d, tile + r * kPanel + j + lanes);
    }
  }
}

// Calls TileF32 for 1..kTileRows rows.
template <Arithmetic kArithmetic>
HWY_INLINE void TileRowsF32(size_t rows, const float* HWY_RESTRICT a,
                            size_t stride, const float* HWY_RESTRICT panel,
                            size_t depth, float* HWY_RESTRICT tile) {
  switch (rows) {
    case 1:
      return TileF32<1, kArithmetic>(a, stride, panel, depth, tile);
    case 2:
      return TileF32<2, kArithmetic>(a, stride, panel, depth, tile);
    case 3:
      return TileF32<3, kArithmetic>(a, stride, panel, depth, tile);
    case 4:
      return TileF32<4, kArithmetic>(a, stride, panel, depth, tile);
    case 5:
      return TileF32<5, kArithmetic>(a, stride, panel, depth, tile);
    default:
      return TileF32<6, kArithmetic>(a, stride, panel, depth, tile);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
