#include "db/slot_filter.h"

#include "db/metadata_row.h"

namespace corkscrew {

SlotFilter::SlotFilter(const GrowingBlock& block, size_t slots, Lamport at,
                       const Filter* filter, absl::string_view exclude_id)
    : block_(block),
      at_(at),
      filter_(filter != nullptr && filter->op == Filter::Op::kAll ? nullptr
                                                                  : filter),
      exclude_id_(exclude_id) {
  const size_t rows = block.metadata_rows();
  if (filter_ != nullptr && rows <= slots / 4) {
    known_ = std::make_unique<std::atomic<uint8_t>[]>(rows);
  }
}

bool SlotFilter::MatchesFilter(size_t slot) const {
  const uint32_t number = block_.metadata_number(slot);
  if (known_ == nullptr) {
    return MatchesRow(*filter_, block_.metadata_row(number));
  }
  // Threads that race here store the same answer.
  std::atomic<uint8_t>& known = known_[number];
  uint8_t answer = known.load(std::memory_order_relaxed);
  if (answer == 0) {
    answer = MatchesRow(*filter_, block_.metadata_row(number)) ? 2 : 1;
    known.store(answer, std::memory_order_relaxed);
  }
  return answer == 2;
}

}  // namespace corkscrew
