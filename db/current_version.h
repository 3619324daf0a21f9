#ifndef CORKSCREW_DB_CURRENT_VERSION_H_
#define CORKSCREW_DB_CURRENT_VERSION_H_

// The current version of a record as the commit leader sees it: staged in the
// group in the making, or in the store.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "db/body.h"
#include "db/collection_state.h"
#include "db/origin_table.h"
#include "db/rows.h"
#include "db/store.h"
#include "db/write_commit.h"

namespace corkscrew {

struct Head {
  bool exists = false;
  bool tombstone = false;
  Version version = {};
  const PreparedItem* staged = nullptr;  // Null: it is `row` in the store.
  HeadRow row = {};

  bool live() const { return exists && !tombstone; }
};

// "version 5.3 of replica ...", or "no version".
std::string DescribeVersion(const std::optional<Version>& version);

// DataLoss that names a row of the collection.
absl::Status DamagedRow(const CollectionState& state, absl::string_view key,
                        const absl::Status& why);

// Reads what is in the store. Borrows everything. Thread-safe.
class CurrentVersions {
 public:
  CurrentVersions(const Store& store, const OriginTable& origins)
      : store_(store), origins_(origins) {}

  // The head of `id`, which does not exist if there is no row.
  absl::StatusOr<Head> ReadHead(const CollectionState& state,
                                absl::string_view id) const;

  // The body of a head in the store; borrows `*value`, which is set.
  absl::StatusOr<Body> ReadBody(const CollectionState& state,
                                absl::string_view id, const Head& head,
                                std::string* value) const;

  // Whether a put of `item` would change nothing.
  absl::StatusOr<bool> SameContent(const CollectionState& state,
                                   const Head& head,
                                   const PreparedItem& item) const;

  // Whether a live head is hidden at `now_ms` because its time is over.
  absl::StatusOr<bool> IsExpired(const CollectionState& state,
                                 absl::string_view id, const Head& head,
                                 int64_t now_ms) const;

  // Whether a live head matches `filter` now.
  absl::StatusOr<bool> Matches(const CollectionState& state,
                               absl::string_view id, const Head& head,
                               const Filter& filter) const;

  // Fills the parts of `item`, a patch, from a live head; it then points into
  // `*parts`, which is set, and into what the head borrows.
  //   InvalidArgument  the metadata would leave its limits
  absl::Status ResolvePatch(const CollectionState& state, const Head& head,
                            PreparedItem* item, PatchedParts* parts) const;

 private:
  const Store& store_;
  const OriginTable& origins_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_CURRENT_VERSION_H_
