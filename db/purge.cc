#include "db/purge.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/cursor.h"
#include "base/status_macros.h"
#include "db/backup.h"
#include "db/call_end.h"
#include "db/encode.h"
#include "db/index_keeper.h"
#include "db/keys.h"
#include "db/op.h"
#include "db/retention.h"
#include "db/rows.h"
#include "db/write_commit.h"

namespace corkscrew {
namespace {

// More records than this: all of the collection is rewritten in one go.
constexpr size_t kMostRanges = 64;

// Bodies deleted in one batch, about.
constexpr size_t kDeleteAtOnce = 1024;

absl::Status Damaged(absl::string_view key, const absl::Status& why) {
  return absl::DataLossError(absl::StrCat("row ", absl::BytesToHexString(key),
                                          " is damaged: ", why.message()));
}

struct StoredMark {
  std::string id;
  PurgeRow row;
};

// The purge rows of a collection, by id.
absl::StatusOr<std::vector<StoredMark>> ReadMarks(const Store& store,
                                                  uint32_t collection) {
  const std::string prefix = KindPrefix('p', collection);
  const auto it = store.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
  std::vector<StoredMark> marks;
  for (it->Seek(prefix); it->valid(); it->Next()) {
    Stream stream;
    StoredMark mark;
    absl::StatusOr<PurgeRow> row = DecodePurgeRow(it->value());
    if (!row.ok() || !ParsePurgeKey(it->key(), &stream, &mark.id)) {
      return Damaged(it->key(), row.status());
    }
    mark.row = *row;
    marks.push_back(std::move(mark));
  }
  CORKSCREW_RETURN_IF_ERROR(it->status());
  return marks;
}

// Calls `visit` with the key of each version of `id` below `below`.
template <typename Visit>
absl::Status VisitOlder(const Store& store, uint32_t collection,
                        absl::string_view id, Lamport below, Visit visit) {
  const Stream stream{collection, 0};
  const std::string prefix = BodyPrefix(stream, id);
  const std::string first =
      BodySeekKey(stream, id, below - std::min<Lamport>(below, 1));
  const auto it = store.NewIterator(Family::kBodies, first, PrefixEnd(prefix));
  for (it->Seek(first); it->valid(); it->Next()) {
    uint32_t number;
    BodyKey body;
    if (!ParseBodyRowKey(it->key(), &number, &body)) {
      return Damaged(it->key(), absl::DataLossError("not a key of a body"));
    }
    visit(it->key(), body);
  }
  return it->status();
}

}  // namespace

std::string Encode(const PurgeRow& row) {
  std::string out;
  AppendBig(row.lamport, &out);
  AppendBig(row.origin, &out);
  AppendBig(row.seq, &out);
  AppendBig(static_cast<uint8_t>(row.erased), &out);
  return out;
}

absl::StatusOr<PurgeRow> DecodePurgeRow(absl::string_view bytes) {
  Cursor cursor(bytes);
  PurgeRow row;
  uint8_t erased;
  if (!cursor.ReadBig(&row.lamport) || row.lamport == 0 ||
      !cursor.ReadBig(&row.origin) || !cursor.ReadBig(&row.seq) ||
      !cursor.ReadBig(&erased) || erased > 1 || !cursor.done()) {
    return absl::DataLossError("purge mark is malformed");
  }
  row.erased = erased == 1;
  return row;
}

absl::StatusOr<std::vector<PurgeMark>> ReadPurgeMarks(Engine& engine) {
  std::vector<PurgeMark> all;
  for (const auto& state : engine.registry().All()) {
    CORKSCREW_ASSIGN_OR_RETURN(const std::vector<StoredMark> marks,
                               ReadMarks(engine.store(), state->number()));
    for (const StoredMark& mark : marks) {
      const std::optional<Origin> origin =
          engine.origins().Get(mark.row.origin);
      if (!origin.has_value()) {
        return absl::DataLossError(
            absl::StrCat("the purge mark of \"", mark.id, "\" names origin ",
                         mark.row.origin, ", which is not known"));
      }
      all.push_back({state->row().uuid,
                     mark.id,
                     {mark.row.lamport, origin->replica, origin->incarnation,
                      mark.row.seq}});
    }
  }
  return all;
}

absl::Status LoadPurges(const Store& store, CollectionRegistry* registry,
                        WriteBatch* batch) {
  for (const auto& state : registry->All()) {
    CORKSCREW_ASSIGN_OR_RETURN(const std::vector<StoredMark> marks,
                               ReadMarks(store, state->number()));
    size_t removed = 0;
    CORKSCREW_RETURN_IF_ERROR(HidePurged(store, state.get()));
    for (const StoredMark& mark : marks) {
      if (mark.row.erased) continue;
      absl::Status status = absl::OkStatus();
      CORKSCREW_RETURN_IF_ERROR(VisitOlder(
          store, state->number(), mark.id, mark.row.lamport,
          [&](absl::string_view key, const BodyKey& body) {
            batch->Delete(Family::kBodies, key);
            status.Update(MarkBodyDropped(store, state->number(), body, batch));
            ++removed;
          }));
      CORKSCREW_RETURN_IF_ERROR(status);
      state->purge_pending = true;
    }
    if (removed == 0) continue;
    state->writer.versions -= removed;
    state->versions = state->writer.versions;
    batch->Put(Family::kRows, ClockKey(state->number()),
               Encode(state->clock_row()));
  }
  return absl::OkStatus();
}

absl::Status HidePurged(const Store& store, CollectionState* collection) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<StoredMark> marks,
                             ReadMarks(store, collection->number()));
  std::vector<Forgotten> forgotten;
  for (const StoredMark& mark : marks) {
    forgotten.push_back({mark.id, mark.row.lamport});
  }
  if (const std::shared_ptr<Index> index = collection->index()) {
    index->Forget(forgotten);
  }
  return absl::OkStatus();
}

absl::StatusOr<PurgeReply> Purge::Run(absl::Span<const absl::string_view> ids,
                                      const CallOptions& call) {
  // Each once, in the order given.
  std::vector<absl::string_view> records;
  absl::flat_hash_set<absl::string_view> seen;
  for (const absl::string_view id : ids) {
    if (seen.insert(id).second) records.push_back(id);
  }
  PurgeReply reply;
  CORKSCREW_RETURN_IF_ERROR(Mark(records, &reply));
  // Whoever found a version before it was hidden reads it before it goes.
  state_->reads.WaitForReads();
  CORKSCREW_ASSIGN_OR_RETURN(reply.purged,
                             DeleteBodies(records, reply.lamport));
  const std::vector<std::string> owned(records.begin(), records.end());
  CORKSCREW_RETURN_IF_ERROR(EraseFiles(owned, call));
  CORKSCREW_RETURN_IF_ERROR(NoteErased(owned));
  reply.untouched = KnownBackups(*engine_.environment().files, engine_.path());
  return reply;
}

absl::Status Purge::Resume(const CallOptions& call) {
  if (!state_->purge_pending) return absl::OkStatus();
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<StoredMark> marks,
                             ReadMarks(engine_.store(), state_->number()));
  std::vector<std::string> ids;
  for (const StoredMark& mark : marks) {
    if (mark.row.erased) continue;
    CORKSCREW_RETURN_IF_ERROR(
        DeleteBodies({mark.id}, mark.row.lamport).status());
    ids.push_back(mark.id);
  }
  if (!ids.empty()) CORKSCREW_RETURN_IF_ERROR(EraseFiles(ids, call));
  return NoteErased(ids);
}

absl::Status Purge::Mark(const std::vector<absl::string_view>& ids,
                         PurgeReply* reply) {
  state_->purge_pending = true;
  std::vector<PreparedItem> items(ids.size());
  size_t bytes = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    items[i].id = ids[i];
    items[i].hashes = TombstoneHashes();
    bytes += ids[i].size();
  }
  WriteCommit write{.collection = state_,
                    .kind = OpKind::kPurge,
                    .items = absl::MakeSpan(items)};
  Commit commit{&write, absl::OkStatus(), bytes};
  commit.makes_room = true;
  CORKSCREW_RETURN_IF_ERROR(engine_.Run(&commit));
  reply->lamport = write.lamport;
  return absl::OkStatus();
}

absl::StatusOr<size_t> Purge::DeleteBodies(
    const std::vector<absl::string_view>& ids, Lamport below) {
  size_t removed = 0;
  std::vector<BodyKey> older;
  for (size_t i = 0; i < ids.size(); ++i) {
    CORKSCREW_RETURN_IF_ERROR(
        VisitOlder(engine_.store(), state_->number(), ids[i], below,
                   [&](absl::string_view /*key*/, const BodyKey& body) {
                     older.push_back(body);
                   }));
    if (older.empty() || (older.size() < kDeleteAtOnce && i + 1 < ids.size())) {
      continue;
    }
    CORKSCREW_RETURN_IF_ERROR(RemoveBodies(engine_, state_, older));
    removed += older.size();
    older.clear();
  }
  return removed;
}

absl::Status Purge::EraseFiles(const std::vector<std::string>& ids,
                               const CallOptions& call) {
  const uint32_t number = state_->number();
  std::vector<Store::KeyRange> ranges;
  if (ids.size() <= kMostRanges) {
    for (const std::string& id : ids) {
      const std::string prefix = BodyPrefix({number, 0}, id);
      ranges.push_back({prefix, PrefixEnd(prefix)});
    }
  } else {
    const std::string prefix = BodyCollectionPrefix(number);
    ranges.push_back({prefix, PrefixEnd(prefix)});
  }
  CORKSCREW_RETURN_IF_ERROR(engine_.keeper().Forget(*state_));
  return engine_.EraseDeleted(ranges, [&call] { return CheckCall(call); });
}

absl::Status Purge::NoteErased(const std::vector<std::string>& ids) {
  TaskCommit task;
  task.stage = [&](TaskStage& stage) -> absl::Status {
    if (state_->dropped()) return absl::OkStatus();
    for (const std::string& id : ids) {
      const std::string key = PurgeKey({state_->number(), 0}, id);
      CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                                 engine_.store().Get(Family::kRows, key));
      if (!value.has_value()) continue;
      absl::StatusOr<PurgeRow> row = DecodePurgeRow(*value);
      if (!row.ok()) return Damaged(key, row.status());
      row->erased = true;
      stage.batch.Put(Family::kRows, key, Encode(*row));
    }
    return absl::OkStatus();
  };
  task.apply = [&] { state_->purge_pending = false; };
  Commit commit{&task, absl::OkStatus(), kAloneInGroup};
  commit.makes_room = true;
  return engine_.Run(&commit);
}

}  // namespace corkscrew
