#include "rpc/backup_path.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace corkscrew {
namespace {

bool IsNameByte(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' ||
         c == '_' || c == '.';
}

}  // namespace

absl::StatusOr<std::string> BackupPath(const std::string& directory,
                                       absl::string_view name) {
  namespace fs = std::filesystem;
  if (directory.empty()) {
    return absl::FailedPreconditionError(
        "the node has no directory for backups: start it with --backup-dir");
  }
  if (name.empty() || name.size() > kMaxBackupNameBytes || name[0] == '.' ||
      !std::all_of(name.begin(), name.end(), IsNameByte)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", absl::CHexEscape(name.substr(0, kMaxBackupNameBytes)),
        "\" is no name for a backup of a node: want 1..", kMaxBackupNameBytes,
        " letters, digits, '-', '_' and '.', not starting with '.'"));
  }
  std::error_code error;
  if (!fs::is_directory(directory, error)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the node's directory for backups, ", directory, ", is not there"));
  }
  std::string path = absl::StrCat(directory, "/", name);
  const fs::file_type kind = fs::symlink_status(path, error).type();
  if (kind != fs::file_type::not_found && kind != fs::file_type::directory) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is there and is not a directory"));
  }
  return path;
}

}  // namespace corkscrew
