#ifndef CORKSCREW_DB_BACKUP_H_
#define CORKSCREW_DB_BACKUP_H_

// Snapshots and backups of an open database, and what they have in common with
// restoring one (corkscrew/backup.h, docs/storage_format.md).

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "corkscrew/backup.h"
#include "corkscrew/collection.h"
#include "db/backup_manifest.h"
#include "db/engine.h"

namespace corkscrew {

// Name of a snapshot's manifest in its directory, beside "store".
inline constexpr char kSnapshotManifest[] = "SNAPSHOT";

// Db::Snapshot() and Db::Backup() within a call of the engine.
absl::StatusOr<BackupContent> TakeSnapshot(Engine& engine,
                                           absl::string_view directory,
                                           const BackupOptions& options,
                                           const CallOptions& call);
absl::StatusOr<BackupInfo> TakeBackup(Engine& engine,
                                      absl::string_view directory,
                                      const BackupOptions& options,
                                      const CallOptions& call);

// Notes that something is saved in `directory`, before anything is.
absl::Status RememberBackup(Engine& engine, const std::string& directory);

// The directories of snapshots, backups and stores of logs that the database in
// `path` knows of and that are still there: they may hold what was purged
// since.
std::vector<std::string> KnownBackups(FileSystem& files,
                                      const std::string& path);

// Removes what a crash left of a backup in the making.
absl::Status RemoveStagedBackup(FileSystem& files, const std::string& path);

// DirectoryBackupStore() on other files.
std::unique_ptr<BackupStore> DirectoryBackupStoreOn(FileSystem& files,
                                                    absl::string_view path);

// A generation's manifest, 0: the newest.
//   NotFound, DataLoss
absl::StatusOr<BackupManifest> PullManifest(BackupStore& repository,
                                            uint64_t* generation);
// Numbers of all generations, rising.
absl::StatusOr<std::vector<uint64_t>> Generations(BackupStore& repository);
std::string GenerationName(uint64_t generation);
std::string FileObjectName(const Sha256Digest& sha256);

// The manifest of a snapshot.
absl::StatusOr<BackupManifest> ReadSnapshotManifest(
    FileSystem& files, const std::string& directory);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_BACKUP_H_
