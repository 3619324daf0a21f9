#include "db/collection_registry.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "corkscrew/collection.h"
#include "db/index_files.h"
#include "db/keys.h"
#include "db/rows.h"

namespace corkscrew {
namespace {

absl::Status Damaged(absl::string_view key, const absl::Status& why) {
  return absl::DataLossError(absl::StrCat("row ", absl::BytesToHexString(key),
                                          " is damaged: ", why.message()));
}

CollectionRow SystemRow() {
  CollectionRow row;
  row.uuid = SystemCollectionUuid();
  row.name = "_system";
  return row;
}

// The value of the last row with `prefix` decoded, or nothing. *key is its key.
absl::StatusOr<bool> LastKey(const Store& store, const std::string& prefix,
                             std::string* key) {
  const auto it = store.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
  it->SeekToLast();
  CORKSCREW_RETURN_IF_ERROR(it->status());
  if (!it->valid()) return false;
  *key = std::string(it->key());
  return true;
}

// Reads where the writer of a collection goes on.
absl::Status LoadWriter(const Store& store, uint32_t origin,
                        CollectionState* state) {
  CollectionState::Writer& writer = state->writer;
  const uint32_t number = state->number();
  const std::string clock_key = ClockKey(number);
  CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> clock,
                             store.Get(Family::kRows, clock_key));
  if (clock.has_value()) {
    const absl::StatusOr<ClockRow> row = DecodeClockRow(*clock);
    if (!row.ok()) return Damaged(clock_key, row.status());
    writer.clock = row->lamport;
    state->moments.RaiseFloor(row->floor);
    writer.versions = row->versions;
    writer.tombstones = row->tombstones;
  } else if (number != 0) {
    return Damaged(clock_key, absl::DataLossError("it is missing"));
  }
  const std::string vector_key = VectorKey({number, 0}, origin);
  CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> seq,
                             store.Get(Family::kRows, vector_key));
  if (seq.has_value()) {
    const absl::StatusOr<uint64_t> value = DecodeU64(*seq);
    if (!value.ok()) return Damaged(vector_key, value.status());
    writer.seq = *value;
  }
  std::string key;
  uint32_t parsed;
  CORKSCREW_ASSIGN_OR_RETURN(bool found,
                             LastKey(store, KindPrefix('f', number), &key));
  if (found && !ParseFeedKey(key, &parsed, &writer.feed)) {
    return Damaged(key, absl::DataLossError("not a feed key"));
  }
  CORKSCREW_ASSIGN_OR_RETURN(found,
                             LastKey(store, KindPrefix('x', number), &key));
  if (found && !ParseWallKey(key, &parsed, &writer.wall_ms)) {
    return Damaged(key, absl::DataLossError("not a wall time key"));
  }
  state->set_published(writer.clock);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<Index>> MakeIndex(
    const Descriptor& descriptor, const IndexSettings& settings) {
  IndexOptions options;
  options.quantizer = descriptor.quantizer;
  options.metric = descriptor.metric;
  options.rescore_column = descriptor.originals != Originals::kCodesOnly;
  options.threads = settings.threads;
  if (settings.seal) {
    options.seal_slots = settings.segment_slots != 0 ? settings.segment_slots
                                                     : SegmentSlots(descriptor);
    options.seal_ops = settings.seal_ops;
    options.on_seal = settings.on_seal;
  }
  CORKSCREW_ASSIGN_OR_RETURN(std::unique_ptr<Index> index,
                             Index::Create(options));
  return std::shared_ptr<Index>(std::move(index));
}

absl::StatusOr<std::shared_ptr<CollectionState>> LoadCollection(
    const Store& store, uint32_t origin, const IndexSettings& settings,
    LoadIndexFunction load, uint32_t number, CollectionRow row) {
  CORKSCREW_ASSIGN_OR_RETURN(std::shared_ptr<Index> index,
                             MakeIndex(row.descriptor, settings));
  auto state = std::make_shared<CollectionState>(number, std::move(row),
                                                 std::move(index));
  CORKSCREW_RETURN_IF_ERROR(LoadWriter(store, origin, state.get()));
  CORKSCREW_RETURN_IF_ERROR(load(state));
  return state;
}

CollectionRegistry::CollectionRegistry()
    : system_(std::make_shared<CollectionState>(0, SystemRow(), nullptr)) {}

absl::Status CollectionRegistry::Load(const Store& store, uint32_t origin,
                                      const IndexSettings& settings,
                                      LoadIndexFunction load) {
  CORKSCREW_RETURN_IF_ERROR(LoadWriter(store, origin, system_.get()));
  const std::string prefix = KindPrefix('c');
  const auto it = store.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
  for (it->Seek(prefix); it->valid(); it->Next()) {
    uint32_t number;
    if (!ParseCollectionKey(it->key(), &number) || number == 0) {
      return Damaged(it->key(), absl::DataLossError("not a collection key"));
    }
    absl::StatusOr<CollectionRow> row = DecodeCollectionRow(it->value());
    if (!row.ok()) return Damaged(it->key(), row.status());
    {
      MutexLock lock(&mutex_);
      next_number_ = std::max(next_number_, number + 1);
      uint64_t& generation = generations_[row->name];
      generation = std::max(generation, row->generation);
    }
    if (row->state == LiveState::kDropped) continue;
    CORKSCREW_ASSIGN_OR_RETURN(
        std::shared_ptr<CollectionState> state,
        LoadCollection(store, origin, settings, load, number, *std::move(row)));
    if (Find(state->row().name) != nullptr) {
      return Damaged(it->key(), absl::DataLossError(
                                    absl::StrCat("there are two collections \"",
                                                 state->row().name, "\"")));
    }
    Add(std::move(state));
  }
  return it->status();
}

std::shared_ptr<CollectionState> CollectionRegistry::Find(
    absl::string_view name) const {
  MutexLock lock(&mutex_);
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<CollectionState>> CollectionRegistry::All() const {
  MutexLock lock(&mutex_);
  std::vector<std::shared_ptr<CollectionState>> all;
  all.reserve(by_name_.size());
  for (const auto& [name, state] : by_name_) all.push_back(state);
  return all;
}

size_t CollectionRegistry::size() const {
  MutexLock lock(&mutex_);
  return by_name_.size();
}

void CollectionRegistry::Add(std::shared_ptr<CollectionState> collection) {
  MutexLock lock(&mutex_);
  const std::string& name = collection->row().name;
  next_number_ = std::max(next_number_, collection->number() + 1);
  generations_[name] = collection->row().generation;
  by_name_[name] = std::move(collection);
}

void CollectionRegistry::Remove(const CollectionState& collection) {
  MutexLock lock(&mutex_);
  by_name_.erase(collection.row().name);
}

std::shared_ptr<CollectionState> CollectionRegistry::FindAlias(
    absl::string_view name) const {
  MutexLock lock(&mutex_);
  const auto found = aliases_.find(std::string(name));
  return found == aliases_.end() ? nullptr : found->second;
}

std::shared_ptr<CollectionState> CollectionRegistry::Resolve(
    absl::string_view name) const {
  const std::string key(name);
  MutexLock lock(&mutex_);
  if (const auto found = by_name_.find(key); found != by_name_.end()) {
    return found->second;
  }
  const auto found = aliases_.find(key);
  return found == aliases_.end() ? nullptr : found->second;
}

CollectionRegistry::AliasMap CollectionRegistry::Aliases() const {
  MutexLock lock(&mutex_);
  return aliases_;
}

void CollectionRegistry::SetAlias(absl::string_view name,
                                  std::shared_ptr<CollectionState> collection) {
  MutexLock lock(&mutex_);
  aliases_[std::string(name)] = std::move(collection);
}

void CollectionRegistry::RemoveAlias(absl::string_view name) {
  MutexLock lock(&mutex_);
  aliases_.erase(std::string(name));
}

void CollectionRegistry::ReplaceAliases(AliasMap aliases) {
  MutexLock lock(&mutex_);
  aliases_ = std::move(aliases);
}

uint32_t CollectionRegistry::NextNumber() const {
  MutexLock lock(&mutex_);
  return next_number_;
}

uint64_t CollectionRegistry::NextGeneration(absl::string_view name) const {
  MutexLock lock(&mutex_);
  const auto found = generations_.find(std::string(name));
  return found == generations_.end() ? 1 : found->second + 1;
}

}  // namespace corkscrew
