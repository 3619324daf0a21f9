// Which files in directories of models look like models.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "embed/model_formats.h"

namespace corkscrew {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxEntries = 10000;

// What lies at a path.
struct Head {
  uint64_t bytes = 0;
  std::string head;
};

// False if it is no regular file or can not be read.
bool ReadHead(const std::string& path, Head* head) {
  // O_NONBLOCK: a FIFO in the folder must not hang the caller.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return false;
  const auto close_file = absl::MakeCleanup([file] { close(file); });
  struct stat info = {};
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) return false;
  head->bytes = static_cast<uint64_t>(info.st_size);
  head->head.resize(kModelHeadBytes);
  size_t done = 0;
  while (done < head->head.size()) {
    const ssize_t got =
        read(file, head->head.data() + done, head->head.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  head->head.resize(done);
  return true;
}

// Whether `path`, an entry of `directory`, which is a canonical path, lies in
// it when links are followed.
bool LiesIn(const fs::path& directory, const fs::path& path) {
  std::error_code error;
  const fs::path target = fs::canonical(path, error);
  return !error && target.parent_path() == directory;
}

absl::StatusOr<std::vector<DiscoveredModel>> DiscoverIn(
    const std::string& directory, absl::Span<const ModelFormat> formats) {
  std::vector<DiscoveredModel> models;
  std::error_code error;
  const fs::path canonical = fs::canonical(directory, error);
  fs::directory_iterator entry;
  if (!error) entry = fs::directory_iterator(directory, error);
  if (error == std::errc::no_such_file_or_directory ||
      error == std::errc::not_a_directory) {
    return models;
  }
  size_t entries = 0;
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (++entries > kMaxEntries) {
      return absl::ResourceExhaustedError(
          absl::StrCat(directory, ": has more than ", kMaxEntries,
                       " entries, want a directory of models"));
    }
    const std::string file = entry->path().filename().string();
    for (const ModelFormat& format : formats) {
      absl::string_view name = file;
      Head head;
      if (file[0] == '.' || !absl::ConsumeSuffix(&name, format.suffix) ||
          name.empty() || !LiesIn(canonical, entry->path()) ||
          !ReadHead(entry->path().string(), &head) ||
          !format.matches(head.head)) {
        continue;
      }
      models.push_back({.name = std::string(name),
                        .path = absl::StrCat(directory, "/", file),
                        .format = format.name,
                        .bytes = head.bytes});
      break;
    }
  }
  if (error) return absl::ErrnoToStatus(error.value(), directory);
  // Files of one name in the order of the formats, as they are looked for.
  const auto order = [&](const DiscoveredModel& model) {
    size_t place = 0;
    while (formats[place].name != model.format) ++place;
    return std::pair(model.name, place);
  };
  std::sort(models.begin(), models.end(),
            [&](const DiscoveredModel& a, const DiscoveredModel& b) {
              return order(a) < order(b);
            });
  return models;
}

}  // namespace

absl::StatusOr<std::vector<DiscoveredModel>> DiscoverModels(
    absl::Span<const std::string> directories) {
  const std::vector<ModelFormat> formats = ModelFormats();
  std::vector<DiscoveredModel> all;
  std::set<std::string> names;
  for (const std::string& directory : directories) {
    if (directory.empty()) continue;
    CORKSCREW_ASSIGN_OR_RETURN(std::vector<DiscoveredModel> models,
                               DiscoverIn(directory, formats));
    for (DiscoveredModel& model : models) {
      model.shadowed = !names.insert(model.name).second;
      all.push_back(std::move(model));
    }
  }
  return all;
}

}  // namespace corkscrew
