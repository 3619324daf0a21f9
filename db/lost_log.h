#ifndef CORKSCREW_DB_LOST_LOG_H_
#define CORKSCREW_DB_LOST_LOG_H_

// Which ops were in the part of a log that can not be read, as far as anything
// still says: whole batches behind the damage, and durable.mark.

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "corkscrew/record.h"
#include "db/store.h"

namespace corkscrew {

struct LostLog {
  // An origin in a stream: collection, shard, origin number.
  using OriginId = std::tuple<uint32_t, uint16_t, uint32_t>;
  struct LostOp {
    std::string id = {};
    Lamport lamport = 0;
  };
  struct OfOrigin {
    uint64_t last_seq = 0;             // All up to here were written.
    std::map<uint64_t, LostOp> named;  // By seq: those that can still be read.
  };
  std::map<OriginId, OfOrigin> origins = {};
};

// Reads the logs of the database in `path` behind the last row of `store`, its
// store as opened with LogRecovery::kUpToDamage.
//   errors of reading files and rows
absl::StatusOr<LostLog> ReadLostLog(FileSystem& files, const std::string& path,
                                    const Store& store);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_LOST_LOG_H_
