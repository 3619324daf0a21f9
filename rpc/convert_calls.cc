// Collections, writes and searches.

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "rpc/convert.h"
#include "rpc/status.h"

namespace corkscrew {
namespace {

// These have equal numbers on both sides.
static_assert(static_cast<int>(Metric::kCosine) == v1::METRIC_COSINE);
static_assert(static_cast<int>(Metric::kL2) == v1::METRIC_L2);
static_assert(static_cast<int>(Originals::kFloat32) == v1::ORIGINALS_FLOAT32);
static_assert(static_cast<int>(Originals::kCodesOnly) ==
              v1::ORIGINALS_CODES_ONLY);
// These start at 0 here and at 1 on the wire.
static_assert(static_cast<int>(Durability::kRelaxed) + 1 ==
              v1::DURABILITY_RELAXED);
static_assert(static_cast<int>(Ack::kAll) + 1 == v1::ACK_ALL);
static_assert(static_cast<int>(SearchMode::kVector) + 1 ==
              v1::SEARCH_MODE_VECTOR);

// Names an enumerator that this version does not know.
absl::Status UnknownEnumerator(const FieldPath& path, int number) {
  return FieldViolation(path.ToString(),
                        absl::StrCat("unknown enumerator ", number));
}

// A message without any field set stands for Version{}: no live record.
template <typename Item>
absl::Status IfVersionFromProto(const Item& proto, const FieldPath& path,
                                std::optional<Version>* version) {
  if (!proto.has_if_version()) return absl::OkStatus();
  const v1::Version& in = proto.if_version();
  version->emplace();
  if (in.ByteSizeLong() == 0) return absl::OkStatus();
  return FromProto(in, path.Field("if_version"), &**version);
}

// Of PutResponse and PatchResponse, which have the same fields.
template <typename Response>
void OutcomesToProto(const PutReply& reply, Response* proto) {
  proto->set_lamport(reply.lamport);
  proto->set_replayed(reply.replayed);
  proto->mutable_items()->Reserve(static_cast<int>(reply.items.size()));
  for (const PutOutcome& outcome : reply.items) {
    v1::PutOutcome* item = proto->add_items();
    if (!outcome.status.ok()) ToProto(outcome.status, item->mutable_status());
    if (outcome.version != Version{}) {
      ToProto(outcome.version, item->mutable_version());
    }
    item->set_unchanged(outcome.unchanged);
    item->set_truncated(outcome.truncated);
  }
}

template <typename Response>
absl::Status OutcomesFromProto(const Response& proto, PutReply* reply) {
  reply->lamport = proto.lamport();
  reply->replayed = proto.replayed();
  reply->items.resize(proto.items_size());
  for (int i = 0; i < proto.items_size(); ++i) {
    const v1::PutOutcome& item = proto.items(i);
    PutOutcome& outcome = reply->items[i];
    if (item.has_status()) outcome.status = FromProto(item.status());
    if (item.has_version()) {
      CORKSCREW_RETURN_IF_ERROR(
          FromProto(item.version(), FieldPath("response").Item("items", i),
                    &outcome.version));
    }
    outcome.unchanged = item.unchanged();
    outcome.truncated = item.truncated();
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ToProto(const CollectionOptions& options,
                     v1::CollectionOptions* proto) {
  CORKSCREW_RETURN_IF_ERROR(
      ToProtoText("model", options.model, proto->mutable_model()));
  proto->set_dim(options.dim);
  proto->set_metric(static_cast<v1::Metric>(options.metric));
  proto->set_bits(options.bits);
  proto->set_originals(static_cast<v1::Originals>(options.originals));
  proto->set_seed(options.seed);
  proto->set_shards(options.shards);
  return absl::OkStatus();
}

absl::Status FromProto(const v1::CollectionOptions& proto,
                       const FieldPath& path, CollectionOptions* options) {
  options->model = proto.model();
  options->dim = proto.dim();
  if (proto.has_metric()) {
    if (proto.metric() == v1::METRIC_UNSPECIFIED ||
        !v1::Metric_IsValid(proto.metric())) {
      return UnknownEnumerator(path.Field("metric"), proto.metric());
    }
    options->metric = static_cast<Metric>(proto.metric());
  }
  if (proto.has_bits()) options->bits = proto.bits();
  if (proto.has_originals()) {
    if (proto.originals() == v1::ORIGINALS_UNSPECIFIED ||
        !v1::Originals_IsValid(proto.originals())) {
      return UnknownEnumerator(path.Field("originals"), proto.originals());
    }
    options->originals = static_cast<Originals>(proto.originals());
  }
  if (proto.has_seed()) options->seed = proto.seed();
  if (proto.has_shards()) options->shards = proto.shards();
  return absl::OkStatus();
}

absl::Status ToProto(const CollectionInfo& info, v1::CollectionInfo* proto) {
  CORKSCREW_RETURN_IF_ERROR(
      ToProtoText("name", info.name, proto->mutable_name()));
  CORKSCREW_RETURN_IF_ERROR(
      ToProtoText("space", info.space, proto->mutable_space()));
  CORKSCREW_RETURN_IF_ERROR(ToProto(info.options, proto->mutable_options()));
  proto->set_uuid(info.uuid.bytes.data(), info.uuid.bytes.size());
  proto->set_generation(info.generation);
  proto->set_lamport(info.lamport);
  proto->set_records(info.records);
  proto->set_floor(info.floor);
  return absl::OkStatus();
}

absl::Status FromProto(const v1::CollectionInfo& proto, const FieldPath& path,
                       CollectionInfo* info) {
  info->name = proto.name();
  info->space = proto.space();
  info->generation = proto.generation();
  info->lamport = proto.lamport();
  info->records = proto.records();
  info->floor = proto.floor();
  CORKSCREW_RETURN_IF_ERROR(
      UuidFromProto(proto.uuid(), path.Field("uuid"), &info->uuid));
  return FromProto(proto.options(), path.Field("options"), &info->options);
}

absl::Status ToProto(const CollectionStats& stats, v1::CollectionSizes* proto) {
  proto->set_versions(stats.versions);
  proto->set_tombstones(stats.tombstones);
  proto->set_index_bytes(stats.index_bytes);
  proto->set_rescore_bytes(stats.rescore_bytes);
  return ToProto(stats.info, proto->mutable_info());
}

absl::Status FromProto(const v1::CollectionSizes& proto, const FieldPath& path,
                       CollectionStats* stats) {
  stats->versions = proto.versions();
  stats->tombstones = proto.tombstones();
  stats->index_bytes = proto.index_bytes();
  stats->rescore_bytes = proto.rescore_bytes();
  return FromProto(proto.info(), path.Field("info"), &stats->info);
}

absl::Status ToProto(const DbStats& stats, v1::StatsResponse* proto) {
  proto->set_uuid(stats.uuid.bytes.data(), stats.uuid.bytes.size());
  proto->set_replica(stats.replica.bytes.data(), stats.replica.bytes.size());
  proto->set_incarnation(stats.incarnation);
  proto->set_format_version(stats.format_version);
  proto->set_state(static_cast<v1::DbState>(stats.state));
  proto->set_state_reason(stats.state_reason);
  v1::MemoryStats& memory = *proto->mutable_memory();
  memory.set_block_cache(stats.memory.block_cache);
  memory.set_memtables(stats.memory.memtables);
  memory.set_index(stats.memory.index);
  memory.set_rescore(stats.memory.rescore);
  memory.set_queues(stats.memory.queues);
  memory.set_mapped(stats.memory.mapped);
  proto->set_disk_bytes(stats.disk_bytes);
  proto->set_recovery_dropped_bytes(stats.recovery_dropped_bytes);
  for (const CollectionStats& collection : stats.collections) {
    CORKSCREW_RETURN_IF_ERROR(ToProto(collection, proto->add_collections()));
  }
  return absl::OkStatus();
}

absl::Status FromProto(const v1::StatsResponse& proto, DbStats* stats) {
  CORKSCREW_RETURN_IF_ERROR(
      UuidFromProto(proto.uuid(), FieldPath("uuid"), &stats->uuid));
  CORKSCREW_RETURN_IF_ERROR(
      UuidFromProto(proto.replica(), FieldPath("replica"), &stats->replica));
  stats->incarnation = proto.incarnation();
  stats->format_version = proto.format_version();
  // A newer node may know a state that this client does not: it is told apart
  // by its reason, and is not writable.
  stats->state = v1::DbState_IsValid(proto.state()) && proto.state() != 0
                     ? static_cast<DbState>(proto.state())
                     : DbState::kFailed;
  stats->state_reason = proto.state_reason();
  stats->memory = {.block_cache = proto.memory().block_cache(),
                   .memtables = proto.memory().memtables(),
                   .index = proto.memory().index(),
                   .rescore = proto.memory().rescore(),
                   .queues = proto.memory().queues(),
                   .mapped = proto.memory().mapped()};
  stats->disk_bytes = proto.disk_bytes();
  stats->recovery_dropped_bytes = proto.recovery_dropped_bytes();
  stats->collections.resize(proto.collections_size());
  for (int i = 0; i < proto.collections_size(); ++i) {
    CORKSCREW_RETURN_IF_ERROR(FromProto(
        proto.collections(i), FieldPath("response").Item("collections", i),
        &stats->collections[i]));
  }
  return absl::OkStatus();
}

absl::Status ToProto(const PutItem& item, v1::PutItem* proto) {
  if (item.if_version.has_value()) {
    ToProto(*item.if_version, proto->mutable_if_version());
  }
  proto->set_expires_ms(item.record.expires_ms);
  return ToProto(item.record, proto->mutable_record());
}

absl::Status FromProto(
    const google::protobuf::RepeatedPtrField<v1::PutItem>& proto,
    PutItems* items) {
  items->metadata.resize(proto.size());
  items->items.resize(proto.size());
  for (int i = 0; i < proto.size(); ++i) {
    const FieldPath request("request");
    const FieldPath path = request.Item("items", i);
    if (!proto[i].has_record()) {
      return FieldViolation(path.Field("record").ToString(), "missing");
    }
    const v1::Record& record = proto[i].record();
    CORKSCREW_RETURN_IF_ERROR(FromProto(record.metadata(), path.Field("record"),
                                        &items->metadata[i]));
    PutItem& item = items->items[i];
    item.record.id = record.id();
    item.record.text = record.text();
    item.record.vector = absl::MakeConstSpan(
        record.vector().data(), static_cast<size_t>(record.vector_size()));
    item.record.metadata = &items->metadata[i];
    item.record.expires_ms = proto[i].expires_ms();
    CORKSCREW_RETURN_IF_ERROR(
        IfVersionFromProto(proto[i], path, &item.if_version));
  }
  return absl::OkStatus();
}

absl::Status ToProto(const PatchItem& item, v1::PatchItem* proto) {
  CORKSCREW_RETURN_IF_ERROR(ToProtoId("id", item.id, proto->mutable_id()));
  CORKSCREW_RETURN_IF_ERROR(ToProto(item.set, proto->mutable_set()));
  for (const std::string& key : item.remove) {
    CORKSCREW_RETURN_IF_ERROR(ToProtoId("key", key, proto->add_remove()));
  }
  if (item.if_version.has_value()) {
    ToProto(*item.if_version, proto->mutable_if_version());
  }
  return absl::OkStatus();
}

absl::Status FromProto(const v1::PatchItem& proto, const FieldPath& path,
                       PatchItem* item) {
  item->id = proto.id();
  CORKSCREW_RETURN_IF_ERROR(
      FromProto(proto.set(), path.Field("set"), &item->set));
  item->remove = {proto.remove().begin(), proto.remove().end()};
  return IfVersionFromProto(proto, path, &item->if_version);
}

absl::Status ToProto(const WriteOptions& options, v1::WriteOptions* proto) {
  CORKSCREW_RETURN_IF_ERROR(ToProtoText("request id", options.request_id,
                                        proto->mutable_request_id()));
  CORKSCREW_RETURN_IF_ERROR(
      ToProtoText("space", options.space, proto->mutable_space()));
  proto->set_durability(
      static_cast<v1::Durability>(static_cast<int>(options.durability) + 1));
  proto->set_ack(static_cast<v1::Ack>(static_cast<int>(options.ack) + 1));
  proto->set_skip_invalid(options.skip_invalid);
  proto->set_skip_unchanged(options.skip_unchanged);
  return absl::OkStatus();
}

absl::Status FromProto(const v1::WriteOptions& proto, const FieldPath& path,
                       WriteOptions* options) {
  options->request_id = proto.request_id();
  options->space = proto.space();
  options->skip_invalid = proto.skip_invalid();
  options->skip_unchanged = proto.skip_unchanged();
  if (proto.has_durability()) {
    if (proto.durability() == v1::DURABILITY_UNSPECIFIED ||
        !v1::Durability_IsValid(proto.durability())) {
      return UnknownEnumerator(path.Field("durability"), proto.durability());
    }
    options->durability = static_cast<Durability>(proto.durability() - 1);
  }
  if (proto.has_ack()) {
    if (proto.ack() == v1::ACK_UNSPECIFIED || !v1::Ack_IsValid(proto.ack())) {
      return UnknownEnumerator(path.Field("ack"), proto.ack());
    }
    options->ack = static_cast<Ack>(proto.ack() - 1);
  }
  return absl::OkStatus();
}

void ToProto(const PutReply& reply, v1::PutResponse* proto) {
  OutcomesToProto(reply, proto);
}
void ToProto(const PutReply& reply, v1::PatchResponse* proto) {
  OutcomesToProto(reply, proto);
}
absl::Status FromProto(const v1::PutResponse& proto, PutReply* reply) {
  return OutcomesFromProto(proto, reply);
}
absl::Status FromProto(const v1::PatchResponse& proto, PutReply* reply) {
  return OutcomesFromProto(proto, reply);
}

void ToProto(const DeleteReply& reply, v1::DeleteResponse* proto) {
  proto->set_lamport(reply.lamport);
  proto->set_replayed(reply.replayed);
  for (const bool deleted : reply.deleted) proto->add_deleted(deleted);
}

DeleteReply FromProto(const v1::DeleteResponse& proto) {
  return {.lamport = proto.lamport(),
          .deleted = {proto.deleted().begin(), proto.deleted().end()},
          .replayed = proto.replayed()};
}

absl::Status ToProto(const Query& query, v1::Query* proto) {
  if (const auto* text = std::get_if<std::string>(&query.target)) {
    CORKSCREW_RETURN_IF_ERROR(
        ToProtoText("text", *text, proto->mutable_text()));
  } else if (const auto* like = std::get_if<Query::LikeId>(&query.target)) {
    CORKSCREW_RETURN_IF_ERROR(
        ToProtoId("id", like->id, proto->mutable_like_id()));
  } else {
    const auto& vector = std::get<std::vector<float>>(query.target);
    proto->mutable_vector()->mutable_values()->Add(vector.begin(),
                                                   vector.end());
  }
  proto->set_k(query.k);
  if (query.filter != Filter::All()) {
    CORKSCREW_RETURN_IF_ERROR(ToProto(query.filter, proto->mutable_filter()));
  }
  if (query.at.has_value()) {
    CORKSCREW_RETURN_IF_ERROR(ToProto(*query.at, proto->mutable_at()));
  }
  if (query.min_score.has_value()) proto->set_min_score(*query.min_score);
  proto->set_exact(query.exact);
  proto->set_oversample(query.oversample);
  ToProto(query.fields, proto->mutable_fields());
  proto->set_mode(
      static_cast<v1::SearchMode>(static_cast<int>(query.mode) + 1));
  return ToProtoText("space", query.space, proto->mutable_space());
}

absl::Status FromProto(const v1::Query& proto, const FieldPath& path,
                       Query* query) {
  switch (proto.target_case()) {
    case v1::Query::kText:
      query->target = proto.text();
      break;
    case v1::Query::kVector:
      query->target = std::vector<float>(proto.vector().values().begin(),
                                         proto.vector().values().end());
      break;
    case v1::Query::kLikeId:
      query->target = Query::LikeId{proto.like_id()};
      break;
    case v1::Query::TARGET_NOT_SET:
      return FieldViolation(path.ToString(),
                            "no target is set: give text, vector or like_id");
  }
  if (proto.has_k()) query->k = proto.k();
  if (proto.has_filter()) {
    CORKSCREW_RETURN_IF_ERROR(
        FromProto(proto.filter(), path.Field("filter"), &query->filter));
  }
  if (proto.has_at()) {
    CORKSCREW_RETURN_IF_ERROR(
        FromProto(proto.at(), path.Field("at"), &query->at.emplace()));
  }
  if (proto.has_min_score()) query->min_score = proto.min_score();
  query->exact = proto.exact();
  if (proto.has_oversample()) query->oversample = proto.oversample();
  if (proto.has_fields()) query->fields = FromProto(proto.fields());
  if (proto.has_mode()) {
    if (proto.mode() == v1::SEARCH_MODE_UNSPECIFIED ||
        !v1::SearchMode_IsValid(proto.mode())) {
      return UnknownEnumerator(path.Field("mode"), proto.mode());
    }
    query->mode = static_cast<SearchMode>(proto.mode() - 1);
  }
  query->space = proto.space();
  return absl::OkStatus();
}

absl::Status ToProto(const SearchReply& reply, v1::SearchResponse* proto) {
  proto->mutable_hits()->Reserve(static_cast<int>(reply.hits.size()));
  for (const Hit& hit : reply.hits) {
    v1::Hit* out = proto->add_hits();
    CORKSCREW_RETURN_IF_ERROR(ToProtoText("id", hit.id, out->mutable_id()));
    CORKSCREW_RETURN_IF_ERROR(
        ToProtoText("text", hit.text, out->mutable_text()));
    CORKSCREW_RETURN_IF_ERROR(ToProto(hit.metadata, out->mutable_metadata()));
    out->set_score(hit.score);
    ToProto(hit.version, out->mutable_version());
    out->mutable_vector()->Add(hit.vector.begin(), hit.vector.end());
  }
  proto->mutable_coverage()->set_shards(reply.coverage.shards);
  proto->mutable_coverage()->set_answered(reply.coverage.answered);
  proto->set_at(reply.at);
  proto->set_stable(reply.stable);
  proto->set_truncated(reply.truncated);
  return absl::OkStatus();
}

absl::Status FromProto(const v1::SearchResponse& proto, const FieldPath& path,
                       SearchReply* reply) {
  reply->hits.resize(proto.hits_size());
  for (int i = 0; i < proto.hits_size(); ++i) {
    const v1::Hit& in = proto.hits(i);
    const FieldPath item = path.Item("hits", i);
    Hit& hit = reply->hits[i];
    hit.id = in.id();
    hit.score = in.score();
    hit.text = in.text();
    hit.vector.assign(in.vector().begin(), in.vector().end());
    CORKSCREW_RETURN_IF_ERROR(
        FromProto(in.version(), item.Field("version"), &hit.version));
    CORKSCREW_RETURN_IF_ERROR(FromProto(in.metadata(), item, &hit.metadata));
  }
  reply->coverage = {.shards = proto.coverage().shards(),
                     .answered = proto.coverage().answered()};
  reply->at = proto.at();
  reply->stable = proto.stable();
  reply->truncated = proto.truncated();
  return absl::OkStatus();
}

}  // namespace corkscrew
