#include "db/directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/status_macros.h"
#include "db/flaws.h"

namespace corkscrew {
namespace {

// Closes at the end of the scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  int Release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

std::string ReadPid(int fd) {
  std::array<char, 32> buffer;
  const ssize_t size = pread(fd, buffer.data(), buffer.size(), 0);
  absl::string_view pid(buffer.data(), size < 0 ? 0 : size);
  pid = absl::StripAsciiWhitespace(pid);
  for (const char c : pid) {
    if (!absl::ascii_isdigit(c)) return "unknown";
  }
  return pid.empty() ? "unknown" : std::string(pid);
}

std::string MarkerPath(const std::string& path) { return path + "/OPEN"; }

}  // namespace

absl::Status MakeDirectory(FileSystem& files, const std::string& parent,
                           const std::string& name) {
  const std::string path = absl::StrCat(parent, "/", name);
  if (files.Exists(path)) return absl::OkStatus();
  CORKSCREW_RETURN_IF_ERROR(files.MakeDirectory(path));
  return files.SyncDirectory(parent);
}

absl::StatusOr<std::unique_ptr<DirectoryLock>> DirectoryLock::Acquire(
    FileSystem& files, const std::string& path, bool create) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT || !create) return FileError(errno, "open", path);
    const std::filesystem::path whole =
        std::filesystem::path(path + "/.").lexically_normal().parent_path();
    const std::filesystem::path parent = whole.parent_path();
    CORKSCREW_RETURN_IF_ERROR(
        MakeDirectory(files, parent.empty() ? "." : parent.string(),
                      whole.filename().string()));
  } else if (!S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is not a directory"));
  }
  const std::string lock_path = path + "/LOCK";
  if (!create && access(lock_path.c_str(), F_OK) != 0 && errno == ENOENT) {
    return absl::NotFoundError(absl::StrCat("no database in ", path));
  }
  Descriptor fd(open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (fd.get() < 0) return FileError(errno, "open", lock_path);
  if (!FlawsForTests().no_lock && flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FileError(errno, "lock", lock_path);
    return absl::FailedPreconditionError(absl::StrCat(
        "database in ", path, " is held by process ", ReadPid(fd.get()),
        "; close it there, or connect to it if it is a node"));
  }
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(fd.get(), 0) != 0 ||
      pwrite(fd.get(), pid.data(), pid.size(), 0) !=
          static_cast<ssize_t>(pid.size())) {
    return FileError(errno, "write", lock_path);
  }
  return std::unique_ptr<DirectoryLock>(new DirectoryLock(fd.Release()));
}

// The file stays: removing it would let two processes lock different files.
DirectoryLock::~DirectoryLock() { close(fd_); }

absl::StatusOr<OpenMarker> ReadOpenMarker(const std::string& path) {
  struct statx info;
  const std::string marker = MarkerPath(path);
  if (statx(AT_FDCWD, marker.c_str(), AT_SYMLINK_NOFOLLOW,
            STATX_INO | STATX_BTIME, &info) != 0) {
    if (errno == ENOENT) return OpenMarker{};
    return FileError(errno, "read", marker);
  }
  OpenMarker out{.inode = info.stx_ino};
  if (info.stx_mask & STATX_BTIME) {
    out.birth_ns =
        static_cast<uint64_t>(info.stx_btime.tv_sec) * 1'000'000'000 +
        info.stx_btime.tv_nsec;
  }
  return out;
}

absl::StatusOr<OpenMarker> MakeOpenMarker(FileSystem& files,
                                          const std::string& path) {
  // Another file first, then the rename: the inode of the old marker is still
  // in use while the new one is made, so that the two differ.
  const std::string marker = MarkerPath(path);
  const std::string fresh = marker + ".new";
  const absl::Status removed = files.Remove(fresh);
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                             files.NewFile(fresh));
  CORKSCREW_RETURN_IF_ERROR(file->Close());
  CORKSCREW_RETURN_IF_ERROR(files.Rename(fresh, marker));
  CORKSCREW_RETURN_IF_ERROR(files.SyncDirectory(path));
  return ReadOpenMarker(path);
}

std::string BootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  if (!std::getline(file, id) || id.size() > 255) return "";
  return id;
}

size_t DiskBytes(const std::string& path) {
  size_t sum = 0;
  std::error_code error;
  std::filesystem::recursive_directory_iterator it(path, error), end;
  for (; !error && it != end; it.increment(error)) {
    std::error_code gone;
    if (!it->is_regular_file(gone)) continue;
    const auto size = it->file_size(gone);
    if (!gone) sum += size;
  }
  return sum;
}

}  // namespace corkscrew
