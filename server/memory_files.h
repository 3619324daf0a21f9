#ifndef CORKSCREW_SERVER_MEMORY_FILES_H_
#define CORKSCREW_SERVER_MEMORY_FILES_H_

// For tests only: files in memory, for readers. Writing is Unimplemented.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"

namespace corkscrew::testing {

// Thread-compatible.
class MemoryFiles : public FileSystem {
 public:
  // By path. A directory is there when a file below it is.
  std::map<std::string, std::string> files = {};

  absl::StatusOr<std::string> Read(const std::string& path,
                                   size_t most) override {
    const auto found = files.find(path);
    if (found == files.end()) return absl::NotFoundError(path);
    if (found->second.size() > most) return absl::ResourceExhaustedError(path);
    return found->second;
  }
  absl::StatusOr<std::unique_ptr<FileContent>> Map(
      const std::string& path) override {
    const auto found = files.find(path);
    if (found == files.end()) return absl::NotFoundError(path);
    return std::make_unique<Bytes>(found->second);
  }
  absl::StatusOr<uint64_t> Size(const std::string& path) override {
    const auto found = files.find(path);
    if (found == files.end()) return absl::NotFoundError(path);
    return found->second.size();
  }
  bool Exists(const std::string& path) override {
    return files.contains(path) || !Names(path).empty();
  }
  absl::StatusOr<std::vector<std::string>> List(
      const std::string& path) override {
    const std::set<std::string> names = Names(path);
    if (names.empty()) return absl::NotFoundError(path);
    return std::vector<std::string>(names.begin(), names.end());
  }

  absl::StatusOr<std::unique_ptr<WritableFile>> NewFile(
      const std::string&) override {
    return Refused();
  }
  absl::StatusOr<std::unique_ptr<WritableFile>> AppendToFile(
      const std::string&) override {
    return Refused();
  }
  absl::Status Rename(const std::string&, const std::string&) override {
    return Refused();
  }
  absl::Status Link(const std::string&, const std::string&) override {
    return Refused();
  }
  absl::Status Remove(const std::string&) override { return Refused(); }
  absl::Status RemoveDirectory(const std::string&) override {
    return Refused();
  }
  absl::Status MakeDirectory(const std::string&) override { return Refused(); }
  absl::Status SyncDirectory(const std::string&) override { return Refused(); }
  absl::StatusOr<uint64_t> FreeSpace(const std::string&) override {
    return Refused();
  }

 private:
  class Bytes : public FileContent {
   public:
    explicit Bytes(std::string bytes) : bytes_(std::move(bytes)) {}
    absl::string_view bytes() const override { return bytes_; }

   private:
    const std::string bytes_;
  };

  static absl::Status Refused() {
    return absl::UnimplementedError("files in memory are read only");
  }

  // The names directly below `path`.
  std::set<std::string> Names(const std::string& path) const {
    const std::string prefix = absl::StrCat(path, "/");
    std::set<std::string> names;
    for (auto file = files.lower_bound(prefix);
         file != files.end() && file->first.starts_with(prefix); ++file) {
      const std::string below = file->first.substr(prefix.size());
      names.insert(below.substr(0, below.find('/')));
    }
    return names;
  }
};

}  // namespace corkscrew::testing

#endif  // CORKSCREW_SERVER_MEMORY_FILES_H_
