#ifndef CORKSCREW_RPC_UNIX_SOCKET_H_
#define CORKSCREW_RPC_UNIX_SOCKET_H_

// The file of a listening unix socket, which only its user may connect to from
// the first moment on: it is bound in a private directory beside its place,
// given its mode, and renamed.

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

// Removes the socket at the end of its life, unless another one is there by
// then. Single-threaded.
class UnixSocketFile {
 public:
  // Makes the private directory for the socket at `path`, an absolute path.
  //   InvalidArgument     the path is too long
  //   FailedPrecondition  something that is not a socket is at `path`
  //   Unavailable         a process listens there
  //   or what the system says
  static absl::StatusOr<std::unique_ptr<UnixSocketFile>> Prepare(
      absl::string_view path);
  ~UnixSocketFile();
  UnixSocketFile(const UnixSocketFile&) = delete;
  UnixSocketFile& operator=(const UnixSocketFile&) = delete;

  // Where to bind.
  const std::string& private_path() const { return private_path_; }
  // Puts the bound socket at its place, for others to connect.
  absl::Status Publish();
  // Takes it away again. Idempotent.
  void Remove();

 private:
  UnixSocketFile(std::string path, std::string directory)
      : path_(std::move(path)),
        directory_(std::move(directory)),
        private_path_(directory_ + "/s") {}

  const std::string path_;
  const std::string directory_;
  const std::string private_path_;
  bool published_ = false;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// Whether the file at `path` is a socket of this user.
bool IsOwnSocket(const std::string& path);

}  // namespace corkscrew

#endif  // CORKSCREW_RPC_UNIX_SOCKET_H_
