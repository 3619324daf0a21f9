#ifndef CORKSCREW_DB_MERGE_ORDER_H_
#define CORKSCREW_DB_MERGE_ORDER_H_

// Which of two versions of a record wins. The one place that decides it.

#include <compare>

#include "corkscrew/record.h"
#include "db/descriptor.h"

namespace corkscrew {

// (lamport, replica, incarnation, seq, content hash); the larger one wins. The
// hash decides only between ops that claim the same place in one origin.
struct MergeKey {
  Version version = {};
  Hash16 content_hash = {};

  friend auto operator<=>(const MergeKey&, const MergeKey&) = default;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_MERGE_ORDER_H_
