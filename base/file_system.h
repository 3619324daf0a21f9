#ifndef CORKSCREW_BASE_FILE_SYSTEM_H_
#define CORKSCREW_BASE_FILE_SYSTEM_H_

// Files as everything beside the store uses them: behind an interface, so that
// tests can let any call fail, and lose what was not synced.
//
// Statuses: NotFound (no such file or directory), PermissionDenied,
// ResourceExhausted (disk full, too many files), FailedPrecondition (not a
// directory), AlreadyExists, else Unavailable. They name the path.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace corkscrew {

// The status that `error` (an errno) at `what` `path` stands for.
absl::Status FileError(int error, absl::string_view what,
                       absl::string_view path);

// A file that is written from its start to its end. Single-threaded. The
// destructor closes without syncing.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  // Writes all of `bytes` or fails; then nothing may follow but Close().
  virtual absl::Status Append(absl::string_view bytes) = 0;
  virtual absl::Status Sync() = 0;   // fdatasync.
  virtual absl::Status Close() = 0;  // Idempotent.
};

// The bytes of a file, mapped or held. Immutable and thread-safe. Truncating
// the file under the mapping ends the process at the next access (SIGBUS): map
// only files that nobody else writes.
class FileContent {
 public:
  virtual ~FileContent() = default;
  virtual absl::string_view bytes() const = 0;
};

// Thread-safe. Paths are the system's.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // The real one; lives for ever.
  static FileSystem& Real();

  // Creates the file (mode 0600), or empties it.
  virtual absl::StatusOr<std::unique_ptr<WritableFile>> NewFile(
      const std::string& path) = 0;
  // Creates it, or continues at its end.
  virtual absl::StatusOr<std::unique_ptr<WritableFile>> AppendToFile(
      const std::string& path) = 0;
  // Reads it whole.
  //   ResourceExhausted  it has more than `most` bytes
  virtual absl::StatusOr<std::string> Read(const std::string& path,
                                           size_t most) = 0;
  virtual absl::StatusOr<std::unique_ptr<FileContent>> Map(
      const std::string& path) = 0;
  virtual absl::StatusOr<uint64_t> Size(const std::string& path) = 0;
  virtual bool Exists(const std::string& path) = 0;
  // Replaces `to` atomically. Durable after SyncDirectory().
  virtual absl::Status Rename(const std::string& from,
                              const std::string& to) = 0;
  // A second name for the same file, on the same file system.
  virtual absl::Status Link(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  // Removes an empty directory.
  virtual absl::Status RemoveDirectory(const std::string& path) = 0;
  // Mode 0700. AlreadyExists is not an error.
  virtual absl::Status MakeDirectory(const std::string& path) = 0;
  // Names in it, without . and .., sorted.
  virtual absl::StatusOr<std::vector<std::string>> List(
      const std::string& path) = 0;
  // Makes the creations, renames and removals in it durable.
  virtual absl::Status SyncDirectory(const std::string& path) = 0;
  // Bytes that this user may still write to the file system of `path`.
  virtual absl::StatusOr<uint64_t> FreeSpace(const std::string& path) = 0;
};

// The directory of `path`; "." if it names none.
std::string ParentDirectory(absl::string_view path);

// Replaces `path` by a file of these bytes: a temporary file beside it
// (`path`.tmp) is written, synced and renamed, and the directory synced. After
// a crash there is the old file or the new one, and perhaps a temporary one,
// which the next call replaces.
absl::Status AtomicWriteFile(FileSystem& files, const std::string& path,
                             absl::Span<const absl::string_view> parts);

}  // namespace corkscrew

#endif  // CORKSCREW_BASE_FILE_SYSTEM_H_
