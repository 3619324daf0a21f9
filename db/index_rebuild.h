#ifndef CORKSCREW_DB_INDEX_REBUILD_H_
#define CORKSCREW_DB_INDEX_REBUILD_H_

#include <cstddef>

#include "absl/status/status.h"
#include "db/collection_state.h"
#include "db/origin_table.h"
#include "db/store.h"

namespace corkscrew {

// Fills the empty index of `collection` from its bodies with `threads` threads,
// publishes it at the collection's clock, and counts versions and tombstones.
//   DataLoss  a body is damaged, or newer than the clock; names its key
absl::Status RebuildIndex(const Store& store, const OriginTable& origins,
                          size_t threads, CollectionState* collection);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_INDEX_REBUILD_H_
