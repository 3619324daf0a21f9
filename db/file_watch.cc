#include "db/file_watch.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace corkscrew {

FileWatch::FileWatch(const std::string& path)
    : fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  // Fails where a user has too many watches.
  if (fd_ >= 0 &&
      inotify_add_watch(fd_, path.c_str(), IN_MODIFY | IN_CLOSE_WRITE) < 0) {
    close(fd_);
    fd_ = -1;
  }
}

FileWatch::~FileWatch() {
  if (fd_ >= 0) close(fd_);
}

void FileWatch::Wait(absl::Duration most) {
  pollfd entry = {.fd = fd_, .events = POLLIN, .revents = 0};
  const int64_t ms = std::clamp<int64_t>(
      absl::ToInt64Milliseconds(absl::Ceil(most, absl::Milliseconds(1))), 0,
      1'000'000);
  if (poll(&entry, fd_ >= 0 ? 1 : 0, static_cast<int>(ms)) <= 0) return;
  std::array<char, 4096> events;
  while (read(fd_, events.data(), events.size()) > 0) {
  }
}

}  // namespace corkscrew
