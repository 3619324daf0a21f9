#include "base/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/status_macros.h"

namespace corkscrew {
namespace {

class PosixWritableFile : public WritableFile {
 public:
  PosixWritableFile(int fd, std::string path)
      : fd_(fd), path_(std::move(path)) {}
  ~PosixWritableFile() override {
    if (fd_ >= 0) close(fd_);
  }
  PosixWritableFile(const PosixWritableFile&) = delete;
  PosixWritableFile& operator=(const PosixWritableFile&) = delete;

  absl::Status Append(absl::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = write(fd_, bytes.data(), bytes.size());
      if (written < 0) {
        if (errno == EINTR) continue;
        return FileError(errno, "write", path_);
      }
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    return fdatasync(fd_) == 0 ? absl::OkStatus()
                               : FileError(errno, "sync", path_);
  }

  absl::Status Close() override {
    if (fd_ < 0) return absl::OkStatus();
    const int fd = std::exchange(fd_, -1);
    return close(fd) == 0 ? absl::OkStatus() : FileError(errno, "close", path_);
  }

 private:
  int fd_;
  const std::string path_;
};

class MappedContent : public FileContent {
 public:
  MappedContent(void* data, size_t size) : data_(data), size_(size) {}
  ~MappedContent() override {
    if (size_ != 0) munmap(data_, size_);
  }
  MappedContent(const MappedContent&) = delete;
  MappedContent& operator=(const MappedContent&) = delete;

  absl::string_view bytes() const override {
    return {static_cast<const char*>(data_), size_};
  }

 private:
  void* const data_;
  const size_t size_;
};

class PosixFileSystem : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<WritableFile>> NewFile(
      const std::string& path) override {
    return OpenToWrite(path, O_TRUNC, "create");
  }

  absl::StatusOr<std::unique_ptr<WritableFile>> AppendToFile(
      const std::string& path) override {
    return OpenToWrite(path, O_APPEND, "open");
  }

  absl::StatusOr<std::string> Read(const std::string& path,
                                   size_t most) override {
    CORKSCREW_ASSIGN_OR_RETURN(const int fd, OpenToRead(path));
    const absl::Cleanup closer = [fd] { close(fd); };
    CORKSCREW_ASSIGN_OR_RETURN(const uint64_t size, SizeOf(fd, path));
    if (size > most) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "read ", path, ": it has ", size, " bytes, at most ", most));
    }
    std::string out(static_cast<size_t>(size), '\0');
    size_t filled = 0;
    while (filled < out.size()) {
      const ssize_t got = read(fd, &out[filled], out.size() - filled);
      if (got < 0) {
        if (errno == EINTR) continue;
        return FileError(errno, "read", path);
      }
      if (got == 0) break;  // It was cut meanwhile.
      filled += static_cast<size_t>(got);
    }
    out.resize(filled);
    return out;
  }

  absl::StatusOr<std::unique_ptr<FileContent>> Map(
      const std::string& path) override {
    CORKSCREW_ASSIGN_OR_RETURN(const int fd, OpenToRead(path));
    const absl::Cleanup closer = [fd] { close(fd); };
    CORKSCREW_ASSIGN_OR_RETURN(const uint64_t size, SizeOf(fd, path));
    void* data = nullptr;
    if (size != 0) {
      data = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
      if (data == MAP_FAILED) return FileError(errno, "map", path);
    }
    return std::make_unique<MappedContent>(data, size);
  }

  absl::StatusOr<uint64_t> Size(const std::string& path) override {
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return FileError(errno, "stat", path);
    return static_cast<uint64_t>(info.st_size);
  }

  bool Exists(const std::string& path) override {
    return access(path.c_str(), F_OK) == 0;
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    return rename(from.c_str(), to.c_str()) == 0
               ? absl::OkStatus()
               : FileError(errno, absl::StrCat("rename ", from, " to"), to);
  }

  absl::Status Link(const std::string& from, const std::string& to) override {
    return link(from.c_str(), to.c_str()) == 0
               ? absl::OkStatus()
               : FileError(errno, absl::StrCat("link ", from, " to"), to);
  }

  absl::Status Remove(const std::string& path) override {
    return unlink(path.c_str()) == 0 ? absl::OkStatus()
                                     : FileError(errno, "remove", path);
  }

  absl::Status RemoveDirectory(const std::string& path) override {
    return rmdir(path.c_str()) == 0
               ? absl::OkStatus()
               : FileError(errno, "remove directory", path);
  }

  absl::Status MakeDirectory(const std::string& path) override {
    return mkdir(path.c_str(), 0700) == 0 || errno == EEXIST
               ? absl::OkStatus()
               : FileError(errno, "create directory", path);
  }

  absl::StatusOr<std::vector<std::string>> List(
      const std::string& path) override {
    DIR* const directory = opendir(path.c_str());
    if (directory == nullptr) return FileError(errno, "list", path);
    const absl::Cleanup closer = [directory] { closedir(directory); };
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(directory)) {
      const absl::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    if (errno != 0) return FileError(errno, "list", path);
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::Status SyncDirectory(const std::string& path) override {
    const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return FileError(errno, "open", path);
    const absl::Cleanup closer = [fd] { close(fd); };
    return fsync(fd) == 0 ? absl::OkStatus() : FileError(errno, "sync", path);
  }

  absl::StatusOr<uint64_t> FreeSpace(const std::string& path) override {
    struct statvfs info;
    if (statvfs(path.c_str(), &info) != 0) {
      return FileError(errno, "ask for the free space of", path);
    }
    return uint64_t{info.f_bavail} * info.f_frsize;
  }

 private:
  static absl::StatusOr<std::unique_ptr<WritableFile>> OpenToWrite(
      const std::string& path, int flags, absl::string_view what) {
    const int fd =
        open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    if (fd < 0) return FileError(errno, what, path);
    return std::make_unique<PosixWritableFile>(fd, path);
  }

  static absl::StatusOr<int> OpenToRead(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return FileError(errno, "open", path);
    return fd;
  }

  static absl::StatusOr<uint64_t> SizeOf(int fd, const std::string& path) {
    struct stat info;
    if (fstat(fd, &info) != 0) return FileError(errno, "stat", path);
    if (!S_ISREG(info.st_mode)) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is not a regular file"));
    }
    return static_cast<uint64_t>(info.st_size);
  }
};

}  // namespace

absl::Status FileError(int error, absl::string_view what,
                       absl::string_view path) {
  const std::string message = absl::StrCat(
      what, " ", path, ": ", std::generic_category().message(error));
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOENT:
      return absl::NotFoundError(message);
    case EEXIST:
    case ENOTEMPTY:
      return absl::AlreadyExistsError(message);
    case ENOTDIR:
      return absl::FailedPreconditionError(message);
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

FileSystem& FileSystem::Real() {
  static PosixFileSystem* const real = new PosixFileSystem;
  return *real;
}

std::string ParentDirectory(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) return ".";
  return std::string(path.substr(0, std::max<size_t>(slash, 1)));
}

absl::Status AtomicWriteFile(FileSystem& files, const std::string& path,
                             absl::Span<const absl::string_view> parts) {
  const std::string temporary = path + ".tmp";
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                             files.NewFile(temporary));
  for (const absl::string_view part : parts) {
    CORKSCREW_RETURN_IF_ERROR(file->Append(part));
  }
  CORKSCREW_RETURN_IF_ERROR(file->Sync());
  CORKSCREW_RETURN_IF_ERROR(file->Close());
  CORKSCREW_RETURN_IF_ERROR(files.Rename(temporary, path));
  return files.SyncDirectory(ParentDirectory(path));
}

}  // namespace corkscrew
