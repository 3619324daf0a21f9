#ifndef CORKSCREW_DB_SLOT_FILTER_H_
#define CORKSCREW_DB_SLOT_FILTER_H_

// Which slots a query may return, and in which order.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "corkscrew/filter.h"
#include "corkscrew/record.h"
#include "db/growing_block.h"
#include "db/top_k.h"

namespace corkscrew {

// Candidates with better scores first; equal scores by id, ascending bytes. The
// ids of slots that are alive at one time differ.
struct BestFirst {
  const GrowingBlock* block;
  bool operator()(const Candidate& a, const Candidate& b) const {
    if (a.score != b.score) return a.score > b.score;
    return block->id(a.slot) < block->id(b.slot);
  }
};

// Thread-safe. Borrows its arguments.
class SlotFilter {
 public:
  // `filter` may be null, `exclude_id` empty. `slots` is how many are searched.
  SlotFilter(const GrowingBlock& block, size_t slots, Lamport at,
             const Filter* filter, absl::string_view exclude_id);

  // Whether the slot is alive, matches the filter, and is not excluded.
  bool Admits(size_t slot) const {
    return block_.IsAlive(slot, at_) &&
           (filter_ == nullptr || MatchesFilter(slot)) &&
           (exclude_id_.empty() || block_.id(slot) != exclude_id_);
  }

 private:
  bool MatchesFilter(size_t slot) const;

  const GrowingBlock& block_;
  const Lamport at_;
  const Filter* const filter_;
  const absl::string_view exclude_id_;
  // By number of a metadata row: 0 not asked yet, 1 no match, 2 match. Null
  // where few slots share their metadata.
  std::unique_ptr<std::atomic<uint8_t>[]> known_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_SLOT_FILTER_H_
