#ifndef CORKSCREW_RPC_CONVERT_HISTORY_H_
#define CORKSCREW_RPC_CONVERT_HISTORY_H_

// The public types of tags, retention and purge <-> the messages of
// proto/corkscrew/v1/history.proto, by the rules of rpc/convert.h.

#include <cstdint>

#include "absl/status/status.h"
#include "corkscrew/collection.h"
#include "corkscrew/v1/history.pb.h"

namespace corkscrew {

absl::Status ToProto(const TagInfo& tag, v1::Tag* proto);
TagInfo FromProto(const v1::Tag& proto);

// Durations go in whole milliseconds, rounded up: never less is kept. Those of
// 292 million years and above are infinite.
void ToProto(const Retention& retention, v1::Retention* proto);
Retention FromProto(const v1::Retention& proto);

void ToProto(const RetentionReply& reply, v1::ApplyRetentionResponse* proto);
RetentionReply FromProto(const v1::ApplyRetentionResponse& proto);

absl::Status ToProto(const PurgeReply& reply, v1::PurgeResponse* proto);
PurgeReply FromProto(const v1::PurgeResponse& proto);

}  // namespace corkscrew

#endif  // CORKSCREW_RPC_CONVERT_HISTORY_H_
