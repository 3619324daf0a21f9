#include "db/slot_filter.h"

#include <bit>

#include "db/metadata_columns.h"
#include "db/slot_block.h"

namespace corkscrew {
namespace {

// Leaves the bits of which test(slot) is true.
template <typename Test>
void Retain(size_t slots, uint64_t* words, const Test& test) {
  for (size_t w = 0; w < (slots + 63) / 64; ++w) {
    for (uint64_t left = words[w]; left != 0; left &= left - 1) {
      const auto i = static_cast<size_t>(std::countr_zero(left));
      if (!test(64 * w + i)) words[w] &= ~(uint64_t{1} << i);
    }
  }
}

}  // namespace

SlotFilter::SlotFilter(const IndexView& view, Lamport at, const Filter* filter)
    : view_(&view),
      at_(at),
      filter_(filter != nullptr && filter->op == Filter::Op::kAll ? nullptr
                                                                  : filter),
      forgotten_(view.forgotten != nullptr && at < view.forgotten->latest
                     ? view.forgotten.get()
                     : nullptr) {}

size_t SlotFilter::Select(size_t part, uint64_t* words) const {
  const IndexView::Part& in = view_->parts[part];
  const size_t alive = in.block->AliveAt(at_, in.slots, words);
  if (filter_ == nullptr && forgotten_ == nullptr) return alive;
  if (filter_ != nullptr) {
    RetainMatches(in.block->metadata(), *filter_, in.slots, words);
  }
  if (forgotten_ != nullptr) {
    Retain(in.slots, words, [&](size_t slot) {
      return !forgotten_->Has(in.block->id(slot), in.block->born(slot));
    });
  }
  size_t count = 0;
  for (size_t w = 0; w < (in.slots + 63) / 64; ++w) {
    count += static_cast<size_t>(std::popcount(words[w]));
  }
  return count;
}

}  // namespace corkscrew
