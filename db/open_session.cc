#include "db/open_session.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "db/directory.h"
#include "db/keys.h"

namespace corkscrew {
namespace {

// The mark is rewritten at most so often.
constexpr absl::Duration kMarkInterval = absl::Seconds(1);

}  // namespace

OpenSession::OpenSession(const std::string& path,
                         const Environment& environment, Store* store,
                         const OpenRow& last, uint64_t incarnation)
    : path_(path),
      environment_(environment),
      store_(*store),
      incarnation_(incarnation),
      row_(last) {}

absl::Status OpenSession::Begin() {
  if (begun_) return absl::OkStatus();
  const absl::StatusOr<OpenMarker> marker =
      PrepareOpenMarker(*environment_.files, path_);
  if (!marker.ok()) {
    return absl::Status(
        marker.status().code(),
        absl::StrCat("nothing was written: ", marker.status().message()));
  }
  row_ = {.clean = false,
          .boot_id = environment_.boot_id(),
          .marker_inode = marker->inode,
          .marker_birth_ns = marker->birth_ns};
  begun_ = true;
  return absl::OkStatus();
}

void OpenSession::Stage(WriteBatch* batch) const {
  if (!written_) batch->Put(Family::kRows, MetaKey("open"), Encode(row_));
}

void OpenSession::Written(absl::Time now,
                          const std::optional<FeedPosition>& last) {
  written_ = true;
  PlaceMarker();
  if (last.has_value()) position_ = last;
  // The mark must not name what a power loss may still take.
  if (store_.synced_sequence() < store_.last_sequence()) return;
  if (marked_.has_value() && now >= *marked_ &&
      now - *marked_ < kMarkInterval) {
    return;
  }
  // The first op is marked at once.
  if (last.has_value()) marked_ = now;
  WriteMark();
}

void OpenSession::PlaceMarker() {
  if (!placed_) placed_ = PlaceOpenMarker(*environment_.files, path_).ok();
}

void OpenSession::WriteMark() {
  WriteDurableMark(*environment_.files, path_,
                   {.incarnation = incarnation_,
                    .sequence = store_.synced_sequence(),
                    .position = position_})
      .IgnoreError();
}

void OpenSession::RenewMark() {
  const std::optional<DurableMark> mark =
      ReadDurableMark(*environment_.files, path_);
  if (mark.has_value() && mark->incarnation == incarnation_) {
    position_ = mark->position;
  } else {
    WriteMark();
  }
}

absl::Status OpenSession::Close() {
  if (begun_ && !written_) {  // A marker that nothing names.
    RemovePreparedMarker(*environment_.files, path_);
  }
  if (!written_ && (row_.clean || begun_)) return absl::OkStatus();
  row_.clean = true;
  WriteBatch batch = store_.NewBatch();
  batch.Put(Family::kRows, MetaKey("open"), Encode(row_));
  CORKSCREW_RETURN_IF_ERROR(store_.Write(batch));
  if (written_) PlaceMarker();
  WriteMark();
  return absl::OkStatus();
}

void RemoveStrayFiles(FileSystem& files, const std::string& path) {
  // Ours, and those of the store.
  for (const auto& [directory, suffix] :
       {std::pair(path, ".tmp"), std::pair(path + "/store", ".dbtmp")}) {
    const absl::StatusOr<std::vector<std::string>> names =
        files.List(directory);
    if (!names.ok()) continue;
    for (const std::string& name : *names) {
      if (absl::EndsWith(name, suffix)) {
        files.Remove(absl::StrCat(directory, "/", name)).IgnoreError();
      }
    }
  }
}

}  // namespace corkscrew
