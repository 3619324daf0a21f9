#include "server/token_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace corkscrew {
namespace {

constexpr size_t kMaxFileBytes = 4096;

// For use in a shell command.
std::string ShellQuote(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

absl::Status NoFile(const std::string& path) {
  return absl::NotFoundError(absl::StrCat(
      "token file \"", path,
      "\" does not exist; make one with\n  (umask 077; head -c 32 /dev/urandom "
      "| od -An -v -tx1 | tr -d ' \\n' > ",
      ShellQuote(path), ")"));
}

}  // namespace

absl::StatusOr<std::string> ReadTokenFile(absl::string_view path) {
  const std::string name(path);
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  const int fd = open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    if (errno == ENOENT) return NoFile(name);
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("token file \"", name, "\""));
  }
  const absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat info;
  if (fstat(fd, &info) != 0) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("token file \"", name, "\""));
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("token file \"", name, "\" is not a regular file"));
  }
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return absl::PermissionDeniedError(absl::StrFormat(
        "token file \"%s\" has mode %04o: others can reach it; run\n  chmod "
        "600 %s",
        name, info.st_mode & 07777, ShellQuote(name)));
  }
  std::string content(kMaxFileBytes + 1, '\0');
  size_t size = 0;
  while (size < content.size()) {
    const ssize_t got = read(fd, content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return absl::ErrnoToStatus(errno,
                                 absl::StrCat("token file \"", name, "\""));
    }
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "token file \"", name, "\" is larger than ", kMaxFileBytes, " bytes"));
  }
  content.resize(size);
  content = std::string(absl::StripAsciiWhitespace(content));
  if (content.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("token file \"", name, "\" is empty"));
  }
  return content;
}

}  // namespace corkscrew
