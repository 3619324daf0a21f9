#include "db/write_guard.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace corkscrew {
namespace {

// Bytes written between two measurements of the index.
constexpr size_t kMeasureEvery = size_t{1} << 20;

std::string MarkPath(absl::string_view path) {
  return absl::StrCat(path, "/FAILED");
}

// An index grows by chunks of as many slots as it has, from 64 to 1,024.
size_t StepOf(const Index& index, const Descriptor& descriptor) {
  constexpr size_t kOtherColumns = 64;
  const size_t rescore = descriptor.originals == Originals::kCodesOnly
                             ? 0
                             : descriptor.quantizer.dim * sizeof(uint16_t);
  return std::clamp<size_t>(index.slots(), 64, 1024) *
         (index.quantizer().code_bytes() + rescore + kOtherColumns);
}

}  // namespace

bool HasFailedMark(FileSystem& files, absl::string_view path) {
  return files.Exists(MarkPath(path));
}

absl::Status RemoveFailedMark(FileSystem& files, absl::string_view path) {
  if (!HasFailedMark(files, path)) return absl::OkStatus();
  absl::Status status = files.Remove(MarkPath(path));
  if (status.ok()) status = files.SyncDirectory(std::string(path));
  return status;
}

WriteGuard::WriteGuard(const Environment& environment, absl::string_view path,
                       const Options& options, const MemoryBudget& budget,
                       CollectionRegistry* registry, Store* store,
                       WriteState* state)
    : files_(*environment.files),
      path_(path),
      low_space_bytes_(options.low_space_bytes),
      budget_(budget),
      registry_(*registry),
      store_(*store),
      state_(*state),
      disk_(environment.files, path, options.low_space_bytes),
      syncer_([this] { return store_.SyncLog(); },
              [this](const absl::Status& why) {
                state_.Fail(why.message());
                AtomicWriteFile(files_, MarkPath(path_), {why.message()})
                    .IgnoreError();
              },
              environment.sync_interval) {}

absl::Status WriteGuard::Admit(size_t bytes, absl::Time now) {
  no_memory_ = false;
  if (absl::Status status = state_.Check();
      absl::IsFailedPrecondition(status)) {
    return status;
  }
  absl::Status space = disk_.Check(bytes, now);
  if (!space.ok()) {
    state_.SetLowSpace(space.message());
    return space;
  }
  state_.ClearLowSpace();
  absl::Status memory = AdmitMemory(bytes);
  no_memory_ = !memory.ok();
  return memory;
}

absl::Status WriteGuard::AdmitMemory(size_t bytes) {
  unlooked_ += bytes;
  absl::Status admitted = budget_.Admit(index_bytes_ + unlooked_);
  if (measured_ && admitted.ok() && unlooked_ < kMeasureEvery) return admitted;
  index_bytes_ = 0;
  size_t step = 0;  // The most that one of them takes at once.
  for (const auto& collection : registry_.All()) {
    const std::shared_ptr<Index> index = collection->index();
    if (index == nullptr) continue;
    const Index::Memory memory = index->memory();
    index_bytes_ += memory.index + memory.rescore;
    step = std::max(step, StepOf(*index, collection->row().descriptor));
  }
  index_bytes_ += step;
  measured_ = true;
  store_.SetBlockCacheBytes(budget_.BlockCacheBytes(index_bytes_ + bytes));
  admitted = budget_.Admit(index_bytes_ + bytes);
  unlooked_ = admitted.ok() ? bytes : 0;
  return admitted;
}

void WriteGuard::Failed(const absl::Status& why) {
  state_.Fail(why.message());
  // The file system may be full: what this gives back is for the mark, and for
  // the next open.
  if (absl::IsResourceExhausted(why)) disk_.ReleaseReserve();
  AtomicWriteFile(files_, MarkPath(path_), {why.message()}).IgnoreError();
}

WriteState::Snapshot WriteGuard::Look() {
  WriteState::Snapshot now = state_.snapshot();
  if (now.state != DbState::kLowSpace) return now;
  const absl::StatusOr<uint64_t> free = files_.FreeSpace(path_);
  if (!free.ok() || *free < low_space_bytes_) return now;
  state_.ClearLowSpace();
  return state_.snapshot();
}

}  // namespace corkscrew
