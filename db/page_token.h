#ifndef CORKSCREW_DB_PAGE_TOKEN_H_
#define CORKSCREW_DB_PAGE_TOKEN_H_

// Page tokens: where a listing goes on, bound to what was listed. They are
// opaque to callers, hold no secret, and are not part of the format.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/filter.h"
#include "corkscrew/record.h"

namespace corkscrew {

// After the record `id`, at the moment `at` seen from the wall time `wall_ms`
// (ReadMoment).
struct ListPosition {
  Lamport at = 0;
  int64_t wall_ms = 0;
  std::string id = {};
};

// A token for `position` in the listing of `collection` by `filter`.
std::string EncodeListToken(const Uuid& collection, const Filter& filter,
                            const ListPosition& position);
//   InvalidArgument  not a token of that listing
absl::StatusOr<ListPosition> DecodeListToken(const Uuid& collection,
                                             const Filter& filter,
                                             absl::string_view token);

// A token for the history of `id` after `version`.
std::string EncodeHistoryToken(const Uuid& collection, absl::string_view id,
                               const Version& version);
//   InvalidArgument  not a token of that history
absl::StatusOr<Version> DecodeHistoryToken(const Uuid& collection,
                                           absl::string_view id,
                                           absl::string_view token);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_PAGE_TOKEN_H_
