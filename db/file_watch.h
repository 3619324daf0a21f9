#ifndef CORKSCREW_DB_FILE_WATCH_H_
#define CORKSCREW_DB_FILE_WATCH_H_

// Waiting for another process to let go of a file.

#include <string>

#include "absl/time/time.h"

namespace corkscrew {

// Single-threaded.
class FileWatch {
 public:
  // Watches the file at `path` from now on, if the system can.
  explicit FileWatch(const std::string& path);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  // Returns when a process has changed the file or closed it after opening it
  // for writing, or after `most`. May return early.
  void Wait(absl::Duration most);

 private:
  int fd_ = -1;  // -1: Wait() only takes its time.
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_FILE_WATCH_H_
