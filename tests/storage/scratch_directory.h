#ifndef CORKSCREW_TESTS_STORAGE_SCRATCH_DIRECTORY_H_
#define CORKSCREW_TESTS_STORAGE_SCRATCH_DIRECTORY_H_

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace corkscrew::testing {

// A new empty directory, in memory where the system has that: these tests say
// themselves what a disk would have kept. Removed at the end of the scope.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    const char* const wanted = std::getenv("CORKSCREW_SCRATCH");
    path_ = wanted != nullptr               ? wanted
            : access("/dev/shm", W_OK) == 0 ? "/dev/shm"
                                            : "/tmp";
    path_ += "/corkscrew.XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~ScratchDirectory() {
    if (std::getenv("CORKSCREW_KEEP") != nullptr) return;  // To look at it.
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace corkscrew::testing

#endif  // CORKSCREW_TESTS_STORAGE_SCRATCH_DIRECTORY_H_
