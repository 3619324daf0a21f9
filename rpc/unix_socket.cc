#include "rpc/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/status_macros.h"

namespace corkscrew {
namespace {

// Whether a process accepts connections at `path`.
bool Listens(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  // EAGAIN: its queue of connections is full.
  const bool listens = connect(fd, reinterpret_cast<const sockaddr*>(&address),
                               sizeof(address)) == 0 ||
                       errno == EAGAIN || errno == EINPROGRESS;
  close(fd);
  return listens;
}

absl::Status CheckPlace(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : FileError(errno, "stat", path);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("address unix:", path, ": the file is not a socket"));
  }
  if (Listens(path)) {
    return absl::UnavailableError(
        absl::StrCat("address unix:", path,
                     ": can not be bound; another process is listening there"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<UnixSocketFile>> UnixSocketFile::Prepare(
    absl::string_view path) {
  const std::string place(path);
  std::string directory = absl::StrCat(ParentDirectory(path), "/.XXXXXX");
  constexpr size_t kMostBytes = sizeof(sockaddr_un::sun_path) - 1;
  const size_t bytes = std::max(place.size(), directory.size() + 2);
  if (bytes > kMostBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("address unix:", path, ": needs a path of ", bytes,
                     " bytes, a socket can have ", kMostBytes));
  }
  CORKSCREW_RETURN_IF_ERROR(CheckPlace(place));
  if (mkdtemp(directory.data()) == nullptr) {
    return FileError(errno, "create directory", directory);
  }
  return std::unique_ptr<UnixSocketFile>(
      new UnixSocketFile(place, std::move(directory)));
}

absl::Status UnixSocketFile::Publish() {
  struct stat info;
  if (chmod(private_path_.c_str(), 0600) != 0 ||
      lstat(private_path_.c_str(), &info) != 0) {
    return FileError(errno, "prepare the socket", private_path_);
  }
  device_ = info.st_dev;
  inode_ = info.st_ino;
  CORKSCREW_RETURN_IF_ERROR(CheckPlace(path_));
  if (rename(private_path_.c_str(), path_.c_str()) != 0) {
    return FileError(errno, "create the socket", path_);
  }
  published_ = true;
  rmdir(directory_.c_str());
  return absl::OkStatus();
}

void UnixSocketFile::Remove() {
  if (!published_) return;
  published_ = false;
  struct stat info;
  if (lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ &&
      info.st_ino == inode_) {
    unlink(path_.c_str());
  }
}

UnixSocketFile::~UnixSocketFile() {
  Remove();
  unlink(private_path_.c_str());
  rmdir(directory_.c_str());
}

bool IsOwnSocket(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode) &&
         info.st_uid == geteuid();
}

}  // namespace corkscrew
