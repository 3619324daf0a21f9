#ifndef CORKSCREW_DB_SLOT_FILTER_H_
#define CORKSCREW_DB_SLOT_FILTER_H_

// Which slots a query may return.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "corkscrew/filter.h"
#include "corkscrew/record.h"
#include "db/index_view.h"

namespace corkscrew {

// Thread-safe. Borrows its arguments.
class SlotFilter {
 public:
  // `filter` may be null, `exclude_id` empty.
  SlotFilter(const IndexView& view, Lamport at, const Filter* filter,
             absl::string_view exclude_id);

  // Whether slots of this part may be admitted at all.
  bool Reads(size_t part) const { return view_.parts[part].MayBeAlive(at_); }

  // Whether the slot is alive, matches the filter, and is neither excluded nor
  // forgotten.
  bool Admits(size_t part, size_t slot) const {
    const SlotBlock& block = *view_.parts[part].block;
    return block.IsAlive(slot, at_) &&
           (filter_ == nullptr || MatchesFilter(part, slot)) &&
           (exclude_id_.empty() || block.id(slot) != exclude_id_) &&
           (forgotten_ == nullptr ||
            !forgotten_->Has(block.id(slot), block.born(slot)));
  }

 private:
  bool MatchesFilter(size_t part, size_t slot) const;

  const IndexView& view_;
  const Lamport at_;
  const Filter* const filter_;
  const absl::string_view exclude_id_;
  const ForgottenRecords::Table* const forgotten_;  // Null: none can be alive.
  // Of each part, by number of a metadata row: 0 not asked yet, 1 no match, 2
  // match. Null where few slots share their metadata.
  std::vector<std::unique_ptr<std::atomic<uint8_t>[]>> known_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_SLOT_FILTER_H_
