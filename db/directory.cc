#include "db/directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/file_system.h"
#include "base/lock_holder.h"
#include "base/status_macros.h"
#include "db/file_watch.h"
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

// What a lock file says about who holds it.
struct Holder {
  std::string pid = "unknown";
  std::vector<std::string> addresses = {};
};

constexpr size_t kMaxAddresses = 16;
constexpr size_t kMaxAddressBytes = 256;

// The pid and each address end with a line break: a line without one is still
// being written.
Holder ReadHolder(int fd) {
  std::array<char, 32 + kMaxAddresses*(kMaxAddressBytes + 1)> buffer;
  const ssize_t size = pread(fd, buffer.data(), buffer.size(), 0);
  std::vector<std::string> lines = absl::StrSplit(
      absl::string_view(buffer.data(), size < 0 ? 0 : size), '\n');
  lines.pop_back();
  Holder holder;
  if (lines.empty() || lines[0].empty() ||
      !std::all_of(lines[0].begin(), lines[0].end(), absl::ascii_isdigit)) {
    return holder;
  }
  holder.pid = lines[0];
  holder.addresses.assign(lines.begin() + 1, lines.end());
  return holder;
}

absl::Status WriteHolder(int fd, const std::string& path,
                         absl::Span<const std::string> addresses) {
  std::string text = absl::StrCat(getpid(), "\n");
  for (const std::string& address : addresses) {
    absl::StrAppend(&text, address, "\n");
  }
  if (ftruncate(fd, 0) != 0 || pwrite(fd, text.data(), text.size(), 0) !=
                                   static_cast<ssize_t>(text.size())) {
    return FileError(errno, "write", path);
  }
  return absl::OkStatus();
}

absl::Status Held(const std::string& path, const Holder& holder) {
  absl::Status status = absl::FailedPreconditionError(absl::StrCat(
      "database in ", path, " is held by process ", holder.pid,
      holder.addresses.empty()
          ? std::string("; close it there, open it for reading only, or share "
                        "it through a node (corkscrewd)")
          : absl::StrCat(", a node at ", absl::StrJoin(holder.addresses, ", "),
                         "; connect to that, or open it for reading only")));
  status.SetPayload(kLockHolderPayload,
                    absl::Cord(absl::StrJoin(holder.addresses, "\n")));
  return status;
}

// Takes the lock of the file `fd`, waiting at most `timeout` for a holder that
// does not serve the database.
absl::Status Lock(int fd, const std::string& path, const std::string& lock_path,
                  absl::Duration timeout) {
  // A process that is killed closes its files before it lets go of their
  // locks, and not every system can watch files: so look again by the clock.
  constexpr absl::Duration kFirstPause = absl::Milliseconds(1);
  constexpr absl::Duration kLongestPause = absl::Milliseconds(20);
  std::optional<FileWatch> watch;
  absl::Duration pause = kFirstPause;
  const absl::Time deadline = absl::Now() + timeout;
  if (FlawsForTests().no_lock) return absl::OkStatus();
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return FileError(errno, "lock", lock_path);
    const Holder holder = ReadHolder(fd);
    const absl::Duration left = deadline - absl::Now();
    if (!holder.addresses.empty() || left <= absl::ZeroDuration()) {
      return Held(path, holder);
    }
    if (!watch.has_value()) {
      watch.emplace(lock_path);
      continue;  // It may have been let go before the watch began.
    }
    watch->Wait(std::min(pause, left));
    pause = std::min(2 * pause, kLongestPause);
  }
  return absl::OkStatus();
}

std::string MarkerPath(const std::string& path) { return path + "/OPEN"; }
std::string PreparedPath(const std::string& path) {
  return MarkerPath(path) + ".new";
}

// The identity of a file; all zero if there is none.
absl::StatusOr<OpenMarker> ReadMarker(const std::string& marker) {
  struct statx info;
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

}  // namespace

absl::Status MakeDirectory(FileSystem& files, const std::string& parent,
                           const std::string& name) {
  const std::string path = absl::StrCat(parent, "/", name);
  CORKSCREW_RETURN_IF_ERROR(files.MakeDirectory(path));
  return files.SyncDirectory(parent);
}

absl::StatusOr<std::unique_ptr<DirectoryLock>> DirectoryLock::Acquire(
    FileSystem& files, const std::string& path, bool create,
    absl::Duration timeout) {
  struct stat info;
  const bool there = stat(path.c_str(), &info) == 0;
  if (!there && (errno != ENOENT || !create)) {
    return FileError(errno, "open", path);
  }
  if (there && !S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is not a directory"));
  }
  // Also when it is there, until something was written: who made it may not
  // have come to sync its parent.
  if (create && access(MarkerPath(path).c_str(), F_OK) != 0) {
    const std::filesystem::path whole =
        std::filesystem::path(path + "/.").lexically_normal().parent_path();
    const std::filesystem::path parent = whole.parent_path();
    CORKSCREW_RETURN_IF_ERROR(
        MakeDirectory(files, parent.empty() ? "." : parent.string(),
                      whole.filename().string()));
  }
  const std::string lock_path = path + "/LOCK";
  if (!create && access(lock_path.c_str(), F_OK) != 0 && errno == ENOENT) {
    return absl::NotFoundError(absl::StrCat("no database in ", path));
  }
  Descriptor fd(open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (fd.get() < 0) return FileError(errno, "open", lock_path);
  CORKSCREW_RETURN_IF_ERROR(Lock(fd.get(), path, lock_path, timeout));
  CORKSCREW_RETURN_IF_ERROR(WriteHolder(fd.get(), lock_path, {}));
  return std::unique_ptr<DirectoryLock>(
      new DirectoryLock(fd.Release(), lock_path));
}

// The file stays: removing it would let two processes lock different files.
// Who waits is woken by the closing, and then finds it unlocked.
DirectoryLock::~DirectoryLock() {
  flock(fd_, LOCK_UN);
  close(fd_);
}

absl::Status DirectoryLock::Announce(absl::Span<const std::string> addresses) {
  assert(addresses.size() <= kMaxAddresses);
  for ([[maybe_unused]] const std::string& address : addresses) {
    assert(address.size() <= kMaxAddressBytes &&
           !absl::StrContains(address, '\n'));
  }
  return WriteHolder(fd_, path_, addresses);
}

absl::StatusOr<OpenMarker> ReadOpenMarker(const std::string& path) {
  return ReadMarker(MarkerPath(path));
}

absl::StatusOr<OpenMarker> ReadPreparedMarker(const std::string& path) {
  return ReadMarker(PreparedPath(path));
}

absl::StatusOr<OpenMarker> PrepareOpenMarker(FileSystem& files,
                                             const std::string& path) {
  // The old marker is still there, so its inode is not used again.
  const std::string fresh = PreparedPath(path);
  const absl::Status removed = files.Remove(fresh);
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                             files.NewFile(fresh));
  CORKSCREW_RETURN_IF_ERROR(file->Sync());
  CORKSCREW_RETURN_IF_ERROR(file->Close());
  CORKSCREW_RETURN_IF_ERROR(files.SyncDirectory(path));
  return ReadPreparedMarker(path);
}

absl::Status PlaceOpenMarker(FileSystem& files, const std::string& path) {
  CORKSCREW_RETURN_IF_ERROR(files.Rename(PreparedPath(path), MarkerPath(path)));
  return files.SyncDirectory(path);
}

void RemovePreparedMarker(FileSystem& files, const std::string& path) {
  files.Remove(PreparedPath(path)).IgnoreError();
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
