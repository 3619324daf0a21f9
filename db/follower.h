#ifndef CORKSCREW_DB_FOLLOWER_H_
#define CORKSCREW_DB_FOLLOWER_H_

// Keeps a database that is open for reading only up to date with the process
// that writes it.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "db/collection_registry.h"
#include "db/collection_state.h"
#include "db/origin_table.h"
#include "db/store.h"

namespace corkscrew {

// Thread-safe. Borrows everything.
class Follower {
 public:
  // How old what readers see may be, beside the time that a catch-up takes.
  static constexpr absl::Duration kInterval = absl::Milliseconds(200);

  // `registry` and `origins` are as of what `store` shows now.
  // `load_index` fills the index of a new collection.
  Follower(Store* store, OriginTable* origins, CollectionRegistry* registry,
           const IndexSettings& index_settings,
           std::function<absl::Status(const std::shared_ptr<CollectionState>&)>
               load_index,
           std::function<absl::Time()> now);

  // Makes what was written before visible, unless that was done within
  // kInterval. Readers go on meanwhile, and see whole Puts only.
  //   DataLoss  a row or body is damaged; names its key
  //   or what the system says: try again
  absl::Status CatchUp() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Status CatchUpNow();
  absl::Status LoadOrigins();
  // Adds new collections and drops dropped ones, if there was such a change.
  absl::Status RefreshCollections();
  // Applies what is new in the feed of a collection to its index.
  absl::Status RefreshCollection(CollectionState* collection);

  Store& store_;
  OriginTable& origins_;
  CollectionRegistry& registry_;
  const IndexSettings index_settings_;
  const std::function<absl::Status(const std::shared_ptr<CollectionState>&)>
      load_index_;
  const std::function<absl::Time()> now_;

  Mutex mutex_;
  std::optional<absl::Time> last_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_FOLLOWER_H_
