#ifndef CORKSCREW_RPC_BACKUP_PATH_H_
#define CORKSCREW_RPC_BACKUP_PATH_H_

// Where a node puts what clients have it save.

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

inline constexpr size_t kMaxBackupNameBytes = 200;

// The path of `name` in `directory`; it need not be there. `name` is 1..200
// letters, digits, '-', '_' and '.', and does not start with '.', so that it is
// one component and no special one.
//   FailedPrecondition  `directory` is empty or not there; `name` is there as a
//                       link or a file
//   InvalidArgument     not such a name
absl::StatusOr<std::string> BackupPath(const std::string& directory,
                                       absl::string_view name);

}  // namespace corkscrew

#endif  // CORKSCREW_RPC_BACKUP_PATH_H_
