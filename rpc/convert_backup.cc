#include "rpc/convert_backup.h"

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "rpc/convert.h"

namespace corkscrew {
namespace {

std::string BytesOf(const Uuid& uuid) {
  return {uuid.bytes.begin(), uuid.bytes.end()};
}

}  // namespace

void ToProto(const BackupProgress& progress, v1::BackupProgress* proto) {
  proto->set_bytes(progress.bytes);
  proto->set_total(progress.total);
}

BackupProgress FromProto(const v1::BackupProgress& proto) {
  return {.bytes = proto.bytes(), .total = proto.total()};
}

absl::Status ToProto(const BackupContent& content, v1::BackupContent* proto) {
  proto->set_uuid(BytesOf(content.uuid));
  proto->set_replica(BytesOf(content.replica));
  proto->set_incarnation(content.incarnation);
  proto->set_format_version(content.format_version);
  proto->set_wall_ms(content.wall_ms);
  for (const BackupCollection& collection : content.collections) {
    v1::BackupCollection* const to = proto->add_collections();
    CORKSCREW_RETURN_IF_ERROR(
        ToProtoId("collection name", collection.name, to->mutable_name()));
    to->set_uuid(BytesOf(collection.uuid));
    to->set_lamport(collection.lamport);
  }
  proto->set_files(content.files);
  proto->set_bytes(content.bytes);
  return absl::OkStatus();
}

absl::Status FromProto(const v1::BackupContent& proto, BackupContent* content) {
  const FieldPath path("content");
  CORKSCREW_RETURN_IF_ERROR(
      UuidFromProto(proto.uuid(), path.Field("uuid"), &content->uuid));
  CORKSCREW_RETURN_IF_ERROR(
      UuidFromProto(proto.replica(), path.Field("replica"), &content->replica));
  content->incarnation = proto.incarnation();
  content->format_version = proto.format_version();
  content->wall_ms = proto.wall_ms();
  for (const v1::BackupCollection& from : proto.collections()) {
    BackupCollection& collection = content->collections.emplace_back();
    collection.name = from.name();
    CORKSCREW_RETURN_IF_ERROR(UuidFromProto(
        from.uuid(), path.Field("collections.uuid"), &collection.uuid));
    collection.lamport = from.lamport();
  }
  content->files = proto.files();
  content->bytes = proto.bytes();
  return absl::OkStatus();
}

absl::Status ToProto(const BackupInfo& info, v1::BackupGeneration* proto) {
  proto->set_generation(info.generation);
  proto->set_new_bytes(info.new_bytes);
  return ToProto(info.content, proto->mutable_content());
}

absl::Status FromProto(const v1::BackupGeneration& proto, BackupInfo* info) {
  info->generation = proto.generation();
  info->new_bytes = proto.new_bytes();
  return FromProto(proto.content(), &info->content);
}

absl::Status ToProto(const OffloadReply& reply, v1::OffloadedLogs* proto) {
  proto->set_new_ops(reply.new_ops);
  proto->set_new_bytes(reply.new_bytes);
  for (const LogInfo& log : reply.logs) {
    v1::OffloadedLog* const to = proto->add_logs();
    CORKSCREW_RETURN_IF_ERROR(
        ToProtoId("collection name", log.name, to->mutable_name()));
    to->set_uuid(BytesOf(log.uuid));
    to->set_lineage(log.lineage);
    to->set_position(log.position);
    to->set_segments(log.segments);
    to->set_bytes(log.bytes);
  }
  return absl::OkStatus();
}

absl::Status FromProto(const v1::OffloadedLogs& proto, OffloadReply* reply) {
  reply->new_ops = proto.new_ops();
  reply->new_bytes = proto.new_bytes();
  for (const v1::OffloadedLog& from : proto.logs()) {
    LogInfo& log = reply->logs.emplace_back();
    log.name = from.name();
    CORKSCREW_RETURN_IF_ERROR(
        UuidFromProto(from.uuid(), FieldPath("logs.uuid"), &log.uuid));
    log.lineage = from.lineage();
    log.position = from.position();
    log.segments = from.segments();
    log.bytes = from.bytes();
  }
  return absl::OkStatus();
}

}  // namespace corkscrew
