// What binds the command line to the world.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/file_system.h"
#include "base/status_macros.h"
#include "corkscrew/backup.h"
#include "corkscrew/check.h"
#include "corkscrew/client.h"
#include "corkscrew/db.h"
#include "corkscrew/embedder.h"
#include "corkscrew/open_or_connect.h"
#include "server/cli.h"
#include "server/command.h"
#include "server/model_options.h"
#include "server/model_path.h"
#include "server/target.h"
#include "server/token_file.h"

namespace corkscrew {
namespace {

absl::StatusOr<std::shared_ptr<const Embedder>> LoadModel(
    absl::string_view model, const std::vector<std::string>& model_path,
    const EmbedderOptions& options) {
  if (IsModelFile(model)) return LoadEmbedder(model, options);
  return ModelDirectories(model_path, options)->Find(model);
}

// Whether `path` is a snapshot rather than a repository.
bool IsSnapshot(const std::string& path) {
  return FileSystem::Real().Exists(path + "/SNAPSHOT");
}

absl::Status NoGeneration(const std::string& path) {
  return absl::InvalidArgumentError(
      absl::StrCat(path, " is a snapshot: it has no generations"));
}

BackupSystem RealBackups() {
  BackupSystem backups;
  backups.list = [](const std::string& repository) {
    return ListBackups(*DirectoryBackupStore(repository));
  };
  backups.verify =
      [](const std::string& from, uint64_t generation,
         const BackupOptions& options) -> absl::StatusOr<BackupContent> {
    if (IsSnapshot(from)) {
      if (generation != 0) return NoGeneration(from);
      return VerifySnapshot(from, options);
    }
    CORKSCREW_ASSIGN_OR_RETURN(
        const BackupInfo info,
        VerifyBackup(*DirectoryBackupStore(from), generation, options));
    return info.content;
  };
  backups.prune = [](const std::string& repository,
                     const BackupRetention& retention) {
    return PruneBackups(*DirectoryBackupStore(repository), retention,
                        absl::Now());
  };
  backups.restore =
      [](const std::string& from, uint64_t generation,
         const std::string& directory,
         const BackupOptions& options) -> absl::StatusOr<BackupContent> {
    if (IsSnapshot(from)) {
      if (generation != 0) return NoGeneration(from);
      return RestoreSnapshot(from, directory, options);
    }
    return RestoreBackup(*DirectoryBackupStore(from), generation, directory,
                         options);
  };
  backups.list_logs = [](const std::string& store) {
    return ListLogs(*DirectoryBackupStore(store));
  };
  backups.verify_log = [](const std::string& store, const LogChoice& choice,
                          const BackupOptions& options) {
    return VerifyLog(*DirectoryBackupStore(store), choice, options);
  };
  backups.prune_logs = [](const std::string& store,
                          const LogRetention& retention,
                          const BackupOptions& options) {
    return PruneLogs(*DirectoryBackupStore(store), retention, options);
  };
  backups.replay_log = [](const std::string& store, const LogChoice& choice,
                          Db& db, const BackupOptions& options) {
    return ReplayLog(*DirectoryBackupStore(store), choice, db, options);
  };
  return backups;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Db>> OpenTarget(const TargetOptions& options) {
  ClientOptions remote;
  remote.timeout = options.timeout;
  if (!options.token_file.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(remote.token, ReadTokenFile(options.token_file));
  }
  if (!IsNodeAddress(options.target)) {
    // A command that holds the directory is soon done; a program may not be.
    constexpr absl::Duration kLongestWait = absl::Seconds(30);
    Options local;
    local.create_if_missing = options.create_if_missing;
    local.threads = options.threads;
    local.now = options.now;
    local.embedders =
        ModelDirectories(options.model_path, SystemEmbedderOptions());
    local.lock_timeout = std::min(options.timeout, kLongestWait);
    return OpenOrConnect(options.target, local, remote);
  }
  if (options.token_file.empty() &&
      !absl::StartsWith(options.target, "unix:")) {
    return absl::InvalidArgumentError(
        absl::StrCat("node \"", options.target,
                     "\" needs a token: give --token-file FILE or set "
                     "CORKSCREW_TOKEN_FILE"));
  }
  return Connect(options.target, remote);
}

CommandSystem RealSystem() {
  CommandSystem system;
  system.backups = RealBackups();
  system.open = OpenTarget;
  system.load_model = LoadModel;
  system.model_path = SystemModelPath;
  system.now = absl::Now;
  system.check = CheckDatabase;
  system.repair = RepairDatabase;
  system.upgrade = UpgradeDatabase;
  return system;
}

}  // namespace corkscrew
