#ifndef CORKSCREW_SERVER_VERSION_SORTER_H_
#define CORKSCREW_SERVER_VERSION_SORTER_H_

// Sorts versions of any number by their order with bounded memory: sorted runs
// on disk, merged at the end (Knuth, The Art of Computer Programming, vol. 3,
// 5.4).

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "corkscrew/record.h"

namespace corkscrew {

// Single-threaded. Removes its files when it goes.
class VersionSorter {
 public:
  // Runs are the files `prefix`.0, `prefix`.1, ... Each takes about
  // `memory_bytes` of memory before it is written.
  VersionSorter(FileSystem& files, std::string prefix, size_t memory_bytes)
      : files_(files),
        prefix_(std::move(prefix)),
        memory_bytes_(memory_bytes) {}
  ~VersionSorter();
  VersionSorter(const VersionSorter&) = delete;
  VersionSorter& operator=(const VersionSorter&) = delete;

  // Takes `line` as the content of `version`; below 4 GiB.
  absl::Status Add(const Version& version, std::string line);

  // Gives all lines in the order of their versions. Call once, last.
  absl::Status Merge(const std::function<absl::Status(absl::string_view)>& out);

 private:
  struct Item {
    Version version;
    std::string line;
  };

  std::string Run(size_t i) const;
  absl::Status Spill();

  FileSystem& files_;
  const std::string prefix_;
  const size_t memory_bytes_;
  std::vector<Item> items_;
  size_t held_bytes_ = 0;  // By items_.
  size_t runs_ = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_VERSION_SORTER_H_
