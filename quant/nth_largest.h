#ifndef CORKSCREW_QUANT_NTH_LARGEST_H_
#define CORKSCREW_QUANT_NTH_LARGEST_H_

// Cuts between the stages of a search.

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace corkscrew {

// Returns the n-th largest of `scores`, none of which is NaN, 1 <= n <=
// scores.size(): exactly n scores or more (ties) are at least as large. Moves
// and overwrites `scores`. Linear time; several times as fast as
// std::nth_element, whose branches are not predictable. Of zeros of both signs,
// which are equal, it may return either.
float NthLargest(size_t n, absl::Span<float> scores);

// Moves those of `slots` and `sums` [from, end) whose score is at least `least`
// to `to` <= `from` and on, in their order. Returns where they end.
size_t MoveAtLeast(float least, const float* scores, size_t from, size_t end,
                   size_t to, uint32_t* slots, int32_t* sums);

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_NTH_LARGEST_H_
