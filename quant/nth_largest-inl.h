// Partitions of floats, compiled once per SIMD target. Include after highway.h.

#if defined(CORKSCREW_QUANT_NTH_LARGEST_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CORKSCREW_QUANT_NTH_LARGEST_INL_H_
#undef CORKSCREW_QUANT_NTH_LARGEST_INL_H_
#else
#define CORKSCREW_QUANT_NTH_LARGEST_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace corkscrew {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#undef CORKSCREW_NTH_IS_SCALAR
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
#define CORKSCREW_NTH_IS_SCALAR 1
#else
#define CORKSCREW_NTH_IS_SCALAR 0
#if HWY_ARCH_X86
using TagF32 = hn::ScalableTag<float>;
#else
using TagF32 = hn::FixedTag<float, 4>;
#endif
#endif

// Sets *least and *most to the bounds of `x` [n], n >= 1.
void FindBounds(const float* HWY_RESTRICT x, size_t n, float* least,
                float* most) {
  float low = x[0];
  float high = x[0];
  size_t i = 0;
#if !CORKSCREW_NTH_IS_SCALAR
  const TagF32 d;
  auto lows = hn::Set(d, low);
  auto highs = lows;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    const auto v = hn::LoadU(d, x + i);
    lows = hn::Min(lows, v);
    highs = hn::Max(highs, v);
  }
  low = hn::GetLane(hn::MinOfLanes(d, lows));
  high = hn::GetLane(hn::MaxOfLanes(d, highs));
#endif
  for (; i < n; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  *least = low;
  *most = high;
}

// Returns how many of `x` [n] are at least `pivot`.
size_t CountFrom(const float* HWY_RESTRICT x, size_t n, float pivot) {
  size_t count = 0;
  size_t i = 0;
#if !CORKSCREW_NTH_IS_SCALAR
  const TagF32 d;
  const auto p = hn::Set(d, pivot);
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    count += hn::CountTrue(d, hn::Ge(hn::LoadU(d, x + i), p));
  }
#endif
  for (; i < n; ++i) count += x[i] >= pivot ? 1 : 0;
  return count;
}

// Moves those of `x` [n] that are at least `pivot`, or those that are not, to
// the front and sets *least and *most to their bounds. Returns how many they
// are, which is not 0.
size_t KeepSide(float* x, size_t n, float pivot, bool from_pivot, float* least,
                float* most) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  float low = kInfinity;
  float high = -kInfinity;
  size_t to = 0;
  size_t i = 0;
#if !CORKSCREW_NTH_IS_SCALAR
  const TagF32 d;
  const auto p = hn::Set(d, pivot);
  const auto infinity = hn::Set(d, kInfinity);
  const auto minus = hn::Set(d, -kInfinity);
  auto lows = infinity;
  auto highs = minus;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    const auto v = hn::LoadU(d, x + i);
    const auto mask = from_pivot ? hn::Ge(v, p) : hn::Lt(v, p);
    lows = hn::Min(lows, hn::IfThenElse(mask, v, infinity));
    highs = hn::Max(highs, hn::IfThenElse(mask, v, minus));
    // Writes at most what was read.
    hn::StoreU(hn::Compress(v, mask), d, x + to);
    to += hn::CountTrue(d, mask);
  }
  low = hn::GetLane(hn::MinOfLanes(d, lows));
  high = hn::GetLane(hn::MaxOfLanes(d, highs));
#endif
  for (; i < n; ++i) {
    const float v = x[i];
    if ((v >= pivot) != from_pivot) continue;
    x[to++] = v;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  *least = low;
  *most = high;
  return to;
}

// Moves those of `slots` and `sums` [from, end) whose score is at least `least`
// to `to` <= from and on. Returns where they end.
size_t MoveFrom(float least, const float* HWY_RESTRICT scores, size_t from,
                size_t end, size_t to, uint32_t* slots, int32_t* sums) {
#if !CORKSCREW_NTH_IS_SCALAR
  const TagF32 d;
  const hn::Rebind<uint32_t, TagF32> du;
  const hn::Rebind<int32_t, TagF32> di;
  const auto bound = hn::Set(d, least);
  for (; from + hn::Lanes(d) <= end; from += hn::Lanes(d)) {
    const auto mask = hn::Ge(hn::LoadU(d, scores + from), bound);
    const auto slot = hn::LoadU(du, slots + from);
    const auto sum = hn::LoadU(di, sums + from);
    // Writes at most what was read.
    hn::StoreU(hn::Compress(slot, hn::RebindMask(du, mask)), du, slots + to);
    hn::StoreU(hn::Compress(sum, hn::RebindMask(di, mask)), di, sums + to);
    to += hn::CountTrue(d, mask);
  }
#endif
  for (; from < end; ++from) {
    slots[to] = slots[from];
    sums[to] = sums[from];
    to += scores[from] >= least ? 1 : 0;
  }
  return to;
}

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
