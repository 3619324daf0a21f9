#ifndef CORKSCREW_DB_INDEX_REBUILD_H_
#define CORKSCREW_DB_INDEX_REBUILD_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "db/collection_state.h"
#include "db/origin_table.h"
#include "db/store.h"

namespace corkscrew {

// Fills the empty index of `collection` from its bodies with `threads` threads,
// publishes it at the collection's clock, and counts versions and tombstones. A
// damaged body is left out and added to the collection's damage.
//   DataLoss  a body is newer than the clock, or a table can not be read
absl::Status RebuildIndex(const Store& store, const OriginTable& origins,
                          size_t threads, CollectionState* collection);

// Adds the versions behind position `after` of the feed to the index of
// `collection`, without publishing them. *last is the position reached. What an
// error leaves in the index is seen by nobody: a position is never added twice.
//   DataLoss  a row or body is damaged or missing; names its key
absl::Status IndexFeed(const Store& store, const OriginTable& origins,
                       uint64_t after, CollectionState* collection,
                       uint64_t* last);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_INDEX_REBUILD_H_
