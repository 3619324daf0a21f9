#ifndef CORKSCREW_DB_PURGE_H_
#define CORKSCREW_DB_PURGE_H_

// Removal of records for good (docs/storage_format.md, "Purge").

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/collection.h"
#include "corkscrew/record.h"
#include "db/collection_registry.h"
#include "db/collection_state.h"
#include "db/engine.h"
#include "db/store.h"

namespace corkscrew {

// p: versions of a record with a Lamport time below this op's are gone for
// good.
struct PurgeRow {
  Lamport lamport = 0;
  uint32_t origin = 0;
  uint64_t seq = 0;
  // Neither a row nor a file holds anything of them any more. Until then the
  // work goes on after a crash.
  bool erased = false;

  friend bool operator==(const PurgeRow&, const PurgeRow&) = default;
};
std::string Encode(const PurgeRow& row);
absl::StatusOr<PurgeRow> DecodePurgeRow(absl::string_view bytes);

// A record that was purged, as backups carry it and restores apply it.
struct PurgeMark {
  Uuid collection = {};
  std::string id = {};
  Version version = {};  // Of the purge op.
};

// Returns the marks of all live collections, by collection and id.
//   DataLoss  a row is damaged; names it
absl::StatusOr<std::vector<PurgeMark>> ReadPurgeMarks(Engine& engine);

// At open: hides what was purged from the indexes, and deletes the rows that a
// crash left behind a purge.
//   DataLoss  a row is damaged; names it
absl::Status LoadPurges(const Store& store, CollectionRegistry* registry,
                        WriteBatch* batch);

// Hides what was purged of one collection from its index.
absl::Status HidePurged(const Store& store, CollectionState* collection);

// Purges records of one collection. Single-threaded; one at a time.
class Purge {
 public:
  Purge(Engine& engine, std::shared_ptr<CollectionState> state)
      : engine_(engine), state_(std::move(state)) {}

  // Collection::Purge() for valid ids, without the name of the collection in
  // errors.
  absl::StatusOr<PurgeReply> Run(absl::Span<const absl::string_view> ids,
                                 const CallOptions& call);

  // Goes on where a crash ended Run(). Does nothing if there is nothing to do.
  absl::Status Resume(const CallOptions& call);

 private:
  // Writes the purge ops.
  absl::Status Mark(const std::vector<absl::string_view>& ids,
                    PurgeReply* reply);
  // Deletes the rows of all versions below the marks. Returns their number.
  absl::StatusOr<size_t> DeleteBodies(const std::vector<absl::string_view>& ids,
                                      Lamport below);
  // Rewrites files.
  absl::Status EraseFiles(const std::vector<std::string>& ids,
                          const CallOptions& call);
  // Notes in the rows that nothing is left to do.
  absl::Status NoteErased(const std::vector<std::string>& ids);

  Engine& engine_;
  const std::shared_ptr<CollectionState> state_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_PURGE_H_
