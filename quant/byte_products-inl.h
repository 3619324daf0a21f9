// Products of unsigned and signed bytes, compiled once per SIMD target: what
// the sums over codes are made of. Include after highway.h.

#if defined(CORKSCREW_QUANT_BYTE_PRODUCTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CORKSCREW_QUANT_BYTE_PRODUCTS_INL_H_
#undef CORKSCREW_QUANT_BYTE_PRODUCTS_INL_H_
#else
#define CORKSCREW_QUANT_BYTE_PRODUCTS_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

// Highway 1.0.3 enables AVX-VNNI for AVX3_DL, but that target means (and is
// chosen by) the AVX-512 form.
#if HWY_TARGET == HWY_AVX3_DL
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512vnni")
#else
HWY_BEFORE_NAMESPACE();
#endif
namespace corkscrew {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Emulated vectors are slower than plain loops.
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128

HWY_INLINE int32_t DotInt16(const int16_t* HWY_RESTRICT a,
                            const int16_t* HWY_RESTRICT b, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += int32_t{a[i]} * b[i];
  return sum;
}

#else  // There are vectors.

// x86 has the instructions for its longest vectors; elsewhere 16 bytes, which
// every target has.
#if HWY_ARCH_X86
template <typename T>
using Tag = hn::ScalableTag<T>;
#else
template <typename T>
using Tag = hn::FixedTag<T, 16 / sizeof(T)>;
#endif
using VecU8 = hn::Vec<Tag<uint8_t>>;
using VecI8 = hn::Vec<Tag<int8_t>>;
using VecI16 = hn::Vec<Tag<int16_t>>;
using VecI32 = hn::Vec<Tag<int32_t>>;

HWY_INLINE int32_t DotInt16(const int16_t* HWY_RESTRICT a,
                            const int16_t* HWY_RESTRICT b, size_t n) {
  const Tag<int16_t> d16;
  const Tag<int32_t> d32;
  VecI32 even = hn::Zero(d32);
  VecI32 odd = hn::Zero(d32);
  for (size_t i = 0; i < n; i += hn::Lanes(d16)) {  // Both are padded with 0.
    even = hn::ReorderWidenMulAccumulate(d32, hn::LoadU(d16, a + i),
                                         hn::LoadU(d16, b + i), even, odd);
  }
  return hn::GetLane(hn::SumOfLanes(d32, hn::Add(even, odd)));
}

#if HWY_TARGET == HWY_AVX3_DL

// Adds the products of unsigned and signed bytes, four to a lane, exactly.
HWY_INLINE VecI32 AddProducts(VecU8 u, VecI8 q, VecI32 sum) {
  return VecI32{_mm512_dpbusd_epi32(sum.raw, u.raw, q.raw)};
}

#else

// Products of unsigned and signed bytes in pairs, exact for u <= 127.
HWY_INLINE VecI16 PairProducts(VecU8 u, VecI8 q) {
#if HWY_TARGET == HWY_AVX3
  return VecI16{_mm512_maddubs_epi16(u.raw, q.raw)};
#elif HWY_TARGET == HWY_AVX2
  return VecI16{_mm256_maddubs_epi16(u.raw, q.raw)};
#elif HWY_TARGET == HWY_SSE4
  return VecI16{_mm_maddubs_epi16(u.raw, q.raw)};
#else  // Also SSSE3, though it has the instruction: so that x86 tests this.
  const Tag<int16_t> d;
  const VecI16 u16 = hn::BitCast(d, u);
  const VecI16 q16 = hn::BitCast(d, q);
  const VecI16 u_low = hn::And(u16, hn::Set(d, 0xFF));
  const VecI16 u_high = hn::ShiftRight<8>(u16);  // u < 256 / 2: no sign.
  const VecI16 q_low = hn::ShiftRight<8>(hn::ShiftLeft<8>(q16));
  const VecI16 q_high = hn::ShiftRight<8>(q16);
  return hn::Add(hn::Mul(u_low, q_low), hn::Mul(u_high, q_high));
#endif
}

// Adds `weight` times the pairs, two to a lane.
HWY_INLINE VecI32 AddPairs(VecI16 pairs, VecI32 sum, int16_t weight = 1) {
  const Tag<int16_t> d16;
  const Tag<int32_t> d32;
  VecI32 rest = hn::Zero(d32);  // Stays 0 where one instruction adds both.
  sum = hn::ReorderWidenMulAccumulate(d32, pairs, hn::Set(d16, weight), sum,
                                      rest);
  return hn::Add(sum, rest);
}

#endif

// Bits `shift` and up of each byte; bits of its neighbour come in above.
template <int kShift>
HWY_INLINE VecU8 ShiftBytes(VecU8 x) {
  const Tag<uint16_t> d16;
  return hn::BitCast(Tag<uint8_t>(),
                     hn::ShiftRight<kShift>(hn::BitCast(d16, x)));
}

// One bit per coordinate: u is the bit. `q` holds what coordinates i with i % 8
// = t are multiplied with at t * plane.
class BitKernel {
 public:
  HWY_INLINE VecI32 Add(VecU8 x, const int8_t* HWY_RESTRICT q, size_t plane,
                        VecI32 sum) const {
#if HWY_TARGET != HWY_AVX3_DL
    // A bit is at most 1: the sum of eight pairs is at most 8 * 2 * 127.
    VecI16 pairs = PairProducts(Bit<0>(x), Plane(q, plane, 0));
    pairs = hn::Add(pairs, PairProducts(Bit<1>(x), Plane(q, plane, 1)));
    pairs = hn::Add(pairs, PairProducts(Bit<2>(x), Plane(q, plane, 2)));
    pairs = hn::Add(pairs, PairProducts(Bit<3>(x), Plane(q, plane, 3)));
    pairs = hn::Add(pairs, PairProducts(Bit<4>(x), Plane(q, plane, 4)));
    pairs = hn::Add(pairs, PairProducts(Bit<5>(x), Plane(q, plane, 5)));
    pairs = hn::Add(pairs, PairProducts(Bit<6>(x), Plane(q, plane, 6)));
    pairs = hn::Add(pairs, PairProducts(Bit<7>(x), Plane(q, plane, 7)));
    return AddPairs(pairs, sum);
#else
    sum = AddProducts(Bit<0>(x), Plane(q, plane, 0), sum);
    sum = AddProducts(Bit<1>(x), Plane(q, plane, 1), sum);
    sum = AddProducts(Bit<2>(x), Plane(q, plane, 2), sum);
    sum = AddProducts(Bit<3>(x), Plane(q, plane, 3), sum);
    sum = AddProducts(Bit<4>(x), Plane(q, plane, 4), sum);
    sum = AddProducts(Bit<5>(x), Plane(q, plane, 5), sum);
    sum = AddProducts(Bit<6>(x), Plane(q, plane, 6), sum);
    return AddProducts(Bit<7>(x), Plane(q, plane, 7), sum);
#endif
  }

 private:
  template <int kBit>
  static HWY_INLINE VecU8 Bit(VecU8 x) {
    return hn::And(ShiftBytes<kBit>(x), hn::Set(Tag<uint8_t>(), 1));
  }
  static HWY_INLINE VecI8 Plane(const int8_t* q, size_t plane, size_t i) {
    return hn::LoadU(Tag<int8_t>(), q + i * plane);
  }
};

// The sums of the lanes of a, b, c and d, in this order.
HWY_INLINE hn::Vec<hn::FixedTag<int32_t, 4>> SumLanes4(VecI32 a, VecI32 b,
                                                       VecI32 c, VecI32 d) {
  const Tag<int32_t> d32;
  const Tag<int64_t> d64;
  const VecI32 ab =
      hn::Add(hn::InterleaveLower(d32, a, b), hn::InterleaveUpper(d32, a, b));
  const VecI32 cd =
      hn::Add(hn::InterleaveLower(d32, c, d), hn::InterleaveUpper(d32, c, d));
  const auto ab64 = hn::BitCast(d64, ab);
  const auto cd64 = hn::BitCast(d64, cd);
  const VecI32 blocks =
      hn::Add(hn::BitCast(d32, hn::InterleaveLower(d64, ab64, cd64)),
              hn::BitCast(d32, hn::InterleaveUpper(d64, ab64, cd64)));
#if HWY_ARCH_X86 && HWY_CAP_GE512
  const hn::Half<Tag<int32_t>> half;
  const hn::Half<decltype(half)> quarter;
  const auto two =
      hn::Add(hn::LowerHalf(half, blocks), hn::UpperHalf(half, blocks));
  return hn::Add(hn::LowerHalf(quarter, two), hn::UpperHalf(quarter, two));
#elif HWY_ARCH_X86 && HWY_CAP_GE256
  const hn::Half<Tag<int32_t>> half;
  return hn::Add(hn::LowerHalf(half, blocks), hn::UpperHalf(half, blocks));
#else
  return blocks;
#endif
}

#endif  // There are vectors.

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
