#include "embed/model_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace corkscrew {
namespace {

// Above every embedding model there is; keeps a sparse file of a few blocks
// from asking for all memory.
constexpr uint64_t kMaxFileBytes = uint64_t{32} << 30;

}  // namespace

// With read(), not a mapping: a file that shrinks or changes meanwhile is at
// worst an error, never a SIGBUS.
absl::StatusOr<std::string> ReadModelFile(absl::string_view path) {
  const std::string name(path);
  // O_NONBLOCK: a FIFO in the folder must not hang the caller.
  const int file = open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return absl::ErrnoToStatus(errno, path);
  const auto close_file = absl::MakeCleanup([file] { close(file); });
  struct stat info = {};
  if (fstat(file, &info) != 0) return absl::ErrnoToStatus(errno, path);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is not a regular file"));
  }
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": has ", size, " bytes, want at most ", kMaxFileBytes));
  }
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t got = read(file, bytes.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, path);
    if (got == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": shrank from ", size, " to ", done,
                       " bytes while it was read"));
    }
    done += static_cast<size_t>(got);
  }
  return bytes;
}

}  // namespace corkscrew
