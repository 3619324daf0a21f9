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

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace corkscrew {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Writes to `indices` and `kept` those of `sums` [n], n a multiple of 64, that
// are at least `threshold` and whose bit in `admitted` [n / 64] is set, and
// returns their number. `threshold` is above the least integer. Both arrays are
// a vector longer than n.
size_t SelectAtLeast(const int16_t* HWY_RESTRICT sums, size_t n,
                     int16_t threshold, const uint64_t* HWY_RESTRICT admitted,
                     uint16_t* HWY_RESTRICT indices,
                     int16_t* HWY_RESTRICT kept) {
  size_t count = 0;
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  for (size_t i = 0; i < n; ++i) {
    indices[count] = static_cast<uint16_t>(i);
    kept[count] = sums[i];
    count += (sums[i] >= threshold && (admitted[i / 64] >> i % 64 & 1) != 0);
  }
#else
#if HWY_ARCH_X86
  const hn::ScalableTag<int16_t> d;
#else
  const hn::FixedTag<int16_t, 8> d;
#endif
  const hn::RebindToUnsigned<decltype(d)> du;
  const auto below = hn::Set(d, static_cast<int16_t>(threshold - 1));
  auto index = hn::Iota(du, 0);
  const auto step = hn::Set(du, static_cast<uint16_t>(hn::Lanes(d)));
  uint8_t bits[8 + 8] = {};  // LoadMaskBits() may read eight.
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    if (i % 64 == 0) std::memcpy(bits, &admitted[i / 64], 8);
    const auto sum = hn::LoadU(d, sums + i);
    const auto mask =
        hn::And(hn::LoadMaskBits(d, bits + i % 64 / 8), hn::Gt(sum, below));
    // A compressing store is slow on some CPUs.
    hn::StoreU(hn::Compress(sum, mask), d, kept + count);
    hn::StoreU(hn::Compress(index, hn::RebindMask(du, mask)), du,
               indices + count);
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
