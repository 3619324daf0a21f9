#include "db/slot_filter.h"

#include "db/metadata_row.h"

namespace corkscrew {

SlotFilter::SlotFilter(const IndexView& view, Lamport at, const Filter* filter,
                       absl::string_view exclude_id)
    : view_(view),
      at_(at),
      filter_(filter != nullptr && filter->op == Filter::Op::kAll ? nullptr
                                                                  : filter),
      exclude_id_(exclude_id),
      forgotten_(view.forgotten != nullptr && at < view.forgotten->latest
                     ? view.forgotten.get()
                     : nullptr) {
  if (filter_ == nullptr) return;
  known_.resize(view.parts.size());
  for (size_t part = 0; part < view.parts.size(); ++part) {
    const size_t rows = view.parts[part].block->metadata_rows();
    if (rows <= view.parts[part].slots / 4) {
      known_[part] = std::make_unique<std::atomic<uint8_t>[]>(rows);
    }
  }
}

bool SlotFilter::MatchesFilter(size_t part, size_t slot) const {
  const SlotBlock& block = *view_.parts[part].block;
  const uint32_t number = block.metadata_number(slot);
  if (known_[part] == nullptr) {
    return MatchesRow(*filter_, block.metadata_row(number));
  }
  // Threads that race here store the same answer.
  std::atomic<uint8_t>& known = known_[part][number];
  uint8_t answer = known.load(std::memory_order_relaxed);
  if (answer == 0) {
    answer = MatchesRow(*filter_, block.metadata_row(number)) ? 2 : 1;
    known.store(answer, std::memory_order_relaxed);
  }
  return answer == 2;
}

}  // namespace corkscrew
