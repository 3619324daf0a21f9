// Walsh-Hadamard transform of int32 blocks with renormalization
// (docs/quantizer.md, 2.7), compiled once per SIMD target. Include after
// highway.h.

#if defined(CORKSCREW_QUANT_HADAMARD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CORKSCREW_QUANT_HADAMARD_INL_H_
#undef CORKSCREW_QUANT_HADAMARD_INL_H_
#else
#define CORKSCREW_QUANT_HADAMARD_INL_H_
#endif

#include <bit>
#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "quant/even_products-inl.h"

HWY_BEFORE_NAMESPACE();
namespace corkscrew {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int32_t kRootHalf = 1518500250;  // 2^31 / sqrt(2)

// Divides x by 2^(k/2), rounded.
HWY_INLINE int32_t Renormalize(int32_t x, int k) {
  if (k == 0) return x;
  if (k % 2 == 0) return (x + (1 << (k / 2 - 1))) >> (k / 2);
  const int shift = 31 + (k - 1) / 2;
  return static_cast<int32_t>(
      (int64_t{x} * kRootHalf + (int64_t{1} << (shift - 1))) >> shift);
}

// Replaces the `size` values of a block, a power of two. Any size: for blocks
// shorter than a vector.
HWY_INLINE void HadamardShort(int32_t* x, size_t size) {
  for (size_t h = 1; h < size; h *= 2) {
    for (size_t i = 0; i < size; i += 2 * h) {
      for (size_t j = i; j < i + h; ++j) {
        const int32_t a = x[j];
        const int32_t b = x[j + h];
        x[j] = a + b;
        x[j + h] = a - b;
      }
    }
  }
  const int k = std::countr_zero(size);
  for (size_t i = 0; i < size; ++i) x[i] = Renormalize(x[i], k);
}

#if HWY_TARGET == HWY_SCALAR

HWY_INLINE void HadamardBlock(int32_t* x, const int32_t* negate, size_t size) {
  for (size_t i = 0; i < size; ++i) x[i] = (x[i] ^ negate[i]) - negate[i];
  HadamardShort(x, size);
}

#else  // HWY_TARGET != HWY_SCALAR

// x86 has the instructions for its longest vectors; elsewhere 16 bytes, which
// every target has.
#if HWY_ARCH_X86
using TagI32 = hn::ScalableTag<int32_t>;
#else
using TagI32 = hn::FixedTag<int32_t, 4>;
#endif
using VecI32 = hn::Vec<TagI32>;

// All stages whose partners are in one vector: (a, b) becomes (a + b, a - b) at
// distances 1, 2, 4 and 8 as far as the vector has them.
HWY_INLINE VecI32 ButterfliesInVector(VecI32 v) {
  const TagI32 d;
  const hn::RepartitionToWide<TagI32> d64;
  VecI32 other = hn::Shuffle2301(v);
  v = hn::OddEven(hn::Sub(other, v), hn::Add(other, v));
  other = hn::Shuffle1032(v);
  v = hn::BitCast(d, hn::OddEven(hn::BitCast(d64, hn::Sub(other, v)),
                                 hn::BitCast(d64, hn::Add(other, v))));
#if HWY_ARCH_X86 && HWY_CAP_GE256
  other = hn::SwapAdjacentBlocks(v);
  v = hn::OddEvenBlocks(hn::Sub(other, v), hn::Add(other, v));
#endif
#if HWY_ARCH_X86 && HWY_CAP_GE512
  other = hn::ConcatLowerUpper(d, v, v);
  v = hn::ConcatUpperLower(d, hn::Sub(other, v), hn::Add(other, v));
#endif
  return v;
}

// All stages whose partners are in two adjacent vectors. Each pass sorts the
// even from the odd elements, so that partners face each other, and puts the
// sums before the differences; as many passes as an index has bits bring every
// element back to its place.
template <size_t kElements = 2 * hn::MaxLanes(TagI32())>
HWY_INLINE void ButterfliesInPair(VecI32& a, VecI32& b) {
  const TagI32 d;
  const VecI32 even = hn::ConcatEven(d, b, a);
  const VecI32 odd = hn::ConcatOdd(d, b, a);
  a = hn::Add(even, odd);
  b = hn::Sub(even, odd);
  if constexpr (kElements > 2) ButterfliesInPair<kElements / 2>(a, b);
}

// What Renormalize() does, for one k >= 2.
class Renormalizer {
 public:
  explicit Renormalizer(int k) : odd_(k % 2 != 0), shift_(k / 2) {
    const int64_t half = int64_t{1} << (shift_ - 1);
    rounding_ = hn::Set(TagI32(), static_cast<int32_t>(half));
    // Odd k: a product of 31 fraction bits more, of which shift_ are cut after
    // the lower 32 (floors compose).
    wide_rounding_ = hn::Set(D64(), half << 31);
  }

  HWY_INLINE VecI32 operator()(VecI32 v) const {
    if (!odd_) return hn::ShiftRightSame(hn::Add(v, rounding_), shift_);
    const TagI32 d;
    const VecI32 factor = hn::Set(d, kRootHalf);
    const VecI32 upper =
        hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(DU64(), v)));
    const auto even = hn::Add(EvenProducts(v, factor), wide_rounding_);
    const auto odd = hn::Add(EvenProducts(upper, factor), wide_rounding_);
    const VecI32 high_even =
        hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(DU64(), even)));
    const VecI32 high = hn::OddEven(hn::BitCast(d, odd), high_even);
    return hn::ShiftRightSame(high, shift_ - 1);
  }

 private:
  using D64 = hn::RepartitionToWide<TagI32>;
  using DU64 = hn::RebindToUnsigned<D64>;

  bool odd_;
  int shift_;
  VecI32 rounding_;
  hn::Vec<D64> wide_rounding_;
};

// One stage at distance `h` >= one vector; `last` is applied to the results.
template <class Last>
HWY_INLINE void ButterfliesAcross2(int32_t* HWY_RESTRICT x, size_t size,
                                   size_t h, const Last& last) {
  const TagI32 d;
  for (size_t i = 0; i < size; i += 2 * h) {
    for (size_t j = i; j < i + h; j += hn::Lanes(d)) {
      const VecI32 a = hn::LoadU(d, x + j);
      const VecI32 b = hn::LoadU(d, x + j + h);
      hn::StoreU(last(hn::Add(a, b)), d, x + j);
      hn::StoreU(last(hn::Sub(a, b)), d, x + j + h);
    }
  }
}

// The stages at distances `h` and 2 * h.
template <class Last>
HWY_INLINE void ButterfliesAcross4(int32_t* HWY_RESTRICT x, size_t size,
                                   size_t h, const Last& last) {
  const TagI32 d;
  for (size_t i = 0; i < size; i += 4 * h) {
    for (size_t j = i; j < i + h; j += hn::Lanes(d)) {
      const VecI32 x0 = hn::LoadU(d, x + j);
      const VecI32 x1 = hn::LoadU(d, x + j + h);
      const VecI32 x2 = hn::LoadU(d, x + j + 2 * h);
      const VecI32 x3 = hn::LoadU(d, x + j + 3 * h);
      const VecI32 a0 = hn::Add(x0, x1);
      const VecI32 a1 = hn::Sub(x0, x1);
      const VecI32 a2 = hn::Add(x2, x3);
      const VecI32 a3 = hn::Sub(x2, x3);
      hn::StoreU(last(hn::Add(a0, a2)), d, x + j);
      hn::StoreU(last(hn::Add(a1, a3)), d, x + j + h);
      hn::StoreU(last(hn::Sub(a0, a2)), d, x + j + 2 * h);
      hn::StoreU(last(hn::Sub(a1, a3)), d, x + j + 3 * h);
    }
  }
}

// The stages at distances `h`, 2 * h and 4 * h.
template <class Last>
HWY_INLINE void ButterfliesAcross8(int32_t* HWY_RESTRICT x, size_t size,
                                   size_t h, const Last& last) {
  const TagI32 d;
  for (size_t i = 0; i < size; i += 8 * h) {
    for (size_t j = i; j < i + h; j += hn::Lanes(d)) {
      int32_t* HWY_RESTRICT y = x + j;
      const VecI32 x0 = hn::LoadU(d, y);
      const VecI32 x1 = hn::LoadU(d, y + h);
      const VecI32 x2 = hn::LoadU(d, y + 2 * h);
      const VecI32 x3 = hn::LoadU(d, y + 3 * h);
      const VecI32 x4 = hn::LoadU(d, y + 4 * h);
      const VecI32 x5 = hn::LoadU(d, y + 5 * h);
      const VecI32 x6 = hn::LoadU(d, y + 6 * h);
      const VecI32 x7 = hn::LoadU(d, y + 7 * h);
      const VecI32 a0 = hn::Add(x0, x1);
      const VecI32 a1 = hn::Sub(x0, x1);
      const VecI32 a2 = hn::Add(x2, x3);
      const VecI32 a3 = hn::Sub(x2, x3);
      const VecI32 a4 = hn::Add(x4, x5);
      const VecI32 a5 = hn::Sub(x4, x5);
      const VecI32 a6 = hn::Add(x6, x7);
      const VecI32 a7 = hn::Sub(x6, x7);
      const VecI32 b0 = hn::Add(a0, a2);
      const VecI32 b1 = hn::Add(a1, a3);
      const VecI32 b2 = hn::Sub(a0, a2);
      const VecI32 b3 = hn::Sub(a1, a3);
      const VecI32 b4 = hn::Add(a4, a6);
      const VecI32 b5 = hn::Add(a5, a7);
      const VecI32 b6 = hn::Sub(a4, a6);
      const VecI32 b7 = hn::Sub(a5, a7);
      hn::StoreU(last(hn::Add(b0, b4)), d, y);
      hn::StoreU(last(hn::Add(b1, b5)), d, y + h);
      hn::StoreU(last(hn::Add(b2, b6)), d, y + 2 * h);
      hn::StoreU(last(hn::Add(b3, b7)), d, y + 3 * h);
      hn::StoreU(last(hn::Sub(b0, b4)), d, y + 4 * h);
      hn::StoreU(last(hn::Sub(b1, b5)), d, y + 5 * h);
      hn::StoreU(last(hn::Sub(b2, b6)), d, y + 6 * h);
      hn::StoreU(last(hn::Sub(b3, b7)), d, y + 7 * h);
    }
  }
}

// The stages at distances `h` to size / 2; `last` is applied to the results.
template <class Last>
HWY_INLINE void ButterfliesAcross(int32_t* HWY_RESTRICT x, size_t size,
                                  size_t h, const Last& last) {
  const auto keep = [](VecI32 v) HWY_ATTR { return v; };
  for (; 16 * h < size; h *= 8) ButterfliesAcross8(x, size, h, keep);
  if (16 * h == size) {
    ButterfliesAcross4(x, size, h, keep);
    h *= 4;
  }
  if (8 * h == size) {
    ButterfliesAcross8(x, size, h, last);
  } else if (4 * h == size) {
    ButterfliesAcross4(x, size, h, last);
  } else {
    ButterfliesAcross2(x, size, h, last);
  }
}

// Negates where `negate` is -1 (elsewhere 0) and transforms one block.
HWY_INLINE void HadamardBlock(int32_t* HWY_RESTRICT x,
                              const int32_t* HWY_RESTRICT negate, size_t size) {
  const TagI32 d;
  const size_t lanes = hn::Lanes(d);
  if (size < lanes) {
    for (size_t i = 0; i < size; ++i) x[i] = (x[i] ^ negate[i]) - negate[i];
    HadamardShort(x, size);
    return;
  }
  const Renormalizer renormalize(std::countr_zero(size));
  const auto load = [&](size_t i) HWY_ATTR {
    const VecI32 sign = hn::LoadU(d, negate + i);
    return hn::Sub(hn::Xor(hn::LoadU(d, x + i), sign), sign);
  };
  if (size == lanes) {
    hn::StoreU(renormalize(ButterfliesInVector(load(0))), d, x);
    return;
  }
  for (size_t i = 0; i < size; i += 2 * lanes) {
    VecI32 a = load(i);
    VecI32 b = load(i + lanes);
    ButterfliesInPair<>(a, b);
    if (size == 2 * lanes) {
      a = renormalize(a);
      b = renormalize(b);
    }
    hn::StoreU(a, d, x + i);
    hn::StoreU(b, d, x + i + lanes);
  }
  if (size > 2 * lanes) ButterfliesAcross(x, size, 2 * lanes, renormalize);
}

#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
