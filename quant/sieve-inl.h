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

// Writes to `indices` and `kept` those of `sums` [n], n a multiple of 64, that
// are at least `threshold` and whose bit in `admitted` [n / 64] is set, and
// returns their number. `threshold` is above the least integer. Both arrays are
// a vector longer than n.
size_t SelectAtLeast(const int16_t* HWY_RESTRICT sums, size_t n,
                     int16_t threshold, const uint64_t* HWY_RESTRICT admitted,
                     uint16_t* HWY_RESTRICT indices,
                     int16_t* HWY_RESTRICT kept) {
  size_t count = 0;
#if CORKSCREW_SIEVE_IS_SCALAR
  for (size_t i = 0; i < n; ++i) {
    indices[count] = static_cast<uint16_t>(i);
    kept[count] = sums[i];
    count += (sums[i] >= threshold && (admitted[i / 64] >> i % 64 & 1) != 0);
  }
#else
  const TagI16 d;
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
