#ifndef CORKSCREW_RPC_CONVERT_BACKUP_H_
#define CORKSCREW_RPC_CONVERT_BACKUP_H_

// The public types of snapshots, backups and stores of logs <-> the messages of
// proto/corkscrew/v1/backups.proto, by the rules of rpc/convert.h.

#include "absl/status/status.h"
#include "corkscrew/backup.h"
#include "corkscrew/v1/backups.pb.h"

namespace corkscrew {

void ToProto(const BackupProgress& progress, v1::BackupProgress* proto);
BackupProgress FromProto(const v1::BackupProgress& proto);

absl::Status ToProto(const BackupContent& content, v1::BackupContent* proto);
absl::Status FromProto(const v1::BackupContent& proto, BackupContent* content);

absl::Status ToProto(const BackupInfo& info, v1::BackupGeneration* proto);
absl::Status FromProto(const v1::BackupGeneration& proto, BackupInfo* info);

absl::Status ToProto(const OffloadReply& reply, v1::OffloadedLogs* proto);
absl::Status FromProto(const v1::OffloadedLogs& proto, OffloadReply* reply);

}  // namespace corkscrew

#endif  // CORKSCREW_RPC_CONVERT_BACKUP_H_
