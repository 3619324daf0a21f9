// The inner loop of matrix products with 8-bit weights and activations,
// compiled once per SIMD target. Include after highway.h. Integer sums of a
// group are exact, so targets differ only by the rounding of float32 sums.

#if defined(CORKSCREW_EMBED_TILE_Q8_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CORKSCREW_EMBED_TILE_Q8_INL_H_
#undef CORKSCREW_EMBED_TILE_Q8_INL_H_
#else
#define CORKSCREW_EMBED_TILE_Q8_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "embed/tile.h"
#include "hwy/highway.h"
#if HWY_ARCH_ARM_A64
#include <arm_neon.h>
#endif

HWY_BEFORE_NAMESPACE();
namespace corkscrew {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// A panel of weights is, for each group of kQ8Group inputs, kPanel float32
// scales and then the bytes of (input, output) in the order
// [kQ8Group / kInterleave][kPanel][kInterleave], which puts what one
// instruction adds up side by side.
#if HWY_TARGET == HWY_AVX3_DL
inline constexpr size_t kInterleave = 4;  // vpdpbusd
inline constexpr int kWeightOffset = 128;
#elif HWY_ARCH_ARM_A64 && HWY_TARGET == HWY_NEON
inline constexpr size_t kInterleave = 4;  // sdot, or smull and two addp
inline constexpr int kWeightOffset = 0;
#elif HWY_ARCH_X86 && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR
inline constexpr size_t kInterleave = 2;  // pmaddwd
inline constexpr int kWeightOffset = 0;
#else
inline constexpr size_t kInterleave = 1;
inline constexpr int kWeightOffset = 0;
#endif
inline constexpr size_t kQ8PanelGroupBytes =
    kPanel * sizeof(float) + kPanel * kQ8Group;

// What multiplies bytes, where one SIMD target has several ways.
enum class ByteProducts {
  kUsual,
  kDotProduct,  // Instructions of ARM's extension of that name.
};

// Rounds `n` values to groups, each scaled by its largest magnitude / 127.
// `values` [n], `n` a multiple of kQ8Group; `out` [n / kQ8Group].
HWY_INLINE void QuantizeRow(const float* HWY_RESTRICT values, size_t n,
                            Q8Group* HWY_RESTRICT out) {
  const hn::CappedTag<float, 16> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<int8_t, decltype(d)> d8;
  const size_t lanes = hn::Lanes(d);
  for (size_t i = 0; i < n; i += kQ8Group, ++out) {
    auto largest = hn::Zero(d);
    for (size_t j = 0; j < kQ8Group; j += lanes) {
      largest = hn::Max(largest, hn::Abs(hn::LoadU(d, values + i + j)));
    }
    const float limit = hn::GetLane(hn::MaxOfLanes(d, largest));
    const auto inverse = hn::Set(d, limit > 1e-30f ? 127.0f / limit : 0.0f);
    auto sum = hn::Zero(di);
    for (size_t j = 0; j < kQ8Group; j += lanes) {
      const auto q =
          hn::NearestInt(hn::Mul(hn::LoadU(d, values + i + j), inverse));
      sum = hn::Add(sum, q);
      hn::StoreU(hn::DemoteTo(d8, q), d8, out->values + j);
    }
    out->scale = limit * (1.0f / 127);
    out->offset = -128 * hn::GetLane(hn::SumOfLanes(di, sum));
  }
}

// Rounds as QuantizeRow, and then what that took away. `out` [2, n / kQ8Group].
HWY_INLINE void QuantizeRowTwice(const float* HWY_RESTRICT values, size_t n,
                                 Q8Group* HWY_RESTRICT out) {
  const size_t groups = n / kQ8Group;
  QuantizeRow(values, n, out);
  float rest[kQ8Group];
  for (size_t g = 0; g < groups; ++g) {
    for (size_t i = 0; i < kQ8Group; ++i) {
      rest[i] = values[g * kQ8Group + i] -
                out[g].scale * static_cast<float>(out[g].values[i]);
    }
    QuantizeRow(rest, kQ8Group, out + groups + g);
  }
}

// Writes a panel of weights as float32: `out` [groups * kQ8Group, kPanel].
HWY_INLINE void UnpackPanel(const uint8_t* HWY_RESTRICT panel, size_t groups,
                            float* HWY_RESTRICT out) {
  for (size_t g = 0; g < groups; ++g, panel += kQ8PanelGroupBytes) {
    const float* HWY_RESTRICT scales = reinterpret_cast<const float*>(panel);
    const uint8_t* HWY_RESTRICT bytes = panel + kPanel * sizeof(float);
    for (size_t i = 0; i < kQ8Group; ++i, out += kPanel) {
      const uint8_t* HWY_RESTRICT from =
          bytes + i / kInterleave * kInterleave * kPanel + i % kInterleave;
      for (size_t lane = 0; lane < kPanel; ++lane) {
        const auto weight = static_cast<int8_t>(
            static_cast<uint8_t>(from[lane * kInterleave] - kWeightOffset));
        out[lane] = static_cast<float>(weight) * scales[lane];
      }
    }
  }
}

#if HWY_TARGET == HWY_AVX3_DL

// Adds to each 32-bit lane of `sum` its 4 products of unsigned and signed
// bytes. As assembler: Highway 1.0.3 has no operation for it, and compiles this
// target without the avx512vnni option that the intrinsic asks for.
HWY_INLINE hn::Vec<hn::CappedTag<int32_t, 16>> DotBytes(
    hn::Vec<hn::CappedTag<int32_t, 16>> sum,
    hn::Vec<hn::CappedTag<uint8_t, 64>> weights,
    hn::Vec<hn::CappedTag<int32_t, 16>> activations) {
  asm("vpdpbusd %2, %1, %0"
      : "+v"(sum.raw)
      : "v"(weights.raw), "v"(activations.raw));
  return sum;
}

template <ByteProducts, size_t kRows>
HWY_INLINE void TileQ8(const Q8Group* HWY_RESTRICT a, size_t stride,
                       const uint8_t* HWY_RESTRICT panel, size_t groups,
                       float* HWY_RESTRICT tile) {
  const hn::CappedTag<float, 16> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::CappedTag<uint8_t, 64> d8;
  hn::Vec<decltype(d)> sum0[kRows];
  hn::Vec<decltype(d)> sum1[kRows];
  HWY_UNROLL(6)
  for (size_t r = 0; r < kRows; ++r) sum0[r] = sum1[r] = hn::Zero(d);
  for (size_t g = 0; g < groups; ++g, panel += kQ8PanelGroupBytes, ++a) {
    const uint8_t* HWY_RESTRICT weights = panel + kPanel * sizeof(float);
    hn::Vec<decltype(di)> dot0[kRows];
    hn::Vec<decltype(di)> dot1[kRows];
    HWY_UNROLL(6)
    for (size_t r = 0; r < kRows; ++r) {
      // Weights are stored plus 128; the offset takes that out again.
      dot0[r] = dot1[r] = hn::Set(di, a[r * stride].offset);
    }
    HWY_UNROLL(8)
    for (size_t i = 0; i < kQ8Group; i += 4) {
      const auto w0 = hn::LoadU(d8, weights + i * kPanel);
      const auto w1 = hn::LoadU(d8, weights + i * kPanel + 64);
      HWY_UNROLL(6)
      for (size_t r = 0; r < kRows; ++r) {
        int32_t four;
        std::memcpy(&four, a[r * stride].values + i, sizeof(four));
        const auto values = hn::Set(di, four);
        dot0[r] = DotBytes(dot0[r], w0, values);
        dot1[r] = DotBytes(dot1[r], w1, values);
      }
    }
    const float* HWY_RESTRICT scales = reinterpret_cast<const float*>(panel);
    const auto s0 = hn::LoadU(d, scales);
    const auto s1 = hn::LoadU(d, scales + 16);
    HWY_UNROLL(6)
    for (size_t r = 0; r < kRows; ++r) {
      const auto s = hn::Set(d, a[r * stride].scale);
      sum0[r] = hn::MulAdd(hn::ConvertTo(d, dot0[r]), hn::Mul(s0, s), sum0[r]);
      sum1[r] = hn::MulAdd(hn::ConvertTo(d, dot1[r]), hn::Mul(s1, s), sum1[r]);
    }
  }
  HWY_UNROLL(6)
  for (size_t r = 0; r < kRows; ++r) {
    hn::StoreU(sum0[r], d, tile + r * kPanel);
    hn::StoreU(sum1[r], d, tile + r * kPanel + 16);
  }
}

#elif HWY_ARCH_ARM_A64 && HWY_TARGET == HWY_NEON

// Adds to each 32-bit lane of `sum` its 4 products of bytes: the same integers
// both ways.
template <ByteProducts kProducts>
HWY_INLINE int32x4_t DotBytes(int32x4_t sum, int8x16_t weights,
                              int8x16_t activations) {
  if constexpr (kProducts == ByteProducts::kDotProduct) {
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(sum, weights, activations);
#elif HWY_COMPILER_GCC_ACTUAL
    // As assembler: the target also runs without the extension and is compiled
    // without. Its other extensions are named for the functions that follow.
    asm(".arch armv8.2-a+crypto+dotprod\n\tsdot %0.4s, %1.16b, %2.16b"
        : "+w"(sum)
        : "w"(weights), "w"(activations));
    return sum;
#endif
  } else {
    // Sums of two products of bytes fit 16 bits if not all are -128, and
    // activations are at least -127.
    const int16x8_t low =
        vmull_s8(vget_low_s8(weights), vget_low_s8(activations));
    const int16x8_t high = vmull_high_s8(weights, activations);
    return vpadalq_s16(sum, vpaddq_s16(low, high));
  }
}

template <ByteProducts kProducts, size_t kRows>
HWY_INLINE void TileQ8(const Q8Group* HWY_RESTRICT a, size_t stride,
                       const uint8_t* HWY_RESTRICT panel, size_t groups,
                       float* HWY_RESTRICT tile) {
  const hn::CappedTag<float, 4> d;
  for (size_t j = 0; j < kRows * kPanel; ++j) tile[j] = 0;
  for (size_t g = 0; g < groups; ++g, panel += kQ8PanelGroupBytes, ++a) {
    const float* HWY_RESTRICT scales = reinterpret_cast<const float*>(panel);
    const int8_t* HWY_RESTRICT weights =
        reinterpret_cast<const int8_t*>(panel) + kPanel * sizeof(float);
    for (size_t j = 0; j < kPanel; j += 8) {
      int32x4_t dot0[kRows];
      int32x4_t dot1[kRows];
      HWY_UNROLL(6)
      for (size_t r = 0; r < kRows; ++r) dot0[r] = dot1[r] = vdupq_n_s32(0);
      HWY_UNROLL(8)
      for (size_t i = 0; i < kQ8Group; i += 4) {
        const int8x16_t w0 = vld1q_s8(weights + i * kPanel + 4 * j);
        const int8x16_t w1 = vld1q_s8(weights + i * kPanel + 4 * j + 16);
        HWY_UNROLL(6)
        for (size_t r = 0; r < kRows; ++r) {
          int32_t four;
          std::memcpy(&four, a[r * stride].values + i, sizeof(four));
          const int8x16_t values = vreinterpretq_s8_s32(vdupq_n_s32(four));
          dot0[r] = DotBytes<kProducts>(dot0[r], w0, values);
          dot1[r] = DotBytes<kProducts>(dot1[r], w1, values);
        }
      }
      const auto s0 = hn::LoadU(d, scales + j);
      const auto s1 = hn::LoadU(d, scales + j + 4);
      HWY_UNROLL(6)
      for (size_t r = 0; r < kRows; ++r) {
        const auto s = hn::Set(d, a[r * stride].scale);
        float* HWY_RESTRICT out = tile + r * kPanel + j;
        const hn::RebindToSigned<decltype(d)> di;
        const hn::VFromD<decltype(di)> sum0(dot0[r]);
        const hn::VFromD<decltype(di)> sum1(dot1[r]);
        hn::StoreU(hn::MulAdd(hn::ConvertTo(d, sum0), hn::Mul(s0, s),
                              hn::LoadU(d, out)),
                   d, out);
        hn::StoreU(hn::MulAdd(hn::ConvertTo(d, sum1), hn::Mul(s1, s),
                              hn::LoadU(d, out + 4)),
                   d, out + 4);
      }
    }
  }
}

#else  // Other targets: kInterleave inputs at a time, widened.

using TileF = hn::CappedTag<float, kPanel / 2>;
using TileI32 = hn::RebindToSigned<TileF>;

#if HWY_ARCH_X86 && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR
static_assert(kInterleave == 2);
using TileWeights = hn::Repartition<int16_t, TileI32>;

// Adds to each lane of `sum` its products with the 2 activations at `values`.
HWY_INLINE hn::Vec<TileI32> DotWeights(hn::Vec<TileI32> sum,
                                       hn::Vec<TileWeights> weights,
                                       const int16_t* HWY_RESTRICT values) {
  int32_t pair;
  std::memcpy(&pair, values, sizeof(pair));
  const auto two = hn::BitCast(TileWeights(), hn::Set(TileI32(), pair));
  auto unused = hn::Zero(TileI32());
  // On x86 this is pmaddwd: lane j gets products 2 j and 2 j + 1.
  return hn::ReorderWidenMulAccumulate(TileI32(), weights, two, sum, unused);
}
#else
static_assert(kInterleave == 1);
using TileWeights = TileI32;

// Adds to each lane of `sum` its product with the activation at `values`.
HWY_INLINE hn::Vec<TileI32> DotWeights(hn::Vec<TileI32> sum,
                                       hn::Vec<TileWeights> weights,
                                       const int16_t* HWY_RESTRICT values) {
  return hn::Add(sum, hn::Mul(weights, hn::Set(TileI32(), int32_t{*values})));
}
#endif

template <ByteProducts, size_t kRows>
HWY_INLINE void TileQ8(const Q8Group* HWY_RESTRICT a, size_t stride,
                       const uint8_t* HWY_RESTRICT panel, size_t groups,
                       float* HWY_RESTRICT tile) {
  const TileF d;
  const TileI32 di;
  const TileWeights dw;
  const hn::Rebind<int8_t, TileWeights> d8;
  const size_t lanes = hn::Lanes(d);
  for (size_t j = 0; j < kRows * kPanel; ++j) tile[j] = 0;
  for (size_t g = 0; g < groups; ++g, panel += kQ8PanelGroupBytes, ++a) {
    int16_t values[kRows][kQ8Group];
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t i = 0; i < kQ8Group; ++i) {
        values[r][i] = a[r * stride].values[i];
      }
    }
    const float* HWY_RESTRICT scales = reinterpret_cast<const float*>(panel);
    const int8_t* HWY_RESTRICT weights =
        reinterpret_cast<const int8_t*>(panel) + kPanel * sizeof(float);
    for (size_t j = 0; j < kPanel; j += 2 * lanes) {
      hn::Vec<TileI32> dot0[kRows];
      hn::Vec<TileI32> dot1[kRows];
      HWY_UNROLL(6)
      for (size_t r = 0; r < kRows; ++r) dot0[r] = dot1[r] = hn::Zero(di);
      for (size_t i = 0; i < kQ8Group; i += kInterleave) {
        const int8_t* HWY_RESTRICT w = weights + i * kPanel + kInterleave * j;
        const auto w0 = hn::PromoteTo(dw, hn::LoadU(d8, w));
        const auto w1 =
            hn::PromoteTo(dw, hn::LoadU(d8, w + kInterleave * lanes));
        HWY_UNROLL(6)
        for (size_t r = 0; r < kRows; ++r) {
          dot0[r] = DotWeights(dot0[r], w0, &values[r][i]);
          dot1[r] = DotWeights(dot1[r], w1, &values[r][i]);
        }
      }
      const auto s0 = hn::LoadU(d, scales + j);
      const auto s1 = hn::LoadU(d, scales + j + lanes);
      HWY_UNROLL(6)
      for (size_t r = 0; r < kRows; ++r) {
        const auto s = hn::Set(d, a[r * stride].scale);
        float* HWY_RESTRICT out = tile + r * kPanel + j;
        hn::StoreU(hn::MulAdd(hn::ConvertTo(d, dot0[r]), hn::Mul(s0, s),
                              hn::LoadU(d, out)),
                   d, out);
        hn::StoreU(hn::MulAdd(hn::ConvertTo(d, dot1[r]), hn::Mul(s1, s),
                              hn::LoadU(d, out + lanes)),
                   d, out + lanes);
      }
    }
  }
}

#endif  // HWY_TARGET == HWY_AVX3_DL

// Calls TileQ8 for 1..kTileRows rows: tile[r][j] = sum over the groups of
// activation times weight. `a` [rows] rows of `stride` groups, `panel` of
// `groups` groups, `tile` [rows, kPanel].
template <ByteProducts kProducts>
HWY_INLINE void TileRowsQ8(size_t rows, const Q8Group* HWY_RESTRICT a,
                           size_t stride, const uint8_t* HWY_RESTRICT panel,
                           size_t groups, float* HWY_RESTRICT tile) {
  switch (rows) {
    case 1:
      return TileQ8<kProducts, 1>(a, stride, panel, groups, tile);
    case 2:
      return TileQ8<kProducts, 2>(a, stride, panel, groups, tile);
    case 3:
      return TileQ8<kProducts, 3>(a, stride, panel, groups, tile);
    case 4:
      return TileQ8<kProducts, 4>(a, stride, panel, groups, tile);
    case 5:
      return TileQ8<kProducts, 5>(a, stride, panel, groups, tile);
    default:
      return TileQ8<kProducts, 6>(a, stride, panel, groups, tile);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
