#include "db/backup_files.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "db/encode.h"

namespace corkscrew {

absl::Status ProgressCounter::Add(uint64_t bytes) {
  progress_.bytes += bytes;
  if (options_.progress != nullptr) options_.progress(progress_);
  if (options_.cancelled != nullptr && options_.cancelled()) {
    return absl::CancelledError("cancelled");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadRegularFile(FileSystem& files,
                                            const std::string& path,
                                            uint64_t most) {
  std::error_code error;
  const auto kind = std::filesystem::symlink_status(path, error).type();
  if (kind == std::filesystem::file_type::not_found) {
    return absl::NotFoundError(absl::StrCat("there is no file ", path));
  }
  if (kind != std::filesystem::file_type::regular) {
    return absl::DataLossError(
        absl::StrCat(path, " is a link or not a regular file"));
  }
  return files.Read(path, most);
}

absl::StatusOr<std::string> Verified(absl::StatusOr<std::string> content,
                                     absl::string_view path, uint64_t bytes,
                                     const Sha256Digest& sha256) {
  if (absl::IsNotFound(content.status()) ||
      absl::IsResourceExhausted(content.status())) {
    return absl::DataLossError(
        absl::StrCat(path, " is missing or has another size than ", bytes));
  }
  if (!content.ok()) return content;
  if (content->size() != bytes) {
    return absl::DataLossError(
        absl::StrCat(path, " has ", content->size(), " bytes, want ", bytes));
  }
  const Sha256Digest found = Sha256(*content);
  if (found != sha256) {
    return absl::DataLossError(
        absl::StrCat(path, " is damaged: its SHA-256 is ",
                     absl::BytesToHexString(BytesOf(found)), ", want ",
                     absl::BytesToHexString(BytesOf(sha256))));
  }
  return content;
}

absl::Status WriteNewFile(FileSystem& files, const std::string& path,
                          absl::string_view content) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                             files.NewFile(path));
  CORKSCREW_RETURN_IF_ERROR(file->Append(content));
  CORKSCREW_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

absl::Status SyncFile(FileSystem& files, const std::string& path) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                             files.AppendToFile(path));
  CORKSCREW_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

absl::Status RemoveTree(FileSystem& files, const std::string& path) {
  std::error_code error;
  const auto kind = std::filesystem::symlink_status(path, error).type();
  if (kind == std::filesystem::file_type::not_found) return absl::OkStatus();
  if (kind != std::filesystem::file_type::directory) return files.Remove(path);
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                             files.List(path));
  for (const std::string& name : names) {
    CORKSCREW_RETURN_IF_ERROR(RemoveTree(files, absl::StrCat(path, "/", name)));
  }
  return files.RemoveDirectory(path);
}

}  // namespace corkscrew
