// Objects of a backup repository as files of a directory.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "corkscrew/backup.h"
#include "db/backup.h"
#include "db/backup_files.h"
#include "db/directory.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kTemporary = ".tmp";
constexpr size_t kMaxNameBytes = 200;
constexpr size_t kMaxDepth = 4;

bool IsNameByte(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' ||
         c == '_' || c == '.';
}

// The names of BackupStore, less those of temporary files.
absl::Status CheckName(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '/');
  bool good = name.size() <= kMaxNameBytes && parts.size() <= kMaxDepth &&
              !absl::EndsWith(name, kTemporary);
  for (const absl::string_view part : parts) {
    good = good && !part.empty() && part[0] != '.' &&
           std::all_of(part.begin(), part.end(), IsNameByte);
  }
  return good ? absl::OkStatus()
              : absl::InvalidArgumentError(
                    absl::StrCat("\"", name, "\" is no name of an object"));
}

class DirectoryStore final : public BackupStore {
 public:
  DirectoryStore(FileSystem& files, absl::string_view path)
      : files_(files), path_(path) {}

  absl::Status Push(absl::string_view name,
                    absl::string_view content) override {
    CORKSCREW_RETURN_IF_ERROR(CheckName(name));
    MutexLock lock(&mutex_);
    CORKSCREW_RETURN_IF_ERROR(LockForWriting());
    const std::string path = PathOf(name);
    CORKSCREW_RETURN_IF_ERROR(MakeParents(name));
    const auto there = ReadRegularFile(files_, path, content.size());
    if (there.ok() && *there == content) {
      // It may have been renamed just before a crash.
      return files_.SyncDirectory(ParentDirectory(path));
    }
    const std::string temporary = absl::StrCat(path, kTemporary);
    CORKSCREW_RETURN_IF_ERROR(WriteNewFile(files_, temporary, content));
    CORKSCREW_ASSIGN_OR_RETURN(
        const std::string written,
        ReadRegularFile(files_, temporary, content.size()));
    if (written != content) {
      return absl::DataLossError(
          absl::StrCat(temporary, " does not hold what was written to it"));
    }
    CORKSCREW_RETURN_IF_ERROR(files_.Rename(temporary, path));
    return files_.SyncDirectory(ParentDirectory(path));
  }

  absl::StatusOr<std::vector<Object>> List(absl::string_view prefix) override {
    std::vector<Object> objects;
    CORKSCREW_RETURN_IF_ERROR(ListBelow("", prefix, 1, &objects));
    std::sort(objects.begin(), objects.end(),
              [](const Object& a, const Object& b) { return a.name < b.name; });
    return objects;
  }

  absl::StatusOr<std::string> Pull(absl::string_view name,
                                   uint64_t most) override {
    CORKSCREW_RETURN_IF_ERROR(CheckName(name));
    return ReadRegularFile(files_, PathOf(name), most);
  }

  absl::Status Delete(absl::string_view name) override {
    CORKSCREW_RETURN_IF_ERROR(CheckName(name));
    MutexLock lock(&mutex_);
    CORKSCREW_RETURN_IF_ERROR(LockForWriting());
    const std::string path = PathOf(name);
    const absl::Status removed = files_.Remove(path);
    if (absl::IsNotFound(removed)) return absl::OkStatus();
    CORKSCREW_RETURN_IF_ERROR(removed);
    return files_.SyncDirectory(ParentDirectory(path));
  }

 private:
  std::string PathOf(absl::string_view name) const {
    return absl::StrCat(path_, "/", name);
  }

  // Others only read until this object is gone.
  absl::Status LockForWriting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (lock_ != nullptr) return absl::OkStatus();
    absl::StatusOr<std::unique_ptr<DirectoryLock>> lock =
        DirectoryLock::Acquire(files_, path_, /*create=*/true);
    if (absl::IsFailedPrecondition(lock.status())) {
      return absl::FailedPreconditionError(absl::StrCat(
          "repository ", path_,
          " is being changed by another process, or is not a directory"));
    }
    CORKSCREW_RETURN_IF_ERROR(lock.status());
    lock_ = *std::move(lock);
    return absl::OkStatus();
  }

  absl::Status MakeParents(absl::string_view name) const {
    std::string directory = path_;
    std::vector<std::string> parts = absl::StrSplit(name, '/');
    parts.pop_back();
    for (const std::string& part : parts) {
      CORKSCREW_RETURN_IF_ERROR(MakeDirectory(files_, directory, part));
      absl::StrAppend(&directory, "/", part);
    }
    return absl::OkStatus();
  }

  // Adds the objects of directory `name` ("" or a name and '/').
  absl::Status ListBelow(const std::string& name, absl::string_view prefix,
                         size_t depth, std::vector<Object>* objects) const {
    const absl::StatusOr<std::vector<std::string>> entries =
        files_.List(PathOf(name));
    if (absl::IsNotFound(entries.status())) return absl::OkStatus();
    CORKSCREW_RETURN_IF_ERROR(entries.status());
    for (const std::string& entry : *entries) {
      const std::string whole = name + entry;
      if (!CheckName(whole).ok()) continue;  // LOCK, temporary files.
      const std::string path = PathOf(whole);
      std::error_code error;
      const auto kind = std::filesystem::symlink_status(path, error).type();
      if (kind == std::filesystem::file_type::directory) {
        const std::string inner = whole + "/";
        if (depth < kMaxDepth && (absl::StartsWith(inner, prefix) ||
                                  absl::StartsWith(prefix, inner))) {
          CORKSCREW_RETURN_IF_ERROR(
              ListBelow(inner, prefix, depth + 1, objects));
        }
      } else if (kind == std::filesystem::file_type::regular &&
                 absl::StartsWith(whole, prefix)) {
        CORKSCREW_ASSIGN_OR_RETURN(const uint64_t bytes, files_.Size(path));
        objects->push_back({whole, bytes});
      }
    }
    return absl::OkStatus();
  }

  FileSystem& files_;
  const std::string path_;
  Mutex mutex_;
  std::unique_ptr<DirectoryLock> lock_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<BackupStore> DirectoryBackupStore(absl::string_view path) {
  return DirectoryBackupStoreOn(FileSystem::Real(), path);
}

std::unique_ptr<BackupStore> DirectoryBackupStoreOn(FileSystem& files,
                                                    absl::string_view path) {
  return std::make_unique<DirectoryStore>(files, path);
}

}  // namespace corkscrew
