#include "db/disk_space.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/random.h"

namespace corkscrew {
namespace {

constexpr uint64_t kStep = uint64_t{1} << 20;

std::string ReservePath(absl::string_view path) {
  return absl::StrCat(path, "/RESERVE");
}

// Not zeros: some file systems store none of those.
std::string ReserveBytes() {
  std::string bytes(kStep, '\0');
  Random random(1);
  for (char& c : bytes) c = static_cast<char>(random.Next());
  return bytes;
}

}  // namespace

DiskSpace::DiskSpace(FileSystem* files, absl::string_view path, uint64_t low)
    : files_(*files), path_(path), reserve_path_(ReservePath(path)), low_(low) {
  const absl::StatusOr<uint64_t> size = files_.Size(reserve_path_);
  if (size.ok()) reserve_ = *size;
}

bool DiskSpace::Release(FileSystem& files, absl::string_view path) {
  return files.Remove(ReservePath(path)).ok();
}

void DiskSpace::ReleaseReserve() {
  if (reserve_ == 0) return;
  // Nothing depends on it: what can not be removed takes space, no more.
  files_.Remove(reserve_path_).IgnoreError();
  reserve_ = 0;
}

absl::Status DiskSpace::Check(uint64_t bytes, absl::Time now) {
  written_ += bytes;
  const bool soon = written_ - looked_at_ < kLookEveryBytes && now >= looked_ &&
                    now - looked_ < absl::Seconds(1);
  if (soon && !is_low_) return absl::OkStatus();
  looked_ = now;
  looked_at_ = written_;
  return Look();
}

absl::Status DiskSpace::Look() {
  if (low_ == 0) return absl::OkStatus();
  const absl::StatusOr<uint64_t> free = files_.FreeSpace(path_);
  // A file system that does not say how much is free gets no limit.
  if (!free.ok()) return absl::OkStatus();
  is_low_ = *free < low_;
  if (!is_low_) {
    GrowReserve(*free);
    return absl::OkStatus();
  }
  // Background work of the store must still find space.
  if (*free < kMaxReserve) ReleaseReserve();
  return absl::ResourceExhaustedError(absl::StrCat(
      "the file system of ", path_, " has ", *free,
      " bytes free, writes want at least ", low_,
      " (Options::low_space_bytes); free some space, and writes go on"));
}

absl::Status DiskSpace::AppendStep(FileSystem& files, const std::string& path) {
  auto file = files.AppendToFile(path);
  if (!file.ok()) return file.status();
  absl::Status status = (*file)->Append(ReserveBytes());
  if (status.ok()) status = (*file)->Sync();
  status.Update((*file)->Close());
  return status;
}

void DiskSpace::Shrink(FileSystem& files, absl::string_view path) {
  const std::string reserve = ReservePath(path);
  const absl::StatusOr<uint64_t> size = files.Size(reserve);
  if (!size.ok() || *size <= kStep || !files.Remove(reserve).ok()) return;
  if (!AppendStep(files, reserve).ok()) files.Remove(reserve).IgnoreError();
}

void DiskSpace::GrowReserve(uint64_t free) {
  const uint64_t want = std::min(kMaxReserve, written_ / 2);
  if (reserve_ + kStep > want || free < low_ + 2 * kMaxReserve) return;
  if (AppendStep(files_, reserve_path_).ok()) {
    reserve_ += kStep;
    return;
  }
  reserve_ = kStep;  // Unknown; whatever there is goes.
  ReleaseReserve();
}

}  // namespace corkscrew
