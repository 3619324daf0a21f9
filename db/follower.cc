#include "db/follower.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "db/expiry.h"
#include "db/index.h"
#include "db/index_rebuild.h"
#include "db/keys.h"
#include "db/maintenance.h"
#include "db/op.h"
#include "db/purge.h"
#include "db/retention.h"
#include "db/rows.h"
#include "db/version_reader.h"

namespace corkscrew {
namespace {

absl::Status Damaged(absl::string_view key, absl::string_view why) {
  return absl::DataLossError(
      absl::StrCat("row ", absl::BytesToHexString(key), " is damaged: ", why));
}

absl::StatusOr<ClockRow> ReadClock(const Store& store, uint32_t collection) {
  const std::string key = ClockKey(collection);
  CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                             store.Get(Family::kRows, key));
  if (!value.has_value()) return ClockRow{};
  const absl::StatusOr<ClockRow> row = DecodeClockRow(*value);
  if (!row.ok()) return Damaged(key, row.status().message());
  return row;
}

}  // namespace

Follower::Follower(
    Store* store, OriginTable* origins, CollectionRegistry* registry,
    const IndexSettings& index_settings,
    std::function<absl::Status(const std::shared_ptr<CollectionState>&)>
        load_index,
    std::function<absl::Time()> now)
    : store_(*store),
      origins_(*origins),
      registry_(*registry),
      index_settings_(index_settings),
      load_index_(std::move(load_index)),
      now_(std::move(now)),
      last_(now_()) {}

absl::Status Follower::CatchUp() {
  MutexLock lock(&mutex_);
  const absl::Time now = now_();
  // A clock that was set back does not stop it.
  if (last_.has_value() && now >= *last_ && now - *last_ < kInterval) {
    return absl::OkStatus();
  }
  last_.reset();
  CORKSCREW_RETURN_IF_ERROR(CatchUpNow());
  last_ = now;
  return absl::OkStatus();
}

absl::Status Follower::CatchUpNow() {
  CORKSCREW_RETURN_IF_ERROR(store_.CatchUp());
  CORKSCREW_RETURN_IF_ERROR(LoadOrigins());
  CORKSCREW_RETURN_IF_ERROR(RefreshCollections());
  for (const std::shared_ptr<CollectionState>& state : registry_.All()) {
    CORKSCREW_RETURN_IF_ERROR(RefreshCollection(state.get()));
  }
  return LoadRetention(store_, &registry_);
}

absl::Status Follower::LoadOrigins() {
  const std::string end = PrefixEnd(KindPrefix('a'));
  const std::string begin = OriginKey(origins_.size());
  const auto it = store_.NewIterator(Family::kRows, begin, end);
  for (it->Seek(begin); it->valid(); it->Next()) {
    uint32_t number;
    if (!ParseOriginKey(it->key(), &number) || number != origins_.size()) {
      return Damaged(it->key(), "an origin is missing before it");
    }
    CORKSCREW_ASSIGN_OR_RETURN(const Origin origin,
                               DecodeOriginRow(it->value()));
    origins_.Add(origin);
  }
  return it->status();
}

absl::Status Follower::RefreshCollections() {
  CollectionState& system = registry_.system();
  CORKSCREW_ASSIGN_OR_RETURN(const ClockRow clock, ReadClock(store_, 0));
  if (clock.lamport == system.published()) return absl::OkStatus();
  const std::string prefix = KindPrefix('c');
  const auto it = store_.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
  for (it->Seek(prefix); it->valid(); it->Next()) {
    uint32_t number;
    if (!ParseCollectionKey(it->key(), &number) || number == 0) {
      return Damaged(it->key(), "not a collection key");
    }
    absl::StatusOr<CollectionRow> row = DecodeCollectionRow(it->value());
    if (!row.ok()) return Damaged(it->key(), row.status().message());
    std::shared_ptr<CollectionState> known = registry_.Find(row->name);
    if (row->state == LiveState::kDropped) {
      if (known != nullptr && known->number() == number) {
        registry_.Remove(*known);
        known->Drop();
      }
    } else if (known == nullptr || known->number() != number) {
      if (known != nullptr) {  // Dropped and made again; its row comes later.
        registry_.Remove(*known);
        known->Drop();
      }
      CORKSCREW_ASSIGN_OR_RETURN(
          std::shared_ptr<CollectionState> state,
          LoadCollection(store_, /*origin=*/0, index_settings_, load_index_,
                         number, *std::move(row)));
      registry_.Add(std::move(state));
    }
  }
  CORKSCREW_RETURN_IF_ERROR(it->status());
  CORKSCREW_RETURN_IF_ERROR(LoadHistory(store_, origins_, &registry_));
  system.set_published(clock.lamport);
  return absl::OkStatus();
}

absl::Status Follower::RefreshCollection(CollectionState* collection) {
  const uint32_t number = collection->number();
  CORKSCREW_ASSIGN_OR_RETURN(const ClockRow clock, ReadClock(store_, number));
  CollectionState::Writer& writer = collection->writer;
  const std::shared_ptr<Index> index = collection->index();
  if (index == nullptr) return absl::OkStatus();
  if (clock.lamport != collection->published()) {
    CORKSCREW_RETURN_IF_ERROR(HidePurged(store_, collection));
    CORKSCREW_RETURN_IF_ERROR(LoadExpiry(store_, &registry_));
  }
  collection->moments.RaiseFloor(clock.floor);
  writer.clock = clock.lamport;
  CORKSCREW_RETURN_IF_ERROR(
      IndexFeed(store_, origins_, writer.feed, collection, &writer.feed));
  index->Publish(clock.lamport);
  writer.versions = clock.versions;
  writer.tombstones = clock.tombstones;
  collection->versions = clock.versions;
  collection->tombstones = clock.tombstones;
  collection->set_published(clock.lamport);
  return absl::OkStatus();
}

}  // namespace corkscrew
