#include "db/closed_database.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"

namespace corkscrew {
namespace {

constexpr size_t kMaxLockBytes = 65536;

}  // namespace

absl::StatusOr<ClosedDatabase> ClosedDatabase::Hold(absl::string_view path) {
  if (path.empty() || path.find('\0') != absl::string_view::npos) {
    return absl::InvalidArgumentError("the path of the database is empty");
  }
  const std::string directory(path);
  FileSystem& files = FileSystem::Real();
  if (!files.Exists(directory + "/store") &&
      !files.Exists(directory + "/OPEN")) {
    return absl::NotFoundError(absl::StrCat("no database in ", path));
  }
  const std::string lock = directory + "/LOCK";
  const int fd = open(lock.c_str(), O_RDONLY | O_CLOEXEC);
  // Without a lock file, as in a snapshot, nobody has it open.
  if (fd < 0 && errno == ENOENT) return ClosedDatabase(directory, -1);
  if (fd < 0) return FileError(errno, "open", lock);
  ClosedDatabase held(directory, fd);
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return held;
  if (errno != EWOULDBLOCK) return FileError(errno, "lock", lock);
  const absl::StatusOr<std::string> holder = files.Read(lock, kMaxLockBytes);
  std::string pid = "unknown";
  if (holder.ok() && !holder->empty()) {
    pid = std::string(*absl::StrSplit(*holder, '\n').begin());
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "database in ", path, " is held by process ", pid, "; stop it first"));
}

ClosedDatabase::~ClosedDatabase() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace corkscrew
