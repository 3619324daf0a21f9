#ifndef CORKSCREW_DB_COLLECTION_INFO_H_
#define CORKSCREW_DB_COLLECTION_INFO_H_

#include "absl/time/time.h"
#include "corkscrew/collection.h"
#include "db/collection_state.h"

namespace corkscrew {

// What the public types say about a collection.
CollectionInfo InfoOf(const CollectionState& collection, absl::Time now);
CollectionStats StatsOf(const CollectionState& collection, absl::Time now);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_COLLECTION_INFO_H_
