#ifndef CORKSCREW_DB_SLOT_FILTER_H_
#define CORKSCREW_DB_SLOT_FILTER_H_

// Which slots a query may return.

#include <cstddef>
#include <cstdint>

#include "corkscrew/filter.h"
#include "corkscrew/record.h"
#include "db/index_view.h"

namespace corkscrew {

// Thread-safe. Borrows its arguments.
class SlotFilter {
 public:
  // `filter` may be null.
  SlotFilter(const IndexView& view, Lamport at, const Filter* filter);

  // Whether slots of this part may be admitted at all.
  bool Reads(size_t part) const { return view_->parts[part].MayBeAlive(at_); }

  // Sets bit i % 64 of words[i / 64] for each slot of the part that is alive,
  // matches the filter and is not forgotten, and no other bit. Returns how many
  // there are. `words` [slots / 64, rounded up].
  size_t Select(size_t part, uint64_t* words) const;

 private:
  const IndexView* view_;
  Lamport at_;
  const Filter* filter_;
  const ForgottenRecords::Table* forgotten_;  // Null: none can be alive.
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_SLOT_FILTER_H_
