#ifndef CORKSCREW_DB_COLLECTION_REGISTRY_H_
#define CORKSCREW_DB_COLLECTION_REGISTRY_H_

// All collections of an open database.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "db/collection_state.h"
#include "db/index.h"
#include "db/origin_table.h"
#include "db/store.h"

namespace corkscrew {

// An empty index for a collection with this descriptor.
absl::StatusOr<std::shared_ptr<Index>> MakeIndex(const Descriptor& descriptor,
                                                 size_t threads);

// Reads the positions of a live collection as origin `origin`, and fills its
// index with `threads` threads.
//   DataLoss  a row or body is damaged; names its key
absl::StatusOr<std::shared_ptr<CollectionState>> LoadCollection(
    const Store& store, uint32_t origin, const OriginTable& origins,
    size_t threads, uint32_t number, CollectionRow row);

// Thread-safe; changed by the commit leader only, or by the follower of a
// database that is open for reading only.
class CollectionRegistry {
 public:
  CollectionRegistry();

  // Reads all collections and their positions as origin `origin`, and rebuilds
  // their indexes with `threads` threads.
  //   DataLoss  a row or body is damaged; names its key
  absl::Status Load(const Store& store, uint32_t origin,
                    const OriginTable& origins, size_t threads);

  // A live collection, or null.
  std::shared_ptr<CollectionState> Find(absl::string_view name) const;
  std::vector<std::shared_ptr<CollectionState>> All() const;  // By name.
  size_t size() const;
  CollectionState& system() { return *system_; }
  std::shared_ptr<CollectionState> shared_system() { return system_; }

  void Add(std::shared_ptr<CollectionState> collection);
  void Remove(const CollectionState& collection);

  // For the leader: the number of the next collection, and the generation that
  // a name has next.
  uint32_t NextNumber() const;
  uint64_t NextGeneration(absl::string_view name) const;

 private:
  const std::shared_ptr<CollectionState> system_;
  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<CollectionState>> by_name_
      ABSL_GUARDED_BY(mutex_);
  uint32_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
  // Of every name that was ever used: its last generation.
  std::map<std::string, uint64_t> generations_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_COLLECTION_REGISTRY_H_
