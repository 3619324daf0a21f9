#include "rpc/convert_history.h"

#include <limits>
#include <string>

#include "absl/time/time.h"
#include "base/status_macros.h"
#include "rpc/convert.h"

namespace corkscrew {

absl::Status ToProto(const TagInfo& tag, v1::Tag* proto) {
  proto->set_lamport(tag.lamport);
  proto->set_wall_ms(tag.wall_ms);
  return ToProtoText("tag", tag.name, proto->mutable_name());
}

TagInfo FromProto(const v1::Tag& proto) {
  return {proto.name(), proto.lamport(), proto.wall_ms()};
}

void ToProto(const Retention& retention, v1::Retention* proto) {
  proto->set_keep_versions(retention.keep_versions);
  const absl::Duration rounded =
      absl::Ceil(retention.keep_for, absl::Milliseconds(1));
  const int64_t ms = absl::ToInt64Milliseconds(rounded);
  if (ms != std::numeric_limits<int64_t>::max()) proto->set_keep_for_ms(ms);
}

Retention FromProto(const v1::Retention& proto) {
  Retention retention{.keep_versions = proto.keep_versions()};
  if (proto.has_keep_for_ms()) {
    retention.keep_for = absl::Milliseconds(proto.keep_for_ms());
  }
  return retention;
}

void ToProto(const RetentionReply& reply, v1::ApplyRetentionResponse* proto) {
  proto->set_removed(reply.removed);
  proto->set_floor(reply.floor);
}

RetentionReply FromProto(const v1::ApplyRetentionResponse& proto) {
  return {.removed = proto.removed(), .floor = proto.floor()};
}

absl::Status ToProto(const PurgeReply& reply, v1::PurgeResponse* proto) {
  proto->set_lamport(reply.lamport);
  proto->set_purged(reply.purged);
  for (const std::string& path : reply.untouched) {
    CORKSCREW_RETURN_IF_ERROR(
        ToProtoText("path", path, proto->add_untouched()));
  }
  return absl::OkStatus();
}

PurgeReply FromProto(const v1::PurgeResponse& proto) {
  return {.lamport = proto.lamport(),
          .purged = proto.purged(),
          .untouched = {proto.untouched().begin(), proto.untouched().end()}};
}

}  // namespace corkscrew
