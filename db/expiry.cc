#include "db/expiry.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "db/keys.h"
#include "db/op.h"
#include "db/write_commit.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kExpiryKey = "";

// The version that an `e` row names.
struct Due {
  std::string row_key;
  std::string id;  // Empty: there is no such op.
  Version version;
  bool ours = false;
};

absl::Status Damaged(absl::string_view key, const absl::Status& why) {
  return absl::DataLossError(absl::StrCat("row ", absl::BytesToHexString(key),
                                          " is damaged: ", why.message()));
}

// The first `most` versions whose time is over at `clock_ms`.
absl::StatusOr<std::vector<Due>> FindDue(const Engine& engine,
                                         uint32_t collection, int64_t clock_ms,
                                         size_t most) {
  const Store& store = engine.store();
  const std::string begin = ExpiryKey({collection, 0}, 1, 0, 0);
  const std::string end = ExpiryKey(
      {collection, 0},
      static_cast<uint64_t>(std::max<int64_t>(0, clock_ms)) + 1, 0, 0);
  if (begin >= end) return std::vector<Due>();
  const auto it = store.NewIterator(Family::kRows, begin, end);
  std::vector<Due> all;
  for (it->Seek(begin); it->valid() && all.size() < most; it->Next()) {
    Stream stream;
    uint64_t expires_ms, seq;
    uint32_t number;
    if (!ParseExpiryKey(it->key(), &stream, &expires_ms, &number, &seq)) {
      return Damaged(it->key(), absl::DataLossError("not a key of an expiry"));
    }
    Due& due = all.emplace_back();
    due.row_key = std::string(it->key());
    const std::optional<Origin> origin = engine.origins().Get(number);
    const std::string op_key = OpKey(stream, number, seq);
    CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                               store.Get(Family::kRows, op_key));
    if (!value.has_value() || !origin.has_value()) continue;
    absl::StatusOr<Op> op = DecodeOp(*value);
    if (!op.ok()) return Damaged(op_key, op.status());
    due.id = std::move(op->id);
    due.version = {op->lamport, origin->replica, origin->incarnation, seq};
    due.ours = origin->replica == engine.origin().replica;
  }
  CORKSCREW_RETURN_IF_ERROR(it->status());
  return all;
}

}  // namespace

void AddExpiry(uint64_t expires_ms, Metadata* metadata) {
  (*metadata)[std::string(kExpiryKey)] = static_cast<int64_t>(expires_ms);
}

Filter UnexpiredFilter(const Filter& filter, int64_t wall_ms) {
  Filter unexpired = Filter::Not(
      Filter::Compare(Filter::Op::kLe, std::string(kExpiryKey), wall_ms));
  if (filter.op == Filter::Op::kAll) return unexpired;
  return Filter::And({std::move(unexpired), filter});
}

absl::Status LoadExpiry(const Store& store, CollectionRegistry* registry) {
  for (const auto& state : registry->All()) {
    CORKSCREW_ASSIGN_OR_RETURN(
        const std::optional<std::string> marker,
        store.Get(Family::kRows, KindPrefix('e', state->number())));
    state->expires = marker.has_value();
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> DeleteExpired(
    Engine& engine, const std::shared_ptr<CollectionState>& state,
    size_t most) {
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::vector<Due> due,
      FindDue(engine, state->number(), absl::ToUnixMillis(engine.now()), most));
  if (due.empty()) return size_t{0};
  // Those that are not current any more are left alone, whatever they are now.
  const Filter nothing = Filter::Or({});
  MatchingDelete matching{.filter = &nothing, .last = true};
  std::vector<PreparedItem> items;
  size_t bytes = 0;
  for (const Due& one : due) {
    if (one.id.empty() || !one.ours) continue;
    PreparedItem& item = items.emplace_back();
    item.id = one.id;
    item.if_version = one.version;
    item.hashes = TombstoneHashes();
    bytes += one.id.size();
  }
  WriteCommit write{.collection = state,
                    .kind = OpKind::kDelete,
                    .items = absl::MakeSpan(items),
                    .matching = &matching};
  Commit commit{&write, absl::OkStatus(), bytes};
  CORKSCREW_RETURN_IF_ERROR(engine.Run(&commit));
  TaskCommit task;
  task.stage = [&](TaskStage& stage) {
    for (const Due& one : due) {
      stage.batch.Delete(Family::kRows, one.row_key);
    }
    return absl::OkStatus();
  };
  Commit cleanup{&task, absl::OkStatus(), kAloneInGroup};
  CORKSCREW_RETURN_IF_ERROR(engine.Run(&cleanup));
  return due.size();
}

}  // namespace corkscrew
