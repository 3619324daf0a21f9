#include "db/backup.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/file_system.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "db/backup_files.h"
#include "db/backup_manifest.h"
#include "db/call_end.h"
#include "db/directory.h"
#include "db/encode.h"
#include "db/keys.h"
#include "db/purge.h"
#include "db/rows.h"
#include "db/store.h"

namespace corkscrew {
namespace {

// Beside the store: a line for each directory that was given for a snapshot or
// backup.
constexpr char kKnown[] = "BACKUPS";
constexpr size_t kMaxKnownBytes = size_t{16} << 20;

// Files below it are hard links to those of the store.
constexpr char kStage[] = "backup.tmp";

// A repository has one object of this name; its content says what it is.
constexpr char kRepositoryName[] = "repository";
constexpr absl::string_view kRepositoryContent = "csdb:rep\x01";

constexpr absl::string_view kGenerations = "generations/";
constexpr absl::string_view kFiles = "files/";

absl::StatusOr<std::string> MustGet(const Store& store,
                                    const std::string& key) {
  CORKSCREW_ASSIGN_OR_RETURN(std::optional<std::string> value,
                             store.Get(Family::kRows, key));
  if (value.has_value()) return *std::move(value);
  return absl::DataLossError(
      absl::StrCat("row ", absl::BytesToHexString(key), " is missing"));
}

// The origins of a store, by number.
absl::StatusOr<std::vector<Origin>> ReadOrigins(const Store& store) {
  std::vector<Origin> origins;
  const std::string prefix = KindPrefix('a');
  const auto it = store.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
  for (it->Seek(prefix); it->valid(); it->Next()) {
    CORKSCREW_ASSIGN_OR_RETURN(origins.emplace_back(),
                               DecodeOriginRow(it->value()));
  }
  CORKSCREW_RETURN_IF_ERROR(it->status());
  return origins;
}

// Fills in what a store says of itself.
absl::Status Describe(const Store& store, BackupManifest* manifest) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::string format,
                             MustGet(store, MetaKey("format")));
  CORKSCREW_ASSIGN_OR_RETURN(manifest->format, DecodeFormatRow(format));
  CORKSCREW_ASSIGN_OR_RETURN(const std::string uuid,
                             MustGet(store, MetaKey("uuid")));
  CORKSCREW_ASSIGN_OR_RETURN(manifest->uuid, DecodeUuid(uuid));
  CORKSCREW_ASSIGN_OR_RETURN(const std::string replica,
                             MustGet(store, MetaKey("replica")));
  CORKSCREW_ASSIGN_OR_RETURN(manifest->replica, DecodeUuid(replica));
  CORKSCREW_ASSIGN_OR_RETURN(const std::string incarnation,
                             MustGet(store, MetaKey("incarnation")));
  CORKSCREW_ASSIGN_OR_RETURN(manifest->incarnation, DecodeU64(incarnation));

  std::map<uint32_t, Uuid> uuids = {{0, SystemCollectionUuid()}};
  std::string prefix = KindPrefix('c');
  auto it = store.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
  for (it->Seek(prefix); it->valid(); it->Next()) {
    uint32_t number;
    if (!ParseCollectionKey(it->key(), &number)) {
      return absl::DataLossError("a collection has a malformed key");
    }
    CORKSCREW_ASSIGN_OR_RETURN(const CollectionRow row,
                               DecodeCollectionRow(it->value()));
    if (row.state != LiveState::kLive) continue;
    uuids[number] = row.uuid;
    CORKSCREW_ASSIGN_OR_RETURN(const std::string clock,
                               MustGet(store, ClockKey(number)));
    CORKSCREW_ASSIGN_OR_RETURN(const ClockRow time, DecodeClockRow(clock));
    // One replica alone: what is before now stays as it is.
    manifest->collections.push_back(
        {row.uuid, row.name, time.lamport, time.lamport});
  }
  CORKSCREW_RETURN_IF_ERROR(it->status());
  std::sort(manifest->collections.begin(), manifest->collections.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });

  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<Origin> origins,
                             ReadOrigins(store));
  prefix = KindPrefix('v');
  it = store.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
  for (it->Seek(prefix); it->valid(); it->Next()) {
    Stream stream;
    uint32_t origin;
    if (!ParseVectorKey(it->key(), &stream, &origin) ||
        origin >= origins.size()) {
      return absl::DataLossError("a version vector has a malformed key");
    }
    const auto collection = uuids.find(stream.collection);
    if (collection == uuids.end()) continue;  // Dropped.
    CORKSCREW_ASSIGN_OR_RETURN(const uint64_t seq, DecodeU64(it->value()));
    manifest->seen.push_back(
        {collection->second, stream.shard, origins[origin], seq});
  }
  return it->status();
}

// Makes the files of the store as of now in `directory`/store, durable, and
// describes them.
absl::StatusOr<BackupManifest> MakeCheckpoint(Engine& engine,
                                              const std::string& directory) {
  FileSystem& files = *engine.environment().files;
  const std::string store_path = directory + "/store";
  BackupManifest manifest;
  manifest.wall_ms = absl::ToUnixMillis(
      engine.options().now != nullptr ? engine.options().now() : absl::Now());
  // Before the checkpoint: what is purged in between must be purged again when
  // this is restored.
  CORKSCREW_ASSIGN_OR_RETURN(std::vector<PurgeMark> marks,
                             ReadPurgeMarks(engine));
  std::sort(
      marks.begin(), marks.end(), [](const PurgeMark& a, const PurgeMark& b) {
        return std::tie(a.collection, a.id) < std::tie(b.collection, b.id);
      });
  for (PurgeMark& mark : marks) {
    manifest.purged.push_back(
        {mark.collection, std::move(mark.id), mark.version});
  }
  CORKSCREW_RETURN_IF_ERROR(engine.store().Checkpoint(store_path));
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                             files.List(store_path));
  for (const std::string& name : names) {
    if (!IsStoreFileName(name)) {
      return absl::InternalError(
          absl::StrCat("the store made an unknown file ", name));
    }
    const std::string path = absl::StrCat(store_path, "/", name);
    CORKSCREW_RETURN_IF_ERROR(SyncFile(files, path));
    CORKSCREW_ASSIGN_OR_RETURN(const uint64_t bytes, files.Size(path));
    manifest.files.push_back({name, bytes, {}});
  }
  CORKSCREW_RETURN_IF_ERROR(files.SyncDirectory(store_path));
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::unique_ptr<Store> store,
      Store::Follow(store_path, {.env = engine.environment().store}));
  CORKSCREW_RETURN_IF_ERROR(Describe(*store, &manifest));
  return manifest;
}

// Nobody writes to these files any more.
absl::StatusOr<std::string> ReadCheckpointFile(FileSystem& files,
                                               const std::string& directory,
                                               BackupManifest::File* file) {
  const std::string path = absl::StrCat(directory, "/store/", file->name);
  CORKSCREW_ASSIGN_OR_RETURN(std::string content,
                             ReadRegularFile(files, path, file->bytes));
  file->bytes = content.size();
  file->sha256 = Sha256(content);
  return content;
}

absl::Status FillSnapshot(Engine& engine, const std::string& directory,
                          const BackupOptions& options, const CallOptions& call,
                          BackupManifest* manifest) {
  FileSystem& files = *engine.environment().files;
  CORKSCREW_ASSIGN_OR_RETURN(*manifest, MakeCheckpoint(engine, directory));
  ProgressCounter progress(options, TotalBytes(*manifest));
  for (BackupManifest::File& file : manifest->files) {
    CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
    CORKSCREW_RETURN_IF_ERROR(
        ReadCheckpointFile(files, directory, &file).status());
    CORKSCREW_RETURN_IF_ERROR(progress.Add(file.bytes));
  }
  CORKSCREW_RETURN_IF_ERROR(files.SyncDirectory(directory));
  return AtomicWriteFile(files, absl::StrCat(directory, "/", kSnapshotManifest),
                         {EncodeManifest(*manifest)});
}

absl::StatusOr<BackupInfo> FillGeneration(Engine& engine,
                                          const std::string& stage,
                                          BackupStore& repository,
                                          const BackupOptions& options,
                                          const CallOptions& call) {
  FileSystem& files = *engine.environment().files;
  // Also keeps others from changing it (see DirectoryBackupStore()).
  CORKSCREW_RETURN_IF_ERROR(
      repository.Push(kRepositoryName, kRepositoryContent));
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<uint64_t> generations,
                             Generations(repository));
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<BackupStore::Object> objects,
                             repository.List(kFiles));
  std::map<std::string, uint64_t> there;
  for (const BackupStore::Object& object : objects) {
    there[object.name] = object.bytes;
  }
  CORKSCREW_ASSIGN_OR_RETURN(BackupManifest manifest,
                             MakeCheckpoint(engine, stage));
  ProgressCounter progress(options, TotalBytes(manifest));
  BackupInfo info;
  for (BackupManifest::File& file : manifest.files) {
    CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
    CORKSCREW_ASSIGN_OR_RETURN(const std::string content,
                               ReadCheckpointFile(files, stage, &file));
    const std::string name = FileObjectName(file.sha256);
    const auto found = there.find(name);
    if (found == there.end() || found->second != content.size()) {
      CORKSCREW_RETURN_IF_ERROR(repository.Push(name, content));
      there[name] = content.size();
      info.new_bytes += content.size();
    }
    CORKSCREW_RETURN_IF_ERROR(progress.Add(file.bytes));
  }
  info.generation = generations.empty() ? 1 : generations.back() + 1;
  manifest.generation = info.generation;
  CORKSCREW_RETURN_IF_ERROR(repository.Push(GenerationName(info.generation),
                                            EncodeManifest(manifest)));
  info.content = ContentOf(manifest);
  return info;
}

absl::Status Named(absl::string_view what, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(what, ": ", status.message()));
}

}  // namespace

absl::Status RememberBackup(Engine& engine, const std::string& directory) {
  FileSystem& files = *engine.environment().files;
  std::error_code error;
  const std::string whole =
      std::filesystem::absolute(directory, error).lexically_normal().string();
  if (whole.find('\n') != whole.npos) {
    return absl::InvalidArgumentError("the path has a line break");
  }
  const std::string list = absl::StrCat(engine.path(), "/", kKnown);
  std::string text;
  if (files.Exists(list)) {
    CORKSCREW_ASSIGN_OR_RETURN(text, files.Read(list, kMaxKnownBytes));
  }
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (std::find(lines.begin(), lines.end(), whole) != lines.end()) {
    return absl::OkStatus();
  }
  return AtomicWriteFile(files, list, {text, whole, "\n"});
}

std::vector<std::string> KnownBackups(FileSystem& files,
                                      const std::string& path) {
  std::vector<std::string> known;
  const absl::StatusOr<std::string> text =
      files.Read(absl::StrCat(path, "/", kKnown), kMaxKnownBytes);
  if (!text.ok()) return known;
  for (const absl::string_view line :
       absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    if (files.Exists(std::string(line))) known.emplace_back(line);
  }
  return known;
}

std::string GenerationName(uint64_t generation) {
  return absl::StrFormat("%s%020d", kGenerations, generation);
}

std::string FileObjectName(const Sha256Digest& sha256) {
  return absl::StrCat(kFiles, absl::BytesToHexString(BytesOf(sha256)));
}

absl::Status RemoveStagedBackup(FileSystem& files, const std::string& path) {
  return RemoveTree(files, absl::StrCat(path, "/", kStage));
}

absl::StatusOr<BackupContent> TakeSnapshot(Engine& engine,
                                           absl::string_view directory,
                                           const BackupOptions& options,
                                           const CallOptions& call) {
  FileSystem& files = *engine.environment().files;
  CORKSCREW_RETURN_IF_ERROR(engine.CheckWritable());
  const std::string path(directory);
  if (path.empty() || path.find('\0') != path.npos) {
    return absl::InvalidArgumentError("the path of the snapshot is empty");
  }
  if (files.Exists(path)) {
    return absl::AlreadyExistsError(absl::StrCat(path, " exists already"));
  }
  MutexLock lock(&engine.backup_mutex());
  CORKSCREW_RETURN_IF_ERROR(CheckCall(call));  // It may have waited long.
  CORKSCREW_RETURN_IF_ERROR(RememberBackup(engine, path));
  CORKSCREW_RETURN_IF_ERROR(files.MakeDirectory(path));
  BackupManifest manifest;
  absl::Status status = FillSnapshot(engine, path, options, call, &manifest);
  status.Update(files.SyncDirectory(ParentDirectory(path)));
  if (!status.ok()) {
    RemoveTree(files, path).IgnoreError();
    return Named(absl::StrCat("snapshot ", path), status);
  }
  return ContentOf(manifest);
}

absl::StatusOr<BackupInfo> TakeBackup(Engine& engine,
                                      absl::string_view directory,
                                      const BackupOptions& options,
                                      const CallOptions& call) {
  const std::string path(directory);
  if (path.empty() || path.find('\0') != path.npos) {
    return absl::InvalidArgumentError("the path of the repository is empty");
  }
  CORKSCREW_RETURN_IF_ERROR(engine.CheckWritable());
  FileSystem& files = *engine.environment().files;
  MutexLock lock(&engine.backup_mutex());
  CORKSCREW_RETURN_IF_ERROR(CheckCall(call));  // It may have waited long.
  CORKSCREW_RETURN_IF_ERROR(RememberBackup(engine, path));
  const std::unique_ptr<BackupStore> repository =
      DirectoryBackupStoreOn(files, path);
  const std::string stage = absl::StrCat(engine.path(), "/", kStage);
  CORKSCREW_RETURN_IF_ERROR(RemoveStagedBackup(files, engine.path()));
  CORKSCREW_RETURN_IF_ERROR(files.MakeDirectory(stage));
  absl::StatusOr<BackupInfo> info =
      FillGeneration(engine, stage, *repository, options, call);
  const absl::Status removed = RemoveTree(files, stage);
  if (!info.ok()) return Named(absl::StrCat("backup ", path), info.status());
  // The generation is there; what is left is removed by the next one.
  removed.IgnoreError();
  return info;
}

absl::StatusOr<std::vector<uint64_t>> Generations(BackupStore& repository) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<BackupStore::Object> objects,
                             repository.List(kGenerations));
  std::vector<uint64_t> generations;
  for (const BackupStore::Object& object : objects) {
    uint64_t number = 0;
    if (absl::SimpleAtoi(absl::StripPrefix(object.name, kGenerations),
                         &number) &&
        number != 0 && GenerationName(number) == object.name) {
      generations.push_back(number);
    }
  }
  std::sort(generations.begin(), generations.end());
  return generations;
}

absl::StatusOr<BackupManifest> PullManifest(BackupStore& repository,
                                            uint64_t* generation) {
  if (*generation == 0) {
    CORKSCREW_ASSIGN_OR_RETURN(const std::vector<uint64_t> generations,
                               Generations(repository));
    if (generations.empty()) {
      return absl::NotFoundError("the repository has no generation");
    }
    *generation = generations.back();
  }
  const std::string name = GenerationName(*generation);
  const absl::StatusOr<std::string> bytes =
      repository.Pull(name, kMaxManifestBytes);
  if (!bytes.ok()) return Named(name, bytes.status());
  absl::StatusOr<BackupManifest> manifest = DecodeManifest(*bytes);
  if (!manifest.ok()) return Named(name, manifest.status());
  if (manifest->generation != *generation) {
    return absl::DataLossError(absl::StrCat(
        name, " holds the manifest of generation ", manifest->generation,
        ", want ", *generation, "; objects of the repository were exchanged"));
  }
  return manifest;
}

absl::StatusOr<BackupManifest> ReadSnapshotManifest(
    FileSystem& files, const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/", kSnapshotManifest);
  const absl::StatusOr<std::string> bytes =
      ReadRegularFile(files, path, kMaxManifestBytes);
  if (absl::IsNotFound(bytes.status())) {
    return absl::NotFoundError(
        absl::StrCat(directory, " is not a snapshot: there is no file ", path));
  }
  CORKSCREW_RETURN_IF_ERROR(bytes.status());
  absl::StatusOr<BackupManifest> manifest = DecodeManifest(*bytes);
  if (!manifest.ok()) return Named(path, manifest.status());
  if (manifest->generation != 0) {
    return absl::DataLossError(absl::StrCat(
        path, " holds the manifest of generation ", manifest->generation,
        " of a repository, want a snapshot"));
  }
  return manifest;
}

absl::StatusOr<std::vector<BackupInfo>> ListBackups(BackupStore& repository) {
  const absl::StatusOr<std::string> marker =
      repository.Pull(kRepositoryName, kRepositoryContent.size());
  if (absl::IsNotFound(marker.status())) {
    return absl::NotFoundError("there is no backup repository");
  }
  if (!marker.ok() || *marker != kRepositoryContent) {
    return absl::DataLossError(
        "the object \"repository\" is not that of a backup repository, or of "
        "a newer one");
  }
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<uint64_t> generations,
                             Generations(repository));
  std::vector<BackupInfo> out;
  for (uint64_t generation : generations) {
    CORKSCREW_ASSIGN_OR_RETURN(const BackupManifest manifest,
                               PullManifest(repository, &generation));
    out.push_back({generation, ContentOf(manifest)});
  }
  return out;
}

absl::StatusOr<PruneReply> PruneBackups(BackupStore& repository,
                                        const BackupRetention& retention,
                                        absl::Time now) {
  CORKSCREW_RETURN_IF_ERROR(ListBackups(repository).status());
  // Keeps others from changing it, then looks again.
  CORKSCREW_RETURN_IF_ERROR(
      repository.Push(kRepositoryName, kRepositoryContent));
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<BackupInfo> all,
                             ListBackups(repository));
  PruneReply reply;
  std::set<std::string> needed;
  for (size_t i = 0; i < all.size(); ++i) {
    const size_t newer = all.size() - 1 - i;
    const absl::Duration age =
        now - absl::FromUnixMillis(all[i].content.wall_ms);
    if (newer == 0 || newer < retention.keep || age <= retention.keep_for) {
      uint64_t generation = all[i].generation;
      CORKSCREW_ASSIGN_OR_RETURN(const BackupManifest manifest,
                                 PullManifest(repository, &generation));
      for (const BackupManifest::File& file : manifest.files) {
        needed.insert(FileObjectName(file.sha256));
      }
    } else {
      reply.removed.push_back(all[i].generation);
    }
  }
  // Manifests first: a generation is whole or not there.
  for (const uint64_t generation : reply.removed) {
    CORKSCREW_RETURN_IF_ERROR(repository.Delete(GenerationName(generation)));
  }
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<BackupStore::Object> objects,
                             repository.List(kFiles));
  for (const BackupStore::Object& object : objects) {
    if (needed.count(object.name) != 0) continue;
    CORKSCREW_RETURN_IF_ERROR(repository.Delete(object.name));
    reply.bytes += object.bytes;
  }
  return reply;
}

}  // namespace corkscrew
