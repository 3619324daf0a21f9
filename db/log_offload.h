#ifndef CORKSCREW_DB_LOG_OFFLOAD_H_
#define CORKSCREW_DB_LOG_OFFLOAD_H_

// Stores of logs: what is in them, and Db::OffloadLogs()
// (docs/storage_format.md, "Stores of logs").

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/backup.h"
#include "corkscrew/collection.h"
#include "corkscrew/record.h"
#include "db/engine.h"

namespace corkscrew {

// A segment is sealed when its ops have so many bytes.
inline constexpr size_t kLogSegmentBytes = size_t{16} << 20;

// A segment as its name tells.
struct LogObject {
  std::string name = {};
  uint64_t first = 0;  // Feed positions.
  uint64_t last = 0;
  uint64_t bytes = 0;
};

// The segments of one log, by their first positions.
using LogObjects = std::vector<LogObject>;
// By collection and lineage.
using StoredLogs = std::map<std::pair<Uuid, uint64_t>, LogObjects>;

std::string LogObjectName(const Uuid& collection, uint64_t lineage,
                          uint64_t first, uint64_t last);

// What a store of logs has. Objects of other names are passed over.
//   NotFound  it is none;  DataLoss  or of a newer build
absl::StatusOr<StoredLogs> FindLogs(BackupStore& store);

// Says that the place is a store of logs; keeps others from changing it as
// long as `store` lives, if it is of a directory.
absl::Status MarkLogStore(BackupStore& store);

// Whether the segments follow each other from the first position on.
bool IsWhole(const LogObjects& objects);

// Db::OffloadLogs() within a call of the engine. `segment_bytes` is for tests.
absl::StatusOr<OffloadReply> OffloadLogsTo(
    Engine& engine, absl::string_view directory, const BackupOptions& options,
    const CallOptions& call, size_t segment_bytes = kLogSegmentBytes);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_LOG_OFFLOAD_H_
