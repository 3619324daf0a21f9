// Selecting large sums, compiled once per SIMD target. Include after highway.h.

#if defined(CORKSCREW_QUANT_SIEVE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CORKSCREW_QUANT_SIEVE_INL_H_
#undef CORKSCREW_QUANT_SIEVE_INL_H_
#else
#define CORKSCREW_QUANT_SIEVE_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/base.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace corkscrew {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#undef CORKSCREW_SIEVE_IS_SCALAR
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
#define CORKSCREW_SIEVE_IS_SCALAR 1
#else
#define CORKSCREW_SIEVE_IS_SCALAR 0
#if HWY_ARCH_X86
using TagI16 = hn::ScalableTag<int16_t>;
#else
using TagI16 = hn::FixedTag<int16_t, 8>;
#endif
#endif

// Returns how many of `sums` [n] are at least `threshold`, which is above the
// least integer.
size_t CountAtLeast(const int16_t* HWY_RESTRICT sums, size_t n,
                    int16_t threshold) {
  size_t count = 0;
  size_t i = 0;
#if !CORKSCREW_SIEVE_IS_SCALAR
  const TagI16 d;
  const auto below = hn::Set(d, static_cast<int16_t>(threshold - 1));
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    count += hn::CountTrue(d, hn::Gt(hn::LoadU(d, sums + i), below));
  }
#endif
  for (; i < n; ++i) count += sums[i] >= threshold ? 1 : 0;
  return count;
}

// Moves those of `sums` and `slots` [from, end) whose sum is at least
// `threshold`, which is above the least integer, to `to` <= from and on.
// Returns where they end.
size_t MoveAtLeast(int16_t* sums, uint32_t* slots, size_t from, size_t end,
                   int16_t threshold, size_t to) {
#if !CORKSCREW_SIEVE_IS_SCALAR
  const hn::Repartition<int32_t, TagI16> d32;
  const hn::RebindToUnsigned<decltype(d32)> du32;
  const hn::Rebind<int16_t, decltype(d32)> d16;
  const auto below = hn::Set(d32, threshold - 1);
  for (; from + hn::Lanes(d32) <= end; from += hn::Lanes(d32)) {
    const auto sum = hn::PromoteTo(d32, hn::LoadU(d16, sums + from));
    const auto slot = hn::LoadU(du32, slots + from);
    const auto mask = hn::Gt(sum, below);
    hn::StoreU(hn::DemoteTo(d16, hn::Compress(sum, mask)), d16, sums + to);
    hn::StoreU(hn::Compress(slot, hn::RebindMask(du32, mask)), du32,
               slots + to);
    to += hn::CountTrue(d32, mask);
  }
#endif
  for (; from < end; ++from) {
    sums[to] = sums[from];
    slots[to] = slots[from];
    to += sums[from] >= threshold ? 1 : 0;
  }
  return to;
}

#if HWY_TARGET == HWY_AVX3_DL

constexpr size_t kBlockOfSlots = 64;
constexpr size_t kChosenAtOnce = 16;

// Stores 16 of the 64 sums of `sums0` and `sums1`, and their slots: those of
// which `chosen` has the numbers.
HWY_INLINE void StoreChosen(__m128i chosen, uint32_t first, __m512i sums0,
                            __m512i sums1, uint32_t* slots, int16_t* kept) {
  _mm512_storeu_si512(
      slots, _mm512_add_epi32(_mm512_cvtepu8_epi32(chosen),
                              _mm512_set1_epi32(static_cast<int32_t>(first))));
  const __m512i index = _mm512_castsi256_si512(_mm256_cvtepu8_epi16(chosen));
  _mm256_storeu_si256(
      reinterpret_cast<__m256i*>(kept),
      _mm512_castsi512_si256(_mm512_permutex2var_epi16(sums0, index, sums1)));
}

#endif

// Writes to `kept` and, as numbers from `first` on, to `slots` those of `sums`
// [n], n a multiple of 64, at most 65536, that are at least `threshold` and
// whose bit in `admitted` [n / 64] is set, and returns how many they are.
// `threshold` is above the least integer. Both arrays are a vector longer than
// n, `admitted` is 8 bytes longer than it says.
size_t SelectAtLeast(const int16_t* HWY_RESTRICT sums, size_t n,
                     int16_t threshold, const uint64_t* HWY_RESTRICT admitted,
                     uint32_t first, uint32_t* HWY_RESTRICT slots,
                     int16_t* HWY_RESTRICT kept) {
  size_t count = 0;
#if HWY_TARGET == HWY_AVX3_DL
  const __m512i below = _mm512_set1_epi16(static_cast<int16_t>(threshold - 1));
  alignas(64) uint8_t found[kBlockOfSlots];
  for (size_t i = 0; i < kBlockOfSlots; ++i) found[i] = static_cast<uint8_t>(i);
  const __m512i all = _mm512_load_si512(found);
  for (size_t i = 0; i < n; i += kBlockOfSlots) {
    const __m512i sums0 = _mm512_loadu_si512(sums + i);
    const __m512i sums1 = _mm512_loadu_si512(sums + i + kBlockOfSlots / 2);
    const uint64_t mask =
        (uint64_t{_mm512_cmpgt_epi16_mask(sums0, below)} |
         uint64_t{_mm512_cmpgt_epi16_mask(sums1, below)} << 32) &
        admitted[i / 64];
    const auto base = first + static_cast<uint32_t>(i);
    const __m512i chosen = _mm512_maskz_compress_epi8(mask, all);
    const size_t size = hwy::PopCount(mask);
    StoreChosen(_mm512_castsi512_si128(chosen), base, sums0, sums1,
                slots + count, kept + count);
    if (HWY_UNLIKELY(size > kChosenAtOnce)) {
      _mm512_store_si512(found, chosen);
      for (size_t j = kChosenAtOnce; j < size; j += kChosenAtOnce) {
        StoreChosen(_mm_load_si128(reinterpret_cast<const __m128i*>(found + j)),
                    base, sums0, sums1, slots + count + j, kept + count + j);
      }
    }
    count += size;
  }
#elif CORKSCREW_SIEVE_IS_SCALAR
  for (size_t i = 0; i < n; ++i) {
    slots[count] = first + static_cast<uint32_t>(i);
    kept[count] = sums[i];
    count += (sums[i] >= threshold && (admitted[i / 64] >> i % 64 & 1) != 0);
  }
#else
  const TagI16 d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const hn::Half<decltype(du)> half;
  const hn::Repartition<uint32_t, decltype(du)> d32;
  const auto below = hn::Set(d, static_cast<int16_t>(threshold - 1));
  const auto base = hn::Set(d32, first);
  auto index = hn::Iota(du, 0);
  const auto step = hn::Set(du, static_cast<uint16_t>(hn::Lanes(d)));
  const auto* const bits = reinterpret_cast<const uint8_t*>(admitted);
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto sum = hn::LoadU(d, sums + i);
    const auto mask =
        hn::And(hn::LoadMaskBits(d, bits + i / 8), hn::Gt(sum, below));
    // A compressing store is slow on some CPUs.
    hn::StoreU(hn::Compress(sum, mask), d, kept + count);
    const auto found = hn::Compress(index, hn::RebindMask(du, mask));
    hn::StoreU(hn::Add(hn::PromoteTo(d32, hn::LowerHalf(half, found)), base),
               d32, slots + count);
    hn::StoreU(hn::Add(hn::PromoteTo(d32, hn::UpperHalf(half, found)), base),
               d32, slots + count + hn::Lanes(d32));
    count += hn::CountTrue(d, mask);
    index = hn::Add(index, step);
  }
#endif
  return count;
}

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
