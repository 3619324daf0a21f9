// The writes of a collection.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "corkscrew/limits.h"
#include "db/call_end.h"
#include "db/filter.h"
#include "db/local_collection.h"
#include "db/metadata_codec.h"
#include "db/op.h"
#include "db/patch_preparation.h"
#include "db/put_preparation.h"
#include "db/query_preparation.h"
#include "db/record_limits.h"
#include "db/version_reader.h"

namespace corkscrew {
namespace {

// Rows between two looks at the deadline.
constexpr size_t kLookEvery = 256;

}  // namespace

absl::Status LocalCollection::CheckWrite(const WriteOptions& options) const {
  CORKSCREW_RETURN_IF_ERROR(Named(engine_->CheckWritable()));
  if (options.ack != Ack::kOne) {
    return Named(absl::UnimplementedError(
        "ack kQuorum and kAll need a cluster, which comes later"));
  }
  CORKSCREW_RETURN_IF_ERROR(Named(CheckRequestId(options.request_id)));
  return Named(CheckSpace(options.space, state_->row().descriptor));
}

absl::StatusOr<PutReply> LocalCollection::Put(absl::Span<const PutItem> items,
                                              const WriteOptions& options,
                                              const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  CORKSCREW_RETURN_IF_ERROR(CheckWrite(options));
  PutPreparation preparation(*engine_, state_, items, options, call);
  CORKSCREW_RETURN_IF_ERROR(preparation.Run());
  WriteCommit write{.collection = state_,
                    .kind = OpKind::kPut,
                    .items = preparation.items(),
                    .request_id = options.request_id,
                    .skip_unchanged = options.skip_unchanged};
  if (!write.request_id.empty()) {
    write.request_hash = preparation.request_hash();
  }
  CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
  Commit commit{&write, absl::OkStatus(), preparation.bytes(),
                options.durability == Durability::kSync};
  CORKSCREW_RETURN_IF_ERROR(engine_->Run(&commit));

  return ReplyOf(write, preparation.statuses());
}

absl::StatusOr<PutReply> LocalCollection::ReplyOf(
    const WriteCommit& write, absl::Span<const absl::Status> statuses) const {
  PutReply reply;
  reply.lamport = write.lamport;
  reply.replayed = write.replayed;
  reply.items.resize(statuses.size());
  const std::optional<Origin> origin = engine_->origins().Get(write.origin);
  if (write.outcomes.size() != statuses.size() || !origin.has_value()) {
    return Named(absl::DataLossError(absl::StrCat(
        "the row of request id \"", write.request_id, "\" is damaged")));
  }
  uint64_t seq = write.first_seq;
  for (size_t i = 0; i < statuses.size(); ++i) {
    PutOutcome& out = reply.items[i];
    out.status = statuses[i];
    switch (write.outcomes[i]) {
      case ItemOutcome::kWrittenTruncated:
        out.truncated = true;
        [[fallthrough]];
      case ItemOutcome::kWritten:
        out.version = {write.lamport, origin->replica, origin->incarnation,
                       seq++};
        break;
      case ItemOutcome::kUnchangedTruncated:
        out.truncated = true;
        [[fallthrough]];
      case ItemOutcome::kUnchanged:
        out.unchanged = true;
        break;
      default:
        break;
    }
  }
  return reply;
}

absl::StatusOr<DeleteReply> LocalCollection::Delete(
    absl::Span<const absl::string_view> ids, const WriteOptions& options,
    const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  CORKSCREW_RETURN_IF_ERROR(CheckWrite(options));
  if (ids.empty()) {
    return Named(absl::InvalidArgumentError("no items to delete"));
  }
  CORKSCREW_RETURN_IF_ERROR(Named(CheckIds(ids, kMaxPutRecords)));
  std::vector<PreparedItem> items(ids.size());
  std::vector<RequestItem> hashed(ids.size());
  size_t bytes = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    items[i].id = ids[i];
    items[i].hashes = TombstoneHashes();
    hashed[i].id = ids[i];
    bytes += ids[i].size();
  }
  WriteCommit write{.collection = state_,
                    .kind = OpKind::kDelete,
                    .items = absl::MakeSpan(items),
                    .request_id = options.request_id};
  if (!write.request_id.empty()) {
    write.request_hash = RequestHash(RequestKind::kDelete, hashed);
  }
  Commit commit{&write, absl::OkStatus(), bytes,
                options.durability == Durability::kSync};
  CORKSCREW_RETURN_IF_ERROR(engine_->Run(&commit));

  DeleteReply reply;
  reply.lamport = write.lamport;
  reply.replayed = write.replayed;
  for (const ItemOutcome outcome : write.outcomes) {
    reply.deleted.push_back(outcome == ItemOutcome::kWritten);
  }
  if (reply.deleted.size() != ids.size()) {
    return Named(absl::DataLossError(absl::StrCat(
        "the row of request id \"", options.request_id, "\" is damaged")));
  }
  return reply;
}

absl::StatusOr<PutReply> LocalCollection::Patch(
    absl::Span<const PatchItem> items, const WriteOptions& options,
    const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  CORKSCREW_RETURN_IF_ERROR(CheckWrite(options));
  PatchPreparation preparation(items, options);
  CORKSCREW_RETURN_IF_ERROR(Named(preparation.Run()));
  WriteCommit write{.collection = state_,
                    .kind = OpKind::kPut,
                    .items = preparation.items(),
                    .request_id = options.request_id,
                    .skip_unchanged = options.skip_unchanged};
  if (!write.request_id.empty()) {
    write.request_hash = preparation.request_hash();
  }
  Commit commit{&write, absl::OkStatus(), preparation.bytes(),
                options.durability == Durability::kSync};
  CORKSCREW_RETURN_IF_ERROR(engine_->Run(&commit));
  return ReplyOf(write, preparation.statuses());
}

absl::StatusOr<std::vector<PreparedItem>> LocalCollection::FindMatching(
    const Filter& filter, Lamport at, std::string* after, bool* end,
    std::deque<std::string>* ids, const CallOptions& call) const {
  VersionReader reader(engine_->store(), engine_->origins(), *state_);
  std::vector<PreparedItem> items;
  size_t rows = 0;
  *end = true;
  const absl::Status visited = reader.VisitRecords(
      *after, at, [&](const StoredVersion& version) -> absl::StatusOr<bool> {
        if (++rows % kLookEvery == 0) {
          CORKSCREW_RETURN_IF_ERROR(Named(CheckCall(call)));
        }
        if (version.body.kind != OpKind::kPut) return true;
        CORKSCREW_ASSIGN_OR_RETURN(const Metadata metadata,
                                   DecodeMetadata(version.body.metadata));
        if (!Matches(filter, metadata)) return true;
        if (items.size() == kMaxPutRecords) {
          *end = false;
          return false;
        }
        *after = version.key.id;
        PreparedItem& item = items.emplace_back();
        item.id = ids->emplace_back(version.key.id);
        item.if_version = version.version;
        item.hashes = TombstoneHashes();
        return true;
      });
  CORKSCREW_RETURN_IF_ERROR(visited);
  return items;
}

absl::StatusOr<DeleteMatchingReply> LocalCollection::DeleteMatching(
    const Filter& filter, const WriteOptions& options,
    const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  CORKSCREW_RETURN_IF_ERROR(CheckWrite(options));
  CORKSCREW_RETURN_IF_ERROR(Named(ValidateFilter(filter)));
  if (filter.op == Filter::Op::kAll) {
    return Named(absl::InvalidArgumentError(
        "a filter that matches everything; to delete all, drop the "
        "collection"));
  }
  MatchingDelete matching{.filter = &filter};
  WriteCommit write;
  const auto commit = [&](absl::Span<PreparedItem> items) -> absl::Status {
    write = {.collection = state_,
             .kind = OpKind::kDelete,
             .items = items,
             .request_id = options.request_id,
             .matching = &matching};
    if (!write.request_id.empty()) write.request_hash = RequestHash(filter);
    size_t bytes = 0;
    for (const PreparedItem& item : items) bytes += item.id.size();
    Commit queued{&write, absl::OkStatus(), bytes,
                  options.durability == Durability::kSync};
    return engine_->Run(&queued);
  };
  // Is this a retry? Ask before reading everything.
  if (!options.request_id.empty()) CORKSCREW_RETURN_IF_ERROR(commit({}));
  const Lamport at = state_->published();
  std::string after;
  while (!matching.last && !write.replayed) {
    CORKSCREW_RETURN_IF_ERROR(Named(CheckCall(call)));
    std::deque<std::string> ids;
    auto items = FindMatching(filter, at, &after, &matching.last, &ids, call);
    if (!items.ok()) return AfterRead(items.status());
    if (items->empty() && options.request_id.empty()) break;
    CORKSCREW_RETURN_IF_ERROR(commit(absl::MakeSpan(*items)));
  }
  return DeleteMatchingReply{.lamport = matching.lamport != 0 ? matching.lamport
                                        : options.request_id.empty()
                                            ? state_->published()
                                            : write.lamport,
                             .deleted = matching.deleted,
                             .replayed = write.replayed};
}

}  // namespace corkscrew
