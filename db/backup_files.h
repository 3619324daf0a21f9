#ifndef CORKSCREW_DB_BACKUP_FILES_H_
#define CORKSCREW_DB_BACKUP_FILES_H_

// Files as snapshots, backups and restore handle them.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/hash.h"
#include "corkscrew/backup.h"

namespace corkscrew {

// Counts bytes for BackupOptions::progress and asks BackupOptions::cancelled.
// Single-threaded. Borrows.
class ProgressCounter {
 public:
  ProgressCounter(const BackupOptions& options, uint64_t total)
      : options_(options), progress_{0, total} {}

  //   Cancelled
  absl::Status Add(uint64_t bytes);

 private:
  const BackupOptions& options_;
  BackupProgress progress_;
};

// The whole file, which must be a regular one and not a link.
//   ResourceExhausted  it has more than `most` bytes
absl::StatusOr<std::string> ReadRegularFile(FileSystem& files,
                                            const std::string& path,
                                            uint64_t most);

// The content if its size and hash are these.
//   DataLoss  it is missing, or another one; names `path`
absl::StatusOr<std::string> Verified(absl::StatusOr<std::string> content,
                                     absl::string_view path, uint64_t bytes,
                                     const Sha256Digest& sha256);

// Writes a new file and syncs it. Durable after SyncDirectory().
absl::Status WriteNewFile(FileSystem& files, const std::string& path,
                          absl::string_view content);

// Syncs a file that somebody else wrote.
absl::Status SyncFile(FileSystem& files, const std::string& path);

// Removes a directory with all that is in it, or nothing if it is not there.
// Links are removed, not followed.
absl::Status RemoveTree(FileSystem& files, const std::string& path);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_BACKUP_FILES_H_
