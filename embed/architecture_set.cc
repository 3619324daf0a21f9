#include "embed/architecture_set.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "embed/architecture.h"
#include "embed/model_file.h"

namespace corkscrew {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxEntries = 1000;

// The paths of the .arch.toml files of `directory`, ascending.
absl::StatusOr<std::vector<std::string>> ArchFilesOf(
    const std::string& directory) {
  std::vector<std::string> paths;
  std::error_code error;
  fs::directory_iterator entry(directory, error);
  if (error == std::errc::no_such_file_or_directory) return paths;
  size_t entries = 0;
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (++entries > kMaxEntries) {
      return absl::ResourceExhaustedError(
          absl::StrCat(directory, ": has more than ", kMaxEntries,
                       " entries, want a directory of .arch.toml files"));
    }
    std::error_code ignored;
    const std::string path = entry->path().string();
    if (absl::EndsWith(path, ".arch.toml") &&
        fs::is_regular_file(entry->symlink_status(ignored))) {
      paths.push_back(path);
    }
  }
  if (error) return absl::ErrnoToStatus(error.value(), directory);
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ArchitectureSet>> ArchitectureSet::Read(
    absl::Span<const std::string> directories) {
  auto set = std::make_shared<ArchitectureSet>();
  for (const std::string& directory : directories) {
    if (directory.empty()) continue;
    CORKSCREW_ASSIGN_OR_RETURN(const std::vector<std::string> paths,
                               ArchFilesOf(directory));
    std::map<std::string, std::string> here;  // Architecture -> path.
    for (const std::string& path : paths) {
      CORKSCREW_ASSIGN_OR_RETURN(const std::string text, ReadModelFile(path));
      CORKSCREW_ASSIGN_OR_RETURN(Architecture architecture,
                                 Architecture::Parse(text, path));
      const auto [other, is_new] = here.emplace(architecture.name, path);
      if (!is_new) {
        return absl::InvalidArgumentError(
            absl::StrCat(path, ":1: describes architecture \"",
                         architecture.name, "\", as does ", other->second));
      }
      std::string space_name = architecture.name;
      const absl::StatusOr<const Architecture*> built_in =
          FindArchitecture(architecture.name);
      if (!built_in.ok() || !(*built_in)->ComputesTheSame(architecture)) {
        const auto digest = Sha256(text);
        absl::StrAppend(
            &space_name, "@",
            absl::BytesToHexString(
                {reinterpret_cast<const char*>(digest.data()), digest.size()}));
      }
      std::string name = architecture.name;
      set->outside_.emplace(std::move(name), Outside{std::move(architecture),
                                                     std::move(space_name)});
    }
  }
  return set;
}

absl::StatusOr<const Architecture*> ArchitectureSet::Find(
    absl::string_view name) const {
  const auto found = outside_.find(name);
  if (found != outside_.end()) return &found->second.architecture;
  absl::StatusOr<const Architecture*> built_in = FindArchitecture(name);
  if (built_in.ok() || outside_.empty()) return built_in;
  std::string names;
  for (const auto& [known, unused] : outside_) {
    absl::StrAppend(&names, ", ", known);
  }
  return absl::Status(built_in.status().code(),
                      absl::StrCat(built_in.status().message(), names));
}

std::string ArchitectureSet::SpaceName(const Architecture& architecture) const {
  const auto found = outside_.find(architecture.name);
  if (found != outside_.end() && &found->second.architecture == &architecture) {
    return found->second.space_name;
  }
  const absl::StatusOr<const Architecture*> built_in =
      FindArchitecture(architecture.name);
  return built_in.ok() && *built_in == &architecture ? architecture.name : "";
}

}  // namespace corkscrew
