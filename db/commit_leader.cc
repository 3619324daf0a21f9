#include "db/commit_leader.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "corkscrew/limits.h"
#include "db/aliases.h"
#include "db/encode.h"
#include "db/expiry.h"
#include "db/keys.h"
#include "db/metadata_codec.h"
#include "db/op.h"
#include "db/purge.h"

namespace corkscrew {
namespace {

// Local writes end here, so that times that are learned from others still fit
// below the end of the clock, 2^56.
constexpr Lamport kClockEnd = (Lamport{1} << 56) - (Lamport{1} << 40);

// Request rows removed per group.
constexpr size_t kPrunePerGroup = 256;

bool IsWritten(ItemOutcome outcome) {
  return outcome == ItemOutcome::kWritten ||
         outcome == ItemOutcome::kWrittenTruncated;
}

std::vector<Forgotten> ForgottenBy(const WriteCommit& purge) {
  std::vector<Forgotten> forgotten;
  for (size_t i = 0; i < purge.items.size(); ++i) {
    if (!IsWritten(purge.outcomes[i])) continue;
    forgotten.push_back({purge.items[i].id, purge.lamport});
  }
  return forgotten;
}

size_t CountWritten(const WriteCommit& commit) {
  return static_cast<size_t>(
      std::count_if(commit.outcomes.begin(), commit.outcomes.end(), IsWritten));
}

}  // namespace

CommitLeader::CommitLeader(Store* store, const OriginTable* origins,
                           uint32_t origin, CollectionRegistry* registry,
                           RequestLog* requests, OpenSession* session,
                           const IndexSettings& index_settings,
                           WriteGuard* guard, std::function<absl::Time()> now)
    : store_(*store),
      current_(*store, *origins),
      origins_(*origins),
      origin_(origin),
      origin_row_(*origins->Get(origin)),
      registry_(*registry),
      requests_(*requests),
      session_(*session),
      index_settings_(index_settings),
      guard_(*guard),
      now_(std::move(now)) {}

void CommitLeader::Process(absl::Span<Commit* const> group) {
  const absl::Time now = now_();
  size_t bytes = 0;
  Store::Sync sync = Store::Sync::kLater;
  for (const Commit* commit : group) {
    if (commit->bytes < kAloneInGroup && !commit->makes_room) {
      bytes += commit->bytes;
    }
    if (commit->sync) sync = Store::Sync::kNow;
  }
  const absl::Status admitted = guard_.Admit(bytes, now);
  std::vector<Commit*> taken;
  for (Commit* commit : group) {
    const bool is_taken =
        admitted.ok() ||
        (commit->makes_room && absl::IsResourceExhausted(admitted));
    commit->status = admitted;
    commit->no_memory = !is_taken && guard_.no_memory();
    if (is_taken) taken.push_back(commit);
  }
  if (taken.empty()) return;
  if (const absl::Status begun = session_.Begin(); !begun.ok()) {
    for (Commit* commit : taken) commit->status = begun;
    return;
  }
  Group work(store_.NewBatch());
  work.wall_ms = absl::ToUnixMillis(now);
  requests_.Prune(work.wall_ms, kPrunePerGroup, &work.batch);
  for (Commit* commit : taken) commit->status = Stage(*commit, &work);
  if (work.batch.empty()) return;
  session_.Stage(&work.batch);
  const absl::Status written =
      store_.Write(work.batch, sync, [&] { AddToIndexes(work); });
  if (written.ok()) {
    Apply(work, sync == Store::Sync::kNow);
    session_.Written(now, work.last);
    return;
  }
  for (const WriteCommit* write : work.writes) {
    const std::shared_ptr<Index> index = write->collection->index();
    if (index != nullptr) index->Release();
  }
  guard_.Failed(written);
  // Not written if writing had failed before, in the background.
  const absl::Status outcome =
      absl::IsFailedPrecondition(written)
          ? guard_.Admit(0, now)
          : absl::UnknownError(absl::StrCat(
                "the log could not be synced, so this write may or may not be "
                "there after reopening: ",
                written.message()));
  for (Commit* commit : taken) {
    // What was only decided may rest on what was not synced.
    if (commit->status.ok()) commit->status = outcome;
  }
}

absl::Status CommitLeader::Stage(const Commit& commit, Group* group) {
  if (auto* const* write = std::get_if<WriteCommit*>(&commit.what)) {
    return StageWrite(*write, group);
  }
  if (auto* const* create = std::get_if<CreateCommit*>(&commit.what)) {
    return StageCreate(*create, group);
  }
  if (auto* const* rows = std::get_if<RowsCommit*>(&commit.what)) {
    return StageRows(**rows, group);
  }
  if (auto* const* task = std::get_if<TaskCommit*>(&commit.what)) {
    return StageTask(**task, group);
  }
  return StageDrop(std::get<DropCommit*>(commit.what), group);
}

absl::Status CommitLeader::StageRows(const RowsCommit& commit, Group* group) {
  const CollectionState& state = *commit.collection;
  if (state.dropped()) {
    return absl::NotFoundError(
        absl::StrCat("collection \"", state.row().name, "\" was dropped"));
  }
  for (const auto& [key, value] : commit.put) {
    group->batch.Put(Family::kRows, key, value);
  }
  for (const std::string& key : commit.remove) {
    group->batch.Delete(Family::kRows, key);
  }
  return absl::OkStatus();
}

absl::Status CommitLeader::StageWrite(WriteCommit* commit, Group* group) {
  const CollectionState& state = *commit->collection;
  if (state.dropped()) {
    return absl::NotFoundError(
        absl::StrCat("collection \"", state.row().name, "\" was dropped"));
  }
  if (state.writer.clock >= kClockEnd) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "collection \"", state.row().name, "\": its clock has reached ",
        state.writer.clock, ", the end for local writes"));
  }
  if (!commit->request_id.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(commit->replayed, Replay(commit, *group));
    if (commit->replayed) return absl::OkStatus();
  }
  CORKSCREW_RETURN_IF_ERROR(Decide(commit, group));
  AppendOps(commit, group);
  if (!commit->request_id.empty()) AppendRequest(*commit, group);
  return absl::OkStatus();
}

absl::StatusOr<bool> CommitLeader::Replay(WriteCommit* commit,
                                          const Group& group) const {
  const CollectionState& state = *commit->collection;
  const std::string key = RequestKey({state.number(), 0}, commit->request_id);
  RequestRow row;
  if (const auto staged = group.requests.find(key);
      staged != group.requests.end()) {
    row = staged->second;
  } else {
    CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                               store_.Get(Family::kRows, key));
    if (!value.has_value()) return false;
    absl::StatusOr<RequestRow> stored = DecodeRequestRow(*value);
    if (!stored.ok()) return DamagedRow(state, key, stored.status());
    row = *std::move(stored);
  }
  if (row.request_hash != commit->request_hash) {
    return absl::InvalidArgumentError(
        absl::StrCat("collection \"", state.row().name, "\": request id \"",
                     absl::CHexEscape(commit->request_id),
                     "\" came before with other content"));
  }
  commit->lamport = row.lamport;
  commit->origin = row.origin;
  commit->first_seq = row.first_seq;
  commit->outcomes = std::move(row.items);
  if (!row.matched.has_value()) return true;
  // An unfinished delete by filter goes on.
  commit->matching->deleted = row.matched->deleted;
  commit->matching->lamport = row.matched->deleted == 0 ? 0 : row.lamport;
  return row.matched->done;
}

absl::Status CommitLeader::Decide(WriteCommit* commit, Group* group) {
  CollectionState& state = *commit->collection;
  HeadMap heads;  // Of this commit: kept only if all of it can be decided.
  heads.reserve(commit->items.size());
  uint64_t tombstones = state.writer.tombstones;
  uint64_t seq = state.writer.seq;
  size_t patched_bytes = 0;
  const bool is_put = commit->kind == OpKind::kPut;
  commit->outcomes.clear();
  commit->outcomes.reserve(commit->items.size());
  for (size_t i = 0; i < commit->items.size(); ++i) {
    PreparedItem& item = commit->items[i];
    if (item.invalid) {
      commit->outcomes.push_back(ItemOutcome::kInvalid);
      continue;
    }
    std::pair<uint32_t, std::string> key(state.number(), std::string(item.id));
    Head head;
    if (const auto own = heads.find(key); own != heads.end()) {
      head = own->second;
    } else if (const auto staged = group->heads.find(key);
               staged != group->heads.end()) {
      head = staged->second;
    } else if (!is_put || commit->skip_unchanged || tombstones > 0 ||
               item.if_version.has_value() || item.patch != nullptr) {
      // A put wins whatever there was; what it was matters only here.
      CORKSCREW_ASSIGN_OR_RETURN(head, current_.ReadHead(state, item.id));
    }
    absl::StatusOr<ItemOutcome> outcome =
        DecideItem(head, group->wall_ms, &item, commit);
    if (outcome.ok() && item.patch != nullptr) {
      patched_bytes += item.text.size() + item.vector_bytes.size() +
                       item.metadata_bytes.size();
      if (patched_bytes > kMaxPutBytes) {
        outcome = absl::ResourceExhaustedError(absl::StrCat(
            "the patched records up to this one have ", patched_bytes,
            " bytes, at most ", kMaxPutBytes, " are allowed: patch fewer"));
      }
    }
    if (!outcome.ok()) {
      if (absl::IsDataLoss(outcome.status())) return outcome.status();
      return absl::Status(
          outcome.status().code(),
          absl::StrCat("collection \"", state.row().name, "\": item ", i, ": ",
                       outcome.status().message()));
    }
    commit->outcomes.push_back(*outcome);
    if (!IsWritten(*outcome)) continue;
    const bool was_tombstone = head.exists && head.tombstone;
    if (!is_put && !was_tombstone) ++tombstones;
    if (is_put && was_tombstone) --tombstones;
    heads.insert_or_assign(
        std::move(key),
        Head{.exists = true,
             .tombstone = !is_put,
             .version = {state.writer.clock + 1, origin_row_.replica,
                         origin_row_.incarnation, ++seq},
             .staged = is_put ? &item : nullptr});
  }
  if (group->heads.empty()) {
    group->heads = std::move(heads);
  } else {
    for (auto& [key, head] : heads) group->heads.insert_or_assign(key, head);
  }
  state.writer.tombstones = tombstones;
  return absl::OkStatus();
}

absl::StatusOr<ItemOutcome> CommitLeader::DecideItem(
    const Head& head, int64_t now_ms, PreparedItem* item,
    WriteCommit* commit) const {
  const CollectionState& state = *commit->collection;
  bool live = head.live();
  if (live && (item->patch != nullptr || item->if_version == Version{})) {
    CORKSCREW_ASSIGN_OR_RETURN(
        const bool expired, current_.IsExpired(state, item->id, head, now_ms));
    live = !expired;
  }
  if (commit->matching != nullptr) {
    // What was seen to match needs no second look unless it changed.
    if (!live) return ItemOutcome::kMissing;
    if (head.version == item->if_version) return ItemOutcome::kWritten;
    CORKSCREW_ASSIGN_OR_RETURN(
        const bool matches,
        current_.Matches(state, item->id, head, *commit->matching->filter));
    return matches ? ItemOutcome::kWritten : ItemOutcome::kMissing;
  }
  if (item->if_version.has_value()) {
    const bool met = *item->if_version == Version{}
                         ? !live
                         : head.exists && head.version == *item->if_version;
    if (!met) {
      std::optional<Version> current, wanted;
      if (head.exists) current = head.version;
      if (*item->if_version != Version{}) wanted = item->if_version;
      return absl::AbortedError(absl::StrCat(
          "record \"", item->id, "\" has ", DescribeVersion(current), ", want ",
          DescribeVersion(wanted), "; read it again"));
    }
  }
  if (commit->kind == OpKind::kDelete) {
    return live ? ItemOutcome::kWritten : ItemOutcome::kMissing;
  }
  if (item->patch != nullptr) {
    if (!live) {
      return absl::NotFoundError(
          absl::StrCat("no record \"", item->id, "\" to patch"));
    }
    CORKSCREW_RETURN_IF_ERROR(current_.ResolvePatch(
        state, head, item, &commit->patched.emplace_back()));
  }
  if (commit->skip_unchanged && live) {
    CORKSCREW_ASSIGN_OR_RETURN(const bool same,
                               current_.SameContent(state, head, *item));
    if (same) {
      return item->truncated ? ItemOutcome::kUnchangedTruncated
                             : ItemOutcome::kUnchanged;
    }
  }
  return item->truncated ? ItemOutcome::kWrittenTruncated
                         : ItemOutcome::kWritten;
}

void CommitLeader::AppendOps(WriteCommit* commit, Group* group) {
  CollectionState::Writer& writer = commit->collection->writer;
  const auto size = static_cast<uint32_t>(CountWritten(*commit));
  writer.versions += size;
  commit->lamport = writer.clock;
  commit->origin = origin_;
  commit->first_seq = writer.seq + 1;
  MatchingDelete* const matching = commit->matching;
  if (size == 0) {  // Nothing written: the clock does not tick.
    if (matching != nullptr && matching->lamport != 0) {
      commit->lamport = matching->lamport;
    }
    return;
  }
  commit->lamport = ++writer.clock;
  if (matching != nullptr) {
    matching->deleted += size;
    matching->lamport = commit->lamport;
  }
  uint32_t index = 0;
  std::vector<StagedOp> ops;
  ops.reserve(size);
  for (size_t i = 0; i < commit->items.size(); ++i) {
    if (!IsWritten(commit->outcomes[i])) continue;
    ops.push_back(AppendOp(*commit, commit->items[i], index++, size, group));
  }
  AppendStaged(ops, group);
  const uint32_t number = commit->collection->number();
  group->batch.Put(Family::kRows, VectorKey({number, 0}, origin_),
                   EncodeU64(writer.seq));
  group->batch.Put(Family::kRows, ClockKey(number),
                   Encode(commit->collection->clock_row()));
  const auto now = static_cast<uint64_t>(std::max<int64_t>(0, group->wall_ms));
  if (now / 1000 > writer.wall_ms / 1000) {
    writer.wall_ms = now;
    group->batch.Put(Family::kRows, WallKey(number, now),
                     EncodeU64(writer.clock));
  }
  group->writes.push_back(commit);
}

CommitLeader::StagedOp CommitLeader::AppendOp(const WriteCommit& commit,
                                              const PreparedItem& item,
                                              uint32_t index, uint32_t size,
                                              Group* group) {
  CollectionState::Writer& writer = commit.collection->writer;
  const Stream stream{commit.collection->number(), 0};
  const uint64_t seq = ++writer.seq;
  const uint64_t feed = ++writer.feed;
  const bool tombstone = commit.kind != OpKind::kPut;
  Op op{.kind = commit.kind,
        .id = std::string(item.id),
        .lamport = commit.lamport,
        .wall_ms = group->wall_ms,
        .expires_ms = item.expires_ms,
        .batch_index = index,
        .batch_size = size,
        .request_id = commit.request_id};
  op.content_hash = ContentHash(commit.collection->row().uuid, stream.shard, op,
                                origin_row_.replica, origin_row_.incarnation,
                                seq, item.hashes);
  group->last = {stream.collection, feed, op.content_hash};
  group->batch.Put(Family::kRows, OpKey(stream, origin_, seq), EncodeOp(op));
  if (op.expires_ms != 0) {
    group->batch.Put(Family::kRows, KindPrefix('e', stream.collection), "");
    group->batch.Put(Family::kRows,
                     ExpiryKey(stream, op.expires_ms, origin_, seq), "");
  }
  if (op.kind == OpKind::kPurge) {
    group->batch.Put(Family::kRows, PurgeKey(stream, op.id),
                     Encode(PurgeRow{op.lamport, origin_, seq}));
  }
  return {.feed_key = FeedKey(stream.collection, feed),
          .feed = {stream.shard, origin_, seq},
          .head_key = HeadKey(stream, op.id),
          .head = {op.lamport, origin_, seq, tombstone, feed, op.content_hash},
          .body_key = BodyRowKey(stream.collection, {stream.shard, op.id,
                                                     op.lamport, origin_, seq}),
          .body = {.kind = op.kind,
                   .form = item.form,
                   .wall_ms = op.wall_ms,
                   .expires_ms = op.expires_ms,
                   .vector = item.vector_bytes,
                   .metadata = item.metadata_bytes,
                   .text = item.text}};
}

// Rows of a kind together, in the order of their keys: the store finds the
// place of a row faster where it put the one before. Of one id the last is the
// head.
void CommitLeader::AppendStaged(absl::Span<const StagedOp> ops, Group* group) {
  for (const StagedOp& op : ops) {
    group->batch.Put(Family::kRows, op.feed_key, Encode(op.feed));
  }
  std::vector<const StagedOp*> by_id;
  by_id.reserve(ops.size());
  for (const StagedOp& op : ops) by_id.push_back(&op);
  std::stable_sort(by_id.begin(), by_id.end(),
                   [](const StagedOp* a, const StagedOp* b) {
                     return a->head_key < b->head_key;
                   });
  for (const StagedOp* op : by_id) {
    group->batch.Put(Family::kRows, op->head_key, Encode(op->head));
  }
  // In one piece: of parts the store would make one anew to checksum them.
  std::string body;
  for (const StagedOp* op : by_id) {
    EncodeBody(op->body_key, op->body, &body);
    group->batch.Put(Family::kBodies, op->body_key, body);
  }
}

void CommitLeader::AppendRequest(const WriteCommit& commit, Group* group) {
  std::string key =
      RequestKey({commit.collection->number(), 0}, commit.request_id);
  RequestRow row{.request_hash = commit.request_hash,
                 .wall_ms = group->wall_ms,
                 .lamport = commit.lamport,
                 .origin = commit.origin,
                 .first_seq = commit.first_seq,
                 .items = commit.outcomes};
  if (const MatchingDelete* const matching = commit.matching) {
    row.items.clear();
    row.matched = {.done = matching->last, .deleted = matching->deleted};
  }
  group->batch.Put(Family::kRows, key, Encode(row));
  requests_.Add(group->wall_ms, key);
  group->requests.insert_or_assign(std::move(key), std::move(row));
}

absl::Status CommitLeader::StageCreate(CreateCommit* commit, Group* group) {
  CollectionRow& row = commit->row;
  if (const auto taken = registry_.Find(row.name)) {
    const std::string differences =
        DescribeDifferences(row.descriptor, taken->row().descriptor);
    return absl::AlreadyExistsError(
        absl::StrCat("collection \"", row.name, "\" exists already",
                     differences.empty()
                         ? " with the same options"
                         : "; wanted and existing differ in " + differences));
  }
  CORKSCREW_RETURN_IF_ERROR(CheckNotAlias(registry_, row.name));
  if (registry_.size() >= kMaxCollections) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "collection \"", row.name, "\": there are ", registry_.size(),
        " collections, at most ", kMaxCollections, " are allowed"));
  }
  row.state = LiveState::kLive;
  row.generation = registry_.NextGeneration(row.name);
  row.uuid =
      CollectionUuid(row.name, DescriptorHash(row.descriptor), row.generation);
  CORKSCREW_ASSIGN_OR_RETURN(std::shared_ptr<Index> index,
                             MakeIndex(row.descriptor, index_settings_));
  const uint32_t number = registry_.NextNumber();
  CORKSCREW_RETURN_IF_ERROR(StageCollectionRecord(row, "", group));
  group->batch.Put(Family::kRows, CollectionKey(number), Encode(row));
  group->batch.Put(Family::kRows, NameKey(row.name), EncodeU32(number));
  group->batch.Put(Family::kRows, ClockKey(number), Encode(ClockRow{}));
  commit->collection =
      std::make_shared<CollectionState>(number, row, std::move(index));
  group->created = commit->collection;
  return absl::OkStatus();
}

absl::Status CommitLeader::StageDrop(DropCommit* commit, Group* group) {
  CORKSCREW_RETURN_IF_ERROR(CheckDroppable(registry_, commit->name));
  const std::shared_ptr<CollectionState> state = registry_.Find(commit->name);
  CORKSCREW_ASSIGN_OR_RETURN(std::string seen, VectorSeen(*state));
  CollectionRow row = state->row();
  row.state = LiveState::kDropped;
  CORKSCREW_RETURN_IF_ERROR(StageCollectionRecord(row, std::move(seen), group));
  const uint32_t number = state->number();
  group->batch.Put(Family::kRows, CollectionKey(number), Encode(row));
  group->batch.Delete(Family::kRows, NameKey(row.name));
  for (const char kind :
       {'e', 'f', 'h', 'i', 'k', 'o', 'p', 'r', 's', 'v', 'x'}) {
    const std::string prefix = KindPrefix(kind, number);
    group->batch.DeleteRange(Family::kRows, prefix, PrefixEnd(prefix));
  }
  const std::string prefix = BodyCollectionPrefix(number);
  group->batch.DeleteRange(Family::kBodies, prefix, PrefixEnd(prefix));
  group->dropped = state;
  return absl::OkStatus();
}

absl::StatusOr<std::string> CommitLeader::VectorSeen(
    const CollectionState& collection) const {
  const std::string prefix = KindPrefix('v', collection.number());
  const auto it = store_.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
  std::vector<std::string> lines;
  for (it->Seek(prefix); it->valid(); it->Next()) {
    Stream stream;
    uint32_t origin;
    const absl::StatusOr<uint64_t> seq = DecodeU64(it->value());
    if (!seq.ok() || !ParseVectorKey(it->key(), &stream, &origin)) {
      return DamagedRow(collection, it->key(), seq.status());
    }
    const std::optional<Origin> named = origins_.Get(origin);
    if (!named.has_value()) {
      return DamagedRow(collection, it->key(),
                        absl::DataLossError("its origin is not known"));
    }
    lines.push_back(absl::StrCat(stream.shard, " ", named->replica.ToString(),
                                 " ", named->incarnation, " ", *seq, "\n"));
  }
  CORKSCREW_RETURN_IF_ERROR(it->status());
  std::sort(lines.begin(), lines.end());
  return absl::StrJoin(lines, "");
}

absl::Status CommitLeader::StageTask(const TaskCommit& task, Group* group) {
  TaskStage stage{group->batch, group->wall_ms};
  stage.system_record = [&](OpKind kind, std::string id, Metadata metadata,
                            std::string text) {
    return StageSystemRecord(kind, std::move(id), std::move(metadata),
                             std::move(text), group);
  };
  CORKSCREW_RETURN_IF_ERROR(task.stage(stage));
  group->task = &task;
  return absl::OkStatus();
}

absl::Status CommitLeader::StageCollectionRecord(const CollectionRow& row,
                                                 std::string vector_seen,
                                                 Group* group) {
  return StageSystemRecord(
      OpKind::kPut, absl::StrCat("collection/", row.uuid.ToString()),
      {{"descriptor", absl::BytesToHexString(EncodeDescriptor(row.descriptor))},
       {"generation", static_cast<int64_t>(row.generation)},
       {"model", row.model},
       {"name", row.name},
       {"state",
        std::string(row.state == LiveState::kLive ? "live" : "dropped")}},
      std::move(vector_seen), group);
}

absl::Status CommitLeader::StageSystemRecord(OpKind kind, std::string id,
                                             Metadata metadata,
                                             std::string text, Group* group) {
  auto record = std::make_unique<SystemRecord>();
  record->id = std::move(id);
  record->metadata = std::move(metadata);
  record->text = std::move(text);
  PreparedItem& item = record->item;
  item.id = record->id;
  if (kind == OpKind::kPut) {
    item.text = record->text;
    item.metadata = &record->metadata;
    CORKSCREW_ASSIGN_OR_RETURN(item.metadata_bytes,
                               EncodeMetadata(record->metadata));
    item.hashes = {Sha256(item.text), Sha256(item.metadata_bytes), Sha256("")};
  } else {
    item.hashes = TombstoneHashes();
  }
  record->commit.collection = registry_.shared_system();
  record->commit.kind = kind;
  record->commit.items = absl::MakeSpan(&item, 1);
  group->system_record = std::move(record);
  return StageWrite(&group->system_record->commit, group);
}

void CommitLeader::AddToIndexes(const Group& group) {
  for (const WriteCommit* commit : group.writes) {
    CollectionState& state = *commit->collection;
    const std::shared_ptr<Index> index = state.index();
    if (index == nullptr) continue;  // The system collection.
    index->Hold();
    uint64_t seq = commit->first_seq;
    for (size_t i = 0; i < commit->items.size(); ++i) {
      if (!IsWritten(commit->outcomes[i])) continue;
      const PreparedItem& item = commit->items[i];
      const BodyKey key{0, std::string(item.id), commit->lamport, origin_,
                        seq++};
      IndexEntry entry{.body = &key};
      Metadata with_expiry;
      if (commit->kind == OpKind::kPut) {
        entry.metadata = item.metadata;
        if (item.expires_ms != 0) {
          if (item.metadata != nullptr) with_expiry = *item.metadata;
          AddExpiry(item.expires_ms, &with_expiry);
          entry.metadata = &with_expiry;
          state.expires = true;
        }
        entry.code = item.code;
        entry.scalars = item.scalars;
        entry.original = item.original;
      }
      index->Add(entry);
      state.EndDamage(key.id, key.lamport);
    }
  }
}

void CommitLeader::Apply(const Group& group, bool synced) {
  for (const WriteCommit* commit : group.writes) {
    const std::shared_ptr<Index> index = commit->collection->index();
    if (index != nullptr && commit->kind == OpKind::kPurge) {
      index->Forget(ForgottenBy(*commit));
    }
  }
  std::vector<std::shared_ptr<CollectionState>> written;
  for (const WriteCommit* commit : group.writes) {
    CollectionState& state = *commit->collection;
    const std::shared_ptr<Index> index = state.index();
    if (index != nullptr) index->Publish(state.writer.clock, state.writer.feed);
    state.versions = state.writer.versions;
    state.tombstones = state.writer.tombstones;
    state.set_published(state.writer.clock);
    written.push_back(commit->collection);
  }
  if (group.task != nullptr && group.task->apply != nullptr) {
    group.task->apply();
  }
  guard_.Written(written, synced);
  if (group.created != nullptr) registry_.Add(group.created);
  if (group.dropped != nullptr) {
    registry_.Remove(*group.dropped);
    group.dropped->Drop();
  }
}

}  // namespace corkscrew
