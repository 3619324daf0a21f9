#ifndef CORKSCREW_DB_COMPACTION_PLAN_H_
#define CORKSCREW_DB_COMPACTION_PLAN_H_

// Which blocks of an index are written anew next.

#include <cstddef>
#include <vector>

#include "absl/types/span.h"

namespace corkscrew {

struct BlockSize {
  size_t slots = 0;
  size_t dead = 0;       // Of these; all of a history segment.
  bool written = false;  // It is a segment,
  bool live = true;      // a live one,
  bool damaged = false;  // which should be written anew.
};

// Returns the blocks, as positions in `blocks`, that make the next segments;
// none: nothing is to be done. All that are not written, if there are any; else
// live segments of which an eighth has died, or that are damaged; else small
// segments of about the same size. Small ones of the size of what is made are
// taken along, so that there are few of them and each slot is copied few times:
// of tiny ones three of a size stay and a fourth makes one of them, of others
// seven and the eighth, or as many as fill a segment. A full one is not copied
// again, and nothing grows past twice `segment_slots`. `most_along` is how many
// slots may be taken along.
std::vector<size_t> PlanCompaction(absl::Span<const BlockSize> blocks,
                                   size_t segment_slots, size_t most_along);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_COMPACTION_PLAN_H_
