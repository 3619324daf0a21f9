// Making a database from a generation of backups or a snapshot: everything is
// verified first, then written beside its place, opened as a new incarnation,
// cleared of what was purged, and renamed.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/file_system.h"
#include "base/status_macros.h"
#include "corkscrew/backup.h"
#include "corkscrew/db.h"
#include "corkscrew/limits.h"
#include "db/backup.h"
#include "db/backup_files.h"
#include "db/backup_manifest.h"
#include "db/collection_state.h"
#include "db/directory.h"
#include "db/engine.h"
#include "db/local_collection.h"

namespace corkscrew {
namespace {

// Reads a file of the manifest and checks its size and hash.
using ReadFile = absl::FunctionRef<absl::StatusOr<std::string>(
    const BackupManifest::File& file)>;

absl::Status VerifyFiles(const BackupManifest& manifest, ReadFile read,
                         const BackupOptions& options) {
  ProgressCounter progress(options, TotalBytes(manifest));
  for (const BackupManifest::File& file : manifest.files) {
    CORKSCREW_RETURN_IF_ERROR(read(file).status());
    CORKSCREW_RETURN_IF_ERROR(progress.Add(file.bytes));
  }
  return absl::OkStatus();
}

absl::Status CheckPlace(const std::string& path) {
  if (path.empty() || path.find('\0') != path.npos) {
    return absl::InvalidArgumentError("the path of the database is empty");
  }
  std::error_code error;
  const auto kind = std::filesystem::symlink_status(path, error).type();
  if (kind == std::filesystem::file_type::not_found) return absl::OkStatus();
  if (kind == std::filesystem::file_type::directory &&
      std::filesystem::is_empty(path, error) && !error) {
    return absl::OkStatus();
  }
  return absl::AlreadyExistsError(
      absl::StrCat(path, " exists and is not an empty directory"));
}

absl::Status WriteStore(FileSystem& files, const std::string& path,
                        const BackupManifest& manifest, ReadFile read,
                        const BackupOptions& options) {
  CORKSCREW_RETURN_IF_ERROR(files.MakeDirectory(path));
  CORKSCREW_RETURN_IF_ERROR(MakeDirectory(files, path, "store"));
  const std::string store = path + "/store";
  ProgressCounter progress(options, TotalBytes(manifest));
  for (const BackupManifest::File& file : manifest.files) {
    // Read and verified again: what was verified before may have changed.
    CORKSCREW_ASSIGN_OR_RETURN(const std::string content, read(file));
    CORKSCREW_RETURN_IF_ERROR(
        WriteNewFile(files, absl::StrCat(store, "/", file.name), content));
    CORKSCREW_RETURN_IF_ERROR(progress.Add(file.bytes));
  }
  CORKSCREW_RETURN_IF_ERROR(files.SyncDirectory(store));
  // Without it there is no database here.
  CORKSCREW_RETURN_IF_ERROR(WriteNewFile(files, path + "/LOCK", ""));
  return files.SyncDirectory(path);
}

// Purges from a restored database what was purged after it was saved.
absl::Status ApplyPurges(const std::shared_ptr<Engine>& engine,
                         const BackupManifest& manifest,
                         const std::vector<BackupManifest::Purged>& purged) {
  std::map<std::pair<Uuid, std::string>, Version> known;
  for (const BackupManifest::Purged& one : manifest.purged) {
    known[{one.collection, one.id}] = one.version;
  }
  for (const std::shared_ptr<CollectionState>& state :
       engine->registry().All()) {
    std::vector<absl::string_view> ids;
    LocalCollection collection(engine, state);
    for (const BackupManifest::Purged& one : purged) {
      if (one.collection != state->row().uuid) continue;
      const auto found = known.find({one.collection, one.id});
      if (found != known.end() && found->second >= one.version) continue;
      ids.push_back(one.id);
    }
    for (size_t i = 0; i < ids.size(); i += kMaxPutRecords) {
      CORKSCREW_RETURN_IF_ERROR(
          collection
              .Purge(absl::MakeConstSpan(ids).subspan(i, kMaxPutRecords),
                     CallOptions())
              .status());
    }
  }
  return absl::OkStatus();
}

// Opens the store for the first time in its new life and purges.
absl::Status BeginLife(const std::string& path, const BackupManifest& manifest,
                       const std::vector<BackupManifest::Purged>& purged) {
  CORKSCREW_ASSIGN_OR_RETURN(
      std::shared_ptr<Engine> engine,
      Engine::Open(path, Options{.create_if_missing = false}));
  if (engine->uuid() != manifest.uuid ||
      engine->origin().replica != manifest.replica) {
    return absl::DataLossError(
        "the store is of another database than its manifest");
  }
  if (engine->origin().incarnation == manifest.incarnation) {
    return absl::InternalError("the restored database has no new incarnation");
  }
  CORKSCREW_RETURN_IF_ERROR(ApplyPurges(engine, manifest, purged));
  return engine->Close();
}

absl::StatusOr<BackupContent> Restore(
    FileSystem& files, const BackupManifest& manifest, ReadFile read,
    const std::vector<BackupManifest::Purged>& purged,
    absl::string_view directory, const BackupOptions& options) {
  const std::string path(directory);
  CORKSCREW_RETURN_IF_ERROR(CheckPlace(path));
  CORKSCREW_RETURN_IF_ERROR(VerifyFiles(manifest, read, options));
  const std::filesystem::path whole =
      std::filesystem::path(path + "/.").lexically_normal().parent_path();
  const std::string place = whole.string();
  const std::string stage = place + ".restoring";
  CORKSCREW_RETURN_IF_ERROR(RemoveTree(files, stage));
  absl::Status status = WriteStore(files, stage, manifest, read, options);
  if (status.ok()) status = BeginLife(stage, manifest, purged);
  // Only whole databases come to that place. An empty directory is replaced.
  if (status.ok()) status = files.Rename(stage, place);
  if (status.ok()) status = files.SyncDirectory(ParentDirectory(place));
  if (!status.ok()) {
    RemoveTree(files, stage).IgnoreError();
    return absl::Status(status.code(),
                        absl::StrCat("restore: ", status.message()));
  }
  return ContentOf(manifest);
}

// What any generation says was purged: purging is for ever, so the newest of
// each record counts, whichever generation is restored.
absl::StatusOr<std::vector<BackupManifest::Purged>> AllPurged(
    BackupStore& repository) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<uint64_t> generations,
                             Generations(repository));
  std::map<std::pair<Uuid, std::string>, BackupManifest::Purged> newest;
  for (uint64_t generation : generations) {
    CORKSCREW_ASSIGN_OR_RETURN(const BackupManifest manifest,
                               PullManifest(repository, &generation));
    for (const BackupManifest::Purged& purged : manifest.purged) {
      BackupManifest::Purged& known = newest[{purged.collection, purged.id}];
      if (known.version < purged.version) known = purged;
    }
  }
  std::vector<BackupManifest::Purged> all;
  for (auto& [key, purged] : newest) all.push_back(std::move(purged));
  return all;
}

}  // namespace

absl::StatusOr<BackupInfo> VerifyBackup(BackupStore& repository,
                                        uint64_t generation,
                                        const BackupOptions& options) {
  CORKSCREW_ASSIGN_OR_RETURN(const BackupManifest manifest,
                             PullManifest(repository, &generation));
  const auto read = [&](const BackupManifest::File& file) {
    const std::string name = FileObjectName(file.sha256);
    return Verified(repository.Pull(name, file.bytes),
                    absl::StrCat(name, " (", file.name, ")"), file.bytes,
                    file.sha256);
  };
  CORKSCREW_RETURN_IF_ERROR(VerifyFiles(manifest, read, options));
  return BackupInfo{generation, ContentOf(manifest)};
}

absl::StatusOr<BackupContent> RestoreBackup(BackupStore& repository,
                                            uint64_t generation,
                                            absl::string_view path,
                                            const BackupOptions& options) {
  CORKSCREW_ASSIGN_OR_RETURN(const BackupManifest manifest,
                             PullManifest(repository, &generation));
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<BackupManifest::Purged> purged,
                             AllPurged(repository));
  const auto read = [&](const BackupManifest::File& file) {
    const std::string name = FileObjectName(file.sha256);
    return Verified(repository.Pull(name, file.bytes),
                    absl::StrCat(name, " (", file.name, ")"), file.bytes,
                    file.sha256);
  };
  return Restore(FileSystem::Real(), manifest, read, purged, path, options);
}

absl::StatusOr<BackupContent> VerifySnapshot(absl::string_view snapshot,
                                             const BackupOptions& options) {
  FileSystem& files = FileSystem::Real();
  const std::string directory(snapshot);
  CORKSCREW_ASSIGN_OR_RETURN(const BackupManifest manifest,
                             ReadSnapshotManifest(files, directory));
  const auto read = [&](const BackupManifest::File& file) {
    const std::string path = absl::StrCat(directory, "/store/", file.name);
    return Verified(ReadRegularFile(files, path, file.bytes), path, file.bytes,
                    file.sha256);
  };
  CORKSCREW_RETURN_IF_ERROR(VerifyFiles(manifest, read, options));
  return ContentOf(manifest);
}

absl::StatusOr<BackupContent> RestoreSnapshot(absl::string_view snapshot,
                                              absl::string_view path,
                                              const BackupOptions& options) {
  FileSystem& files = FileSystem::Real();
  const std::string directory(snapshot);
  CORKSCREW_ASSIGN_OR_RETURN(const BackupManifest manifest,
                             ReadSnapshotManifest(files, directory));
  const auto read = [&](const BackupManifest::File& file) {
    const std::string name = absl::StrCat(directory, "/store/", file.name);
    return Verified(ReadRegularFile(files, name, file.bytes), name, file.bytes,
                    file.sha256);
  };
  return Restore(files, manifest, read, manifest.purged, path, options);
}

}  // namespace corkscrew
