#include "quant/nth_largest.h"

#include <cassert>
#include <cstddef>
#include <cstdint>

#include "absl/base/casts.h"
#include "absl/types/span.h"

// Compiles the -inl.h file below once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/nth_largest.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h:
#include "quant/nth_largest-inl.h"

#if HWY_ONCE
namespace corkscrew {

HWY_EXPORT(FindBounds);
HWY_EXPORT(CountFrom);
HWY_EXPORT(KeepSide);
HWY_EXPORT(MoveFrom);

namespace {

// Integers in the order of floats, and back.
int32_t Rank(float x) {
  const auto bits = absl::bit_cast<int32_t>(x);
  return bits < 0 ? bits ^ 0x7FFFFFFF : bits;
}
float FromRank(int32_t rank) {
  return absl::bit_cast<float>(rank < 0 ? rank ^ 0x7FFFFFFF : rank);
}

// A number above `least`, up to `most`, which is larger.
float Between(float least, float most, bool by_rank) {
  const float mean = least / 2 + most / 2;
  if (!by_rank && mean > least && mean <= most) return mean;
  const int64_t low = Rank(least);
  return FromRank(static_cast<int32_t>(low + (Rank(most) - low + 1) / 2));
}

}  // namespace

float NthLargest(size_t n, absl::Span<float> scores) {
  assert(n >= 1 && n <= scores.size());
  float* const x = scores.data();
  size_t size = scores.size();
  float least;
  float most;
  HWY_DYNAMIC_DISPATCH(FindBounds)(x, size, &least, &most);
  // Halves the range by value, which suits scores, and by rank in turns: then
  // 64 rounds are enough for any.
  for (bool by_rank = false; least < most; by_rank = !by_rank) {
    const float pivot = Between(least, most, by_rank);
    const size_t above = HWY_DYNAMIC_DISPATCH(CountFrom)(x, size, pivot);
    const bool is_above = above >= n;
    if (!is_above) n -= above;
    size =
        HWY_DYNAMIC_DISPATCH(KeepSide)(x, size, pivot, is_above, &least, &most);
  }
  return least;
}

size_t MoveAtLeast(float least, const float* scores, size_t from, size_t end,
                   size_t to, uint32_t* slots, int32_t* sums) {
  assert(to <= from && from <= end);
  return HWY_DYNAMIC_DISPATCH(MoveFrom)(least, scores, from, end, to, slots,
                                        sums);
}

}  // namespace corkscrew
#endif  // HWY_ONCE
