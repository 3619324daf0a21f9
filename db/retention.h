#ifndef CORKSCREW_DB_RETENTION_H_
#define CORKSCREW_DB_RETENTION_H_

// Which old versions go, and their removal in small steps (docs/
// storage_format.md, "Retention").

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/collection.h"
#include "corkscrew/record.h"
#include "db/collection_registry.h"
#include "db/collection_state.h"
#include "db/engine.h"
#include "db/store.h"

namespace corkscrew {

// The row of the rules.
std::string EncodeRetention(const Retention& retention);
absl::StatusOr<Retention> DecodeRetention(absl::string_view bytes);

// Gives the collections in `registry` their rules.
//   DataLoss  a row is damaged; names it
absl::Status LoadRetention(const Store& store, CollectionRegistry* registry);

// Collection::SetRetention(), without the name of the collection in errors.
absl::Status SetRetention(Engine& engine,
                          const std::shared_ptr<CollectionState>& state,
                          const Retention& retention);

// One pass of the rules over one collection: finds how far the floor must rise
// for what they let go, makes that durable, waits for reads below it, then
// removes. Single-threaded; one pass over a collection at a time.
class RetentionPass {
 public:
  RetentionPass(Engine& engine, std::shared_ptr<CollectionState> state);

  // Reads at most about `rows` versions, or removes some. True when all is
  // done. Errors of Collection::Put().
  absl::StatusOr<bool> Step(size_t rows);

  const RetentionReply& reply() const { return reply_; }

 private:
  enum class Phase { kStart, kFindFloor, kRemove, kDone };
  struct HeldVersion {
    BodyKey body = {};
    Version version = {};
    bool is_put = false;
  };

  absl::Status Start();
  // Judges the versions of the records behind after_, about `rows` of them.
  // False at the end.
  absl::StatusOr<bool> Scan(size_t rows);
  // Finds what goes of the versions of one record.
  void Judge(std::vector<HeldVersion>* versions);
  absl::Status RaiseFloor();
  absl::Status RemoveFound();

  Engine& engine_;
  const std::shared_ptr<CollectionState> state_;
  const Retention rules_;
  Phase phase_ = Phase::kStart;
  Lamport died_by_ = 0;          // What died by then is too old.
  std::vector<Lamport> tagged_;  // Ascending.
  std::string after_ = {};       // The last record that was judged.
  Lamport floor_ = 0;            // The floor, or the latest death of what goes.
  std::vector<BodyKey> found_;   // What goes, while removing.
  RetentionReply reply_ = {};
};

// Marks the op of a version as one without a body.
absl::Status MarkBodyDropped(const Store& store, uint32_t collection,
                             const BodyKey& version, WriteBatch* batch);

// Deletes the bodies of `versions` and marks their ops, in one batch.
absl::Status RemoveBodies(Engine& engine,
                          const std::shared_ptr<CollectionState>& state,
                          const std::vector<BodyKey>& versions);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_RETENTION_H_
