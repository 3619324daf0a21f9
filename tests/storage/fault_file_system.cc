#include "tests/storage/fault_file_system.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/status_macros.h"

namespace corkscrew::testing {
namespace {

absl::Status FaultError(Fault fault, absl::string_view what,
                        const std::string& path) {
  return FileError(fault == Fault::kIoError ? EIO : ENOSPC, what, path);
}

class FaultFile : public WritableFile {
 public:
  FaultFile(FaultState& state, std::unique_ptr<WritableFile> real,
            std::shared_ptr<FileState> file)
      : state_(state), real_(std::move(real)), file_(std::move(file)) {}

  absl::Status Append(absl::string_view bytes) override {
    const MutexLock lock(&state_.mutex());
    const FaultState::Verdict verdict =
        state_.Begin(CallKind::kAppend, file_->path, bytes.size());
    if (verdict.fault) bytes = bytes.substr(0, verdict.bytes);
    if (!bytes.empty()) {
      CORKSCREW_RETURN_IF_ERROR(real_->Append(bytes));
      state_.Appended(file_.get(), bytes.size());
    }
    return verdict.fault ? FaultError(*verdict.fault, "write", file_->path)
                         : absl::OkStatus();
  }

  // Nothing is synced: the simulated power loss decides what the disk knows.
  absl::Status Sync() override {
    const MutexLock lock(&state_.mutex());
    const FaultState::Verdict verdict =
        state_.Begin(CallKind::kSync, file_->path);
    if (verdict.fault) {
      state_.SyncFailed(file_.get());
      return FaultError(*verdict.fault, "sync", file_->path);
    }
    state_.Synced(file_.get());
    return absl::OkStatus();
  }

  absl::Status Close() override { return real_->Close(); }

 private:
  FaultState& state_;
  const std::unique_ptr<WritableFile> real_;
  const std::shared_ptr<FileState> file_;
};

}  // namespace

absl::Status FaultFileSystem::Begin(CallKind kind, const std::string& path) {
  const FaultState::Verdict verdict = state_.Begin(kind, path);
  return verdict.fault ? FaultError(*verdict.fault, NameOf(kind), path)
                       : absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<WritableFile>> FaultFileSystem::NewFile(
    const std::string& path) {
  const MutexLock lock(&state_.mutex());
  CORKSCREW_RETURN_IF_ERROR(Begin(CallKind::kCreate, path));
  CORKSCREW_ASSIGN_OR_RETURN(auto file, Real().NewFile(path));
  return std::make_unique<FaultFile>(state_, std::move(file),
                                     state_.Created(path));
}

absl::StatusOr<std::unique_ptr<WritableFile>> FaultFileSystem::AppendToFile(
    const std::string& path) {
  const MutexLock lock(&state_.mutex());
  CORKSCREW_RETURN_IF_ERROR(Begin(CallKind::kCreate, path));
  const absl::StatusOr<uint64_t> size = Real().Size(path);
  CORKSCREW_ASSIGN_OR_RETURN(auto file, Real().AppendToFile(path));
  return std::make_unique<FaultFile>(
      state_, std::move(file),
      size.ok() ? state_.Opened(path, *size) : state_.Created(path));
}

absl::StatusOr<std::string> FaultFileSystem::Read(const std::string& path,
                                                  size_t most) {
  const MutexLock lock(&state_.mutex());
  CORKSCREW_RETURN_IF_ERROR(Begin(CallKind::kRead, path));
  return Real().Read(path, most);
}

absl::StatusOr<std::unique_ptr<FileContent>> FaultFileSystem::Map(
    const std::string& path) {
  const MutexLock lock(&state_.mutex());
  CORKSCREW_RETURN_IF_ERROR(Begin(CallKind::kRead, path));
  return Real().Map(path);
}

absl::StatusOr<uint64_t> FaultFileSystem::Size(const std::string& path) {
  const MutexLock lock(&state_.mutex());
  CORKSCREW_RETURN_IF_ERROR(Begin(CallKind::kRead, path));
  return Real().Size(path);
}

// Can not report an error.
bool FaultFileSystem::Exists(const std::string& path) {
  return Real().Exists(path);
}

absl::Status FaultFileSystem::Rename(const std::string& from,
                                     const std::string& to) {
  const MutexLock lock(&state_.mutex());
  CORKSCREW_RETURN_IF_ERROR(Begin(CallKind::kRename, to));
  if (!Real().Exists(from)) return FileError(ENOENT, "rename", from);
  state_.BeforeRename(from, to);
  CORKSCREW_RETURN_IF_ERROR(Real().Rename(from, to));
  state_.AfterRename(from, to);
  return absl::OkStatus();
}

absl::Status FaultFileSystem::Link(const std::string& from,
                                   const std::string& to) {
  const MutexLock lock(&state_.mutex());
  CORKSCREW_RETURN_IF_ERROR(Begin(CallKind::kLink, to));
  CORKSCREW_RETURN_IF_ERROR(Real().Link(from, to));
  state_.AfterLink(from, to);
  return absl::OkStatus();
}

absl::Status FaultFileSystem::Remove(const std::string& path) {
  const MutexLock lock(&state_.mutex());
  CORKSCREW_RETURN_IF_ERROR(Begin(CallKind::kRemove, path));
  state_.BeforeRemove(path);
  return Real().Remove(path);
}

absl::Status FaultFileSystem::RemoveDirectory(const std::string& path) {
  const MutexLock lock(&state_.mutex());
  CORKSCREW_RETURN_IF_ERROR(Begin(CallKind::kRemove, path));
  return Real().RemoveDirectory(path);
}

absl::Status FaultFileSystem::MakeDirectory(const std::string& path) {
  const MutexLock lock(&state_.mutex());
  CORKSCREW_RETURN_IF_ERROR(Begin(CallKind::kMakeDirectory, path));
  const bool there = Real().Exists(path);
  CORKSCREW_RETURN_IF_ERROR(Real().MakeDirectory(path));
  if (!there) state_.MadeDirectory(path);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> FaultFileSystem::List(
    const std::string& path) {
  const MutexLock lock(&state_.mutex());
  CORKSCREW_RETURN_IF_ERROR(Begin(CallKind::kRead, path));
  return Real().List(path);
}

absl::Status FaultFileSystem::SyncDirectory(const std::string& path) {
  const MutexLock lock(&state_.mutex());
  CORKSCREW_RETURN_IF_ERROR(Begin(CallKind::kSyncDirectory, path));
  state_.SyncedDirectory(path);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> FaultFileSystem::FreeSpace(const std::string& path) {
  return Real().FreeSpace(path);
}

}  // namespace corkscrew::testing
