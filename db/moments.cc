#include "db/moments.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "db/keys.h"
#include "db/rows.h"

namespace corkscrew {
namespace {

// One `x` row.
struct AppliedRow {
  int64_t wall_ms = 0;
  Lamport lamport = 0;  // Of the first write in its second.
};

absl::StatusOr<AppliedRow> ReadApplied(const RowIterator& it) {
  uint32_t collection;
  uint64_t wall_ms;
  absl::StatusOr<uint64_t> lamport = DecodeU64(it.value());
  if (lamport.ok() && ParseWallKey(it.key(), &collection, &wall_ms)) {
    return AppliedRow{static_cast<int64_t>(wall_ms), *lamport};
  }
  return absl::DataLossError(
      absl::StrCat("row ", absl::BytesToHexString(it.key()), " is damaged"));
}

}  // namespace

absl::StatusOr<ReadMoment> MomentResolver::Resolve(
    const std::optional<Moment>& at) const {
  const int64_t clock_ms = absl::ToUnixMillis(clock_);
  const ReadMoment now{now_, clock_ms};
  if (!at.has_value()) return now;
  ReadMoment moment;
  if (const auto* time = std::get_if<absl::Time>(&at->value)) {
    if (*time >= clock_) return now;
    CORKSCREW_ASSIGN_OR_RETURN(moment.at, AppliedAt(*time));
    moment.wall_ms = absl::ToUnixMillis(*time);
    CORKSCREW_RETURN_IF_ERROR(CheckRetained(moment.at));
    return moment;
  }
  if (const auto* tag = std::get_if<Moment::Tag>(&at->value)) {
    const std::optional<TagInfo> found = collection_.moments.FindTag(tag->name);
    if (!found.has_value()) {
      return absl::NotFoundError(
          absl::StrCat("there is no tag \"", tag->name, "\""));
    }
    moment.at = std::min(found->lamport, now_);
  } else {
    moment.at = std::get<Lamport>(at->value);
    if (moment.at > now_) return now;
  }
  CORKSCREW_RETURN_IF_ERROR(CheckRetained(moment.at));
  CORKSCREW_ASSIGN_OR_RETURN(moment.wall_ms, WallOf(moment.at));
  return moment;
}

absl::Status MomentResolver::CheckRetained(Lamport at) const {
  if (collection_.moments.Holds(at)) return absl::OkStatus();
  return absl::OutOfRangeError(
      absl::StrCat("Lamport time ", at, " is below the retention floor, ",
                   collection_.moments.floor(), ", and has no tag"));
}

absl::StatusOr<Lamport> MomentResolver::AppliedAt(absl::Time time) const {
  // Rows are by the first write of each second: the first one of a later second
  // follows the write that is wanted.
  const int64_t second = absl::ToUnixSeconds(time);
  if (second < 0) return Lamport{0};
  const uint32_t number = collection_.number();
  const std::string end = PrefixEnd(KindPrefix('x', number));
  const std::string next =
      WallKey(number, (static_cast<uint64_t>(second) + 1) * 1000);
  const auto it = store_.NewIterator(Family::kRows, next, end);
  it->Seek(next);
  CORKSCREW_RETURN_IF_ERROR(it->status());
  if (!it->valid()) return now_;
  CORKSCREW_ASSIGN_OR_RETURN(const AppliedRow row, ReadApplied(*it));
  return std::min(now_, row.lamport - std::min<Lamport>(1, row.lamport));
}

absl::StatusOr<int64_t> MomentResolver::WallOf(Lamport at) const {
  const uint32_t number = collection_.number();
  const std::string prefix = KindPrefix('x', number);
  const auto it = store_.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
  it->SeekToLast();
  CORKSCREW_RETURN_IF_ERROR(it->status());
  if (!it->valid()) return 0;
  CORKSCREW_ASSIGN_OR_RETURN(const AppliedRow last, ReadApplied(*it));
  if (last.lamport <= at) return last.wall_ms;
  it->Seek(prefix);
  CORKSCREW_RETURN_IF_ERROR(it->status());
  CORKSCREW_ASSIGN_OR_RETURN(AppliedRow low, ReadApplied(*it));
  if (low.lamport > at) return 0;
  // Wall and Lamport times rise together: halve the wall time between. `low` is
  // a row at or before `at`, and no such row is later than `high`.
  int64_t high = last.wall_ms;
  while (high - low.wall_ms > 1) {
    const int64_t middle = low.wall_ms + (high - low.wall_ms) / 2;
    it->Seek(WallKey(number, static_cast<uint64_t>(middle)));
    CORKSCREW_RETURN_IF_ERROR(it->status());
    CORKSCREW_ASSIGN_OR_RETURN(const AppliedRow row, ReadApplied(*it));
    if (row.lamport <= at) {
      low = row;
    } else {
      high = middle;
    }
  }
  return low.wall_ms;
}

}  // namespace corkscrew
