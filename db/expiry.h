#ifndef CORKSCREW_DB_EXPIRY_H_
#define CORKSCREW_DB_EXPIRY_H_

// Records that hide at a time (docs/storage_format.md, "Expiry").

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "corkscrew/filter.h"
#include "corkscrew/metadata.h"
#include "db/collection_registry.h"
#include "db/collection_state.h"
#include "db/engine.h"
#include "db/store.h"

namespace corkscrew {

// An index knows expiry as one more key of the metadata, which no record has:
// the empty one. So it needs no column, and filters test it.
void AddExpiry(uint64_t expires_ms, Metadata* metadata);

// `filter`, and not expired at the wall time `wall_ms`.
Filter UnexpiredFilter(const Filter& filter, int64_t wall_ms);

// Notes which collections have, or had, records that expire.
absl::Status LoadExpiry(const Store& store, CollectionRegistry* registry);

// Logs the deletes of this replica's records that have expired, at most `most`
// records. Returns how many were looked at: less than `most` when none is left.
// Errors of Collection::Delete().
absl::StatusOr<size_t> DeleteExpired(
    Engine& engine, const std::shared_ptr<CollectionState>& state, size_t most);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_EXPIRY_H_
