#include "db/local_collection.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "corkscrew/limits.h"
#include "db/call_end.h"
#include "db/collection_info.h"
#include "db/expiry.h"
#include "db/filter.h"
#include "db/moments.h"
#include "db/op.h"
#include "db/page_token.h"
#include "db/query_preparation.h"
#include "db/record_limits.h"
#include "db/retention.h"
#include "db/tags.h"
#include "db/version_reader.h"

namespace corkscrew {
namespace {

// Ids or rows between two looks at the deadline.
constexpr size_t kLookEvery = 256;

absl::Status CheckPageSize(size_t page_size) {
  if (page_size >= 1 && page_size <= kMaxPageSize) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("page_size is ", page_size, ", want 1 to ", kMaxPageSize));
}

}  // namespace

absl::Status LocalCollection::Named(const absl::Status& status) const {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("collection \"", name(),
                                                  "\": ", status.message()));
}

absl::Status LocalCollection::Begin(Engine::Call* running,
                                    const CallOptions& call) const {
  CORKSCREW_RETURN_IF_ERROR(running->Begin());
  CORKSCREW_RETURN_IF_ERROR(LiveIndex().status());
  return Named(CheckCall(call));
}

absl::StatusOr<std::shared_ptr<Index>> LocalCollection::LiveIndex() const {
  std::shared_ptr<Index> index = state_->index();
  if (index != nullptr && !state_->dropped()) return index;
  return absl::NotFoundError(
      absl::StrCat("collection \"", name(), "\" was dropped"));
}

absl::Status LocalCollection::AfterRead(const absl::Status& status) const {
  // The rows of a dropped collection are gone: that is not damage.
  CORKSCREW_RETURN_IF_ERROR(LiveIndex().status());
  return status;
}

MomentResolver LocalCollection::Moments() const {
  return MomentResolver(engine_->store(), *state_, state_->published(),
                        engine_->now());
}

absl::StatusOr<ReadMoment> LocalCollection::Resolve(
    const std::optional<Moment>& at) const {
  absl::StatusOr<ReadMoment> moment = Moments().Resolve(at);
  if (!moment.ok()) return AfterRead(Named(moment.status()));
  return moment;
}

absl::StatusOr<CollectionInfo> LocalCollection::Info(
    const CallOptions& call) const {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  return InfoOf(*state_, engine_->now());
}

absl::StatusOr<CollectionStats> LocalCollection::Stats(
    const CallOptions& call) const {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  return StatsOf(*state_, engine_->now());
}

absl::StatusOr<std::vector<std::optional<StoredRecord>>> LocalCollection::Get(
    absl::Span<const absl::string_view> ids, const Fields& fields,
    std::optional<Moment> at, const CallOptions& call) const {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  CORKSCREW_RETURN_IF_ERROR(Named(CheckIds(ids, kMaxGetIds)));
  const ReadEpochs::Read read(state_->reads);
  CORKSCREW_ASSIGN_OR_RETURN(const ReadMoment moment, Resolve(at));
  VersionReader reader(engine_->store(), engine_->origins(), *state_);
  std::vector<std::optional<StoredRecord>> out(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i % kLookEvery == 0) {
      CORKSCREW_RETURN_IF_ERROR(Named(CheckCall(call)));
    }
    auto version = reader.ReadAt(ids[i], moment.at);
    if (!version.ok()) return AfterRead(version.status());
    if (*version == nullptr || !IsLive((*version)->body, moment)) continue;
    out[i].emplace();
    const absl::Status filled = reader.Fill(**version, fields, &*out[i]);
    if (!filled.ok()) return AfterRead(filled);
  }
  CORKSCREW_RETURN_IF_ERROR(AfterRead(absl::OkStatus()));
  return out;
}

absl::StatusOr<SearchReply> LocalCollection::Search(
    const Query& query, const CallOptions& call) const {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  CORKSCREW_ASSIGN_OR_RETURN(
      std::vector<SearchReply> replies,
      SearchAll(absl::MakeConstSpan(&query, 1), /*name_index=*/false, call));
  return std::move(replies[0]);
}

absl::StatusOr<std::vector<SearchReply>> LocalCollection::SearchBatch(
    absl::Span<const Query> queries, const CallOptions& call) const {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  if (queries.size() > kMaxBatchQueries) {
    return Named(absl::ResourceExhaustedError(
        absl::StrCat(queries.size(), " queries in one call, at most ",
                     kMaxBatchQueries, " are allowed")));
  }
  return SearchAll(queries, /*name_index=*/true, call);
}

absl::StatusOr<std::vector<SearchReply>> LocalCollection::SearchAll(
    absl::Span<const Query> queries, bool name_index,
    const CallOptions& call) const {
  if (queries.empty()) return std::vector<SearchReply>();
  CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<Index> index, LiveIndex());
  const ReadEpochs::Read read(state_->reads);
  const MomentResolver moments = Moments();
  QueryPreparation preparation(*engine_, state_, moments, call);
  for (size_t i = 0; i < queries.size(); ++i) {
    const absl::Status added = preparation.Add(queries[i]);
    if (added.ok()) continue;
    const std::string query = name_index ? absl::StrCat("query ", i, ": ") : "";
    return AfterRead(Named(
        absl::Status(added.code(), absl::StrCat(query, added.message()))));
  }
  CORKSCREW_RETURN_IF_ERROR(AfterRead(Named(preparation.Embed())));
  for (const IndexQuery& query : preparation.queries()) {
    CORKSCREW_RETURN_IF_ERROR(Named(state_->CheckDamage(*query.at)));
  }
  const StoreOriginals originals(engine_->store(), engine_->origins(), *state_);
  absl::Status ended = absl::OkStatus();
  const auto cancelled = [&] {
    ended = CheckCall(call);
    return !ended.ok();
  };
  auto found = index->Search(preparation.queries(), originals, cancelled);
  if (!ended.ok()) return Named(ended);
  if (!found.ok()) return AfterRead(found.status());

  VersionReader reader(engine_->store(), engine_->origins(), *state_);
  std::vector<SearchReply> replies(queries.size());
  for (size_t i = 0; i < queries.size(); ++i) {
    CORKSCREW_RETURN_IF_ERROR(Named(CheckCall(call)));
    SearchReply& reply = replies[i];
    reply.at = *preparation.queries()[i].at;
    reply.stable = moments.now();
    reply.truncated = preparation.truncated(i);
    const absl::Status filled =
        FillHits(reader, (*found)[i], queries[i].fields, &reply.hits);
    if (!filled.ok()) return AfterRead(filled);
  }
  CORKSCREW_RETURN_IF_ERROR(AfterRead(absl::OkStatus()));
  return replies;
}

absl::StatusOr<HistoryReply> LocalCollection::History(
    absl::string_view id, const HistoryOptions& options,
    const CallOptions& call) const {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  CORKSCREW_RETURN_IF_ERROR(Named(CheckId(id)));
  CORKSCREW_RETURN_IF_ERROR(Named(CheckPageSize(options.page_size)));
  const Uuid& uuid = state_->row().uuid;
  std::optional<Version> after;
  if (!options.page_token.empty()) {
    absl::StatusOr<Version> decoded =
        DecodeHistoryToken(uuid, id, options.page_token);
    if (!decoded.ok()) return Named(decoded.status());
    after = *decoded;
  }
  const Lamport from = std::min(
      state_->published(),
      after.has_value() ? after->lamport : std::numeric_limits<Lamport>::max());
  VersionReader reader(engine_->store(), engine_->origins(), *state_);
  HistoryReply reply;
  absl::Status filled = absl::OkStatus();
  Version last;
  const absl::Status visited =
      reader.VisitHistory(id, from, [&](const StoredVersion& version) {
        if (after.has_value() && version.version >= *after) return true;
        if (reply.versions.size() == options.page_size) {
          reply.next_page_token = EncodeHistoryToken(uuid, id, last);
          return false;
        }
        filled = reader.Fill(version, options.fields,
                             &reply.versions.emplace_back());
        last = version.version;
        return filled.ok();
      });
  CORKSCREW_RETURN_IF_ERROR(AfterRead(visited));
  CORKSCREW_RETURN_IF_ERROR(AfterRead(filled));
  return reply;
}

absl::StatusOr<ListReply> LocalCollection::List(const ListOptions& options,
                                                const CallOptions& call) const {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  CORKSCREW_RETURN_IF_ERROR(Named(CheckPageSize(options.page_size)));
  CORKSCREW_RETURN_IF_ERROR(Named(ValidateFilter(options.filter)));
  const Uuid& uuid = state_->row().uuid;
  const ReadEpochs::Read read(state_->reads);
  ListPosition position;
  if (options.page_token.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(const ReadMoment moment, Resolve(options.at));
    position.at = moment.at;
    position.wall_ms = moment.wall_ms;
  } else {
    absl::StatusOr<ListPosition> decoded =
        DecodeListToken(uuid, options.filter, options.page_token);
    if (!decoded.ok()) return Named(decoded.status());
    position = *std::move(decoded);
    position.at = std::min(position.at, state_->published());
    CORKSCREW_RETURN_IF_ERROR(Named(Moments().CheckRetained(position.at)));
  }
  VersionReader reader(engine_->store(), engine_->origins(), *state_);
  ListReply reply;
  reply.at = position.at;
  size_t rows = 0;
  const absl::Status visited = reader.VisitRecords(
      position.id, position.at,
      [&](const StoredVersion& version) -> absl::StatusOr<bool> {
        if (++rows % kLookEvery == 0) {
          CORKSCREW_RETURN_IF_ERROR(Named(CheckCall(call)));
        }
        if (!options.include_deleted &&
            !IsLive(version.body, {position.at, position.wall_ms})) {
          return true;
        }
        StoredRecord record;
        Fields fields = options.fields;
        fields.metadata = true;
        CORKSCREW_RETURN_IF_ERROR(reader.Fill(version, fields, &record));
        if (!Matches(options.filter, record.record.metadata)) return true;
        if (reply.records.size() == options.page_size) {
          position.id = reply.records.back().record.id;
          reply.next_page_token =
              EncodeListToken(uuid, options.filter, position);
          return false;
        }
        if (!options.fields.metadata) record.record.metadata.clear();
        reply.records.push_back(std::move(record));
        return true;
      });
  CORKSCREW_RETURN_IF_ERROR(AfterRead(visited));
  return reply;
}

absl::StatusOr<size_t> LocalCollection::Count(const Filter& filter,
                                              std::optional<Moment> at,
                                              const CallOptions& call) const {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  CORKSCREW_RETURN_IF_ERROR(Named(ValidateFilter(filter)));
  const ReadEpochs::Read read(state_->reads);
  CORKSCREW_ASSIGN_OR_RETURN(const ReadMoment moment, Resolve(at));
  CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<Index> index, LiveIndex());
  CORKSCREW_RETURN_IF_ERROR(Named(state_->CheckDamage(moment.at)));
  if (!state_->expires) return index->Count(&filter, moment.at);
  const Filter unexpired = UnexpiredFilter(filter, moment.wall_ms);
  return index->Count(&unexpired, moment.at);
}

absl::StatusOr<TagInfo> LocalCollection::CreateTag(absl::string_view tag,
                                                   std::optional<Moment> at,
                                                   const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  absl::StatusOr<TagInfo> info =
      corkscrew::CreateTag(*engine_, state_, tag, at);
  if (!info.ok()) return AfterRead(Named(info.status()));
  return info;
}

absl::Status LocalCollection::DeleteTag(absl::string_view tag,
                                        const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  return AfterRead(Named(corkscrew::DeleteTag(*engine_, state_, tag)));
}

absl::StatusOr<std::vector<TagInfo>> LocalCollection::ListTags(
    const CallOptions& call) const {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  return state_->moments.Tags();
}

absl::Status LocalCollection::SetRetention(const Retention& retention,
                                           const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  return AfterRead(Named(corkscrew::SetRetention(*engine_, state_, retention)));
}

absl::StatusOr<Retention> LocalCollection::GetRetention(
    const CallOptions& call) const {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  return state_->moments.retention();
}

absl::StatusOr<RetentionReply> LocalCollection::ApplyRetention(
    const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  CORKSCREW_RETURN_IF_ERROR(Named(engine_->CheckWritable()));
  absl::StatusOr<RetentionReply> reply =
      engine_->maintenance().ApplyRetention(state_, call);
  if (!reply.ok()) return AfterRead(Named(reply.status()));
  return reply;
}

absl::StatusOr<PurgeReply> LocalCollection::Purge(
    absl::Span<const absl::string_view> ids, const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(Begin(&running, call));
  if (ids.empty()) {
    return Named(absl::InvalidArgumentError("no items to purge"));
  }
  CORKSCREW_RETURN_IF_ERROR(Named(CheckIds(ids, kMaxPutRecords)));
  CORKSCREW_RETURN_IF_ERROR(Named(engine_->CheckWritable()));
  absl::StatusOr<PurgeReply> reply =
      engine_->maintenance().Purge(state_, ids, call);
  if (!reply.ok()) return AfterRead(Named(reply.status()));
  return reply;
}

}  // namespace corkscrew
