#ifndef CORKSCREW_DB_DIRECTORY_H_
#define CORKSCREW_DB_DIRECTORY_H_

// The directory of a database: created, locked, and marked at every open
// (docs/storage_format.md, "Directory").

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/file_system.h"

namespace corkscrew {

// Holds the lock of a database directory until destruction.
class DirectoryLock {
 public:
  // Locks the directory `path`. Creates it (mode 0700; its parent must exist)
  // if `create`. Waits at most `timeout` while another process holds it, but
  // not for one that has announced addresses.
  //   NotFound            no directory, and not `create`; or no parent
  //   FailedPrecondition  another process holds it (names the pid and the
  //                       addresses, which are also in kLockHolderPayload of
  //                       base/lock_holder.h), or `path` is not a directory
  //   PermissionDenied, ResourceExhausted, Unavailable  as the system says
  static absl::StatusOr<std::unique_ptr<DirectoryLock>> Acquire(
      FileSystem& files, const std::string& path, bool create,
      absl::Duration timeout = absl::ZeroDuration());
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

  // Tells others where this process serves the database, at most 16 addresses
  // of at most 256 bytes without line breaks. Replaces the last ones.
  absl::Status Announce(absl::Span<const std::string> addresses);

 private:
  explicit DirectoryLock(int fd, std::string path)
      : fd_(fd), path_(std::move(path)) {}
  const int fd_;
  const std::string path_;  // Of the lock file.
};

// Identity of the file OPEN, which a copied directory does not have.
struct OpenMarker {
  uint64_t inode = 0;
  uint64_t birth_ns = 0;  // 0: the file system does not know.

  friend bool operator==(const OpenMarker&, const OpenMarker&) = default;
};

// Reads the marker of the directory; all zero if there is none.
absl::StatusOr<OpenMarker> ReadOpenMarker(const std::string& path);

// The marker is replaced in two steps, with the row that names it written in
// between, so that a crash leaves one that is named: a new file is made beside
// the marker and synced, and later takes its place.
absl::StatusOr<OpenMarker> PrepareOpenMarker(FileSystem& files,
                                             const std::string& path);
absl::Status PlaceOpenMarker(FileSystem& files, const std::string& path);
// The prepared marker that a crash left; all zero if there is none.
absl::StatusOr<OpenMarker> ReadPreparedMarker(const std::string& path);
void RemovePreparedMarker(FileSystem& files, const std::string& path);

// Creates the directory with mode 0700 unless it is there, and syncs its parent
// `parent`.
absl::Status MakeDirectory(FileSystem& files, const std::string& parent,
                           const std::string& name);

// Identifies this boot of the system; empty if not known.
std::string BootId();

// Bytes of all files below `path`; files that vanish meanwhile do not count.
size_t DiskBytes(const std::string& path);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_DIRECTORY_H_
