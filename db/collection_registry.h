#ifndef CORKSCREW_DB_COLLECTION_REGISTRY_H_
#define CORKSCREW_DB_COLLECTION_REGISTRY_H_

// All collections of an open database.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "db/collection_state.h"
#include "db/index.h"
#include "db/store.h"

namespace corkscrew {

// What the indexes of a database have in common.
struct IndexSettings {
  size_t threads = 1;  // Most threads of one search.
  bool seal = false;   // Whether blocks are sealed, to be written to files,
  uint64_t seal_ops = 2048;  // after so many ops
  size_t segment_slots = 0;  // or slots; 0: SegmentSlots() of index_files.h.
  std::function<void()> on_seal = nullptr;
};

// An empty index for a collection with this descriptor.
absl::StatusOr<std::shared_ptr<Index>> MakeIndex(const Descriptor& descriptor,
                                                 const IndexSettings& settings);

// Fills the empty index of a collection and publishes it.
using LoadIndexFunction =
    absl::FunctionRef<absl::Status(const std::shared_ptr<CollectionState>&)>;

// Reads the positions of a live collection as origin `origin`, and lets `load`
// fill its index.
//   DataLoss  a row is damaged; names its key
//   errors of `load`
absl::StatusOr<std::shared_ptr<CollectionState>> LoadCollection(
    const Store& store, uint32_t origin, const IndexSettings& settings,
    LoadIndexFunction load, uint32_t number, CollectionRow row);

// Thread-safe; changed by the commit leader only, or by the follower of a
// database that is open for reading only.
class CollectionRegistry {
 public:
  CollectionRegistry();

  // Reads all collections and their positions as origin `origin`. `load` fills
  // the empty index of each.
  //   DataLoss  a row is damaged; names its key
  //   errors of `load`
  absl::Status Load(const Store& store, uint32_t origin,
                    const IndexSettings& settings, LoadIndexFunction load);

  // A live collection, or null.
  std::shared_ptr<CollectionState> Find(absl::string_view name) const;
  std::vector<std::shared_ptr<CollectionState>> All() const;  // By name.
  size_t size() const;
  CollectionState& system() { return *system_; }
  std::shared_ptr<CollectionState> shared_system() { return system_; }

  void Add(std::shared_ptr<CollectionState> collection);
  void Remove(const CollectionState& collection);

  // Aliases: names of live collections that no collection has itself.
  using AliasMap = std::map<std::string, std::shared_ptr<CollectionState>>;
  std::shared_ptr<CollectionState> FindAlias(absl::string_view name) const;
  // A live collection by its name or an alias, or null.
  std::shared_ptr<CollectionState> Resolve(absl::string_view name) const;
  AliasMap Aliases() const;
  void SetAlias(absl::string_view name,
                std::shared_ptr<CollectionState> collection);
  void RemoveAlias(absl::string_view name);
  void ReplaceAliases(AliasMap aliases);

  // For the leader: the number of the next collection, and the generation that
  // a name has next.
  uint32_t NextNumber() const;
  uint64_t NextGeneration(absl::string_view name) const;

 private:
  const std::shared_ptr<CollectionState> system_;
  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<CollectionState>> by_name_
      ABSL_GUARDED_BY(mutex_);
  AliasMap aliases_ ABSL_GUARDED_BY(mutex_);
  uint32_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
  // Of every name that was ever used: its last generation.
  std::map<std::string, uint64_t> generations_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_COLLECTION_REGISTRY_H_
