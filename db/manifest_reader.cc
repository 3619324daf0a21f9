#include "db/manifest_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/cursor.h"
#include "db/log_reader.h"

namespace corkscrew {
namespace {

// Tags of the fields of an edit (RocksDB's VersionEdit).
enum Tag : uint64_t {
  kComparator = 1,
  kLogNumber = 2,
  kNextFileNumber = 3,
  kLastSequence = 4,
  kCompactCursor = 5,
  kDeletedFile = 6,
  kNewFile = 7,
  kPrevLogNumber = 9,
  kMinLogNumberToKeep = 10,
  kNewFile2 = 100,
  kNewFile3 = 102,
  kNewFile4 = 103,
  kColumnFamily = 200,
  kColumnFamilyAdd = 201,
  kColumnFamilyDrop = 202,
  kMaxColumnFamily = 203,
  kInAtomicGroup = 300,
  kIgnorable = 1 << 13,  // A bit: one field with its size in front.
};
constexpr uint64_t kEndOfFile4 = 1;

// What one edit says.
struct Edit {
  uint64_t family = 0;
  bool adds_family = false;
  bool drops_family = false;
  std::optional<uint64_t> log_number = std::nullopt;
  std::optional<uint64_t> min_log_to_keep = std::nullopt;
  std::optional<uint64_t> last_sequence = std::nullopt;
};

bool SkipNumbers(Cursor* cursor, int count) {
  uint64_t ignored;
  for (int i = 0; i < count; ++i) {
    if (!cursor->ReadVarint(&ignored)) return false;
  }
  return true;
}

bool SkipStrings(Cursor* cursor, int count) {
  uint64_t size;
  for (int i = 0; i < count; ++i) {
    if (!cursor->ReadVarint(&size) || !cursor->Skip(size)) return false;
  }
  return true;
}

// A file of the newest form: fields of any kind up to an end.
bool SkipFile4(Cursor* cursor) {
  if (!SkipNumbers(cursor, 3) || !SkipStrings(cursor, 2) ||
      !SkipNumbers(cursor, 2)) {
    return false;
  }
  uint64_t tag;
  while (cursor->ReadVarint(&tag)) {
    if (tag == kEndOfFile4) return true;
    if (!SkipStrings(cursor, 1)) return false;
  }
  return false;
}

bool ReadNumber(Cursor* cursor, std::optional<uint64_t>* out) {
  uint64_t value;
  if (!cursor->ReadVarint(&value)) return false;
  *out = value;
  return true;
}

bool ReadField(uint64_t tag, Cursor* cursor, Edit* edit) {
  switch (tag) {
    case kLogNumber:
      return ReadNumber(cursor, &edit->log_number);
    case kMinLogNumberToKeep:
      return ReadNumber(cursor, &edit->min_log_to_keep);
    case kLastSequence:
      return ReadNumber(cursor, &edit->last_sequence);
    case kColumnFamily:
      return cursor->ReadVarint(&edit->family);
    case kColumnFamilyAdd:
      edit->adds_family = true;
      return SkipStrings(cursor, 1);
    case kColumnFamilyDrop:
      edit->drops_family = true;
      return true;
    case kComparator:
      return SkipStrings(cursor, 1);
    case kNextFileNumber:
    case kPrevLogNumber:
    case kMaxColumnFamily:
    case kInAtomicGroup:
      return SkipNumbers(cursor, 1);
    case kCompactCursor:
      return SkipNumbers(cursor, 1) && SkipStrings(cursor, 1);
    case kDeletedFile:
      return SkipNumbers(cursor, 2);
    case kNewFile:
      return SkipNumbers(cursor, 3) && SkipStrings(cursor, 2);
    case kNewFile2:
      return SkipNumbers(cursor, 3) && SkipStrings(cursor, 2) &&
             SkipNumbers(cursor, 2);
    case kNewFile3:
      return SkipNumbers(cursor, 4) && SkipStrings(cursor, 2) &&
             SkipNumbers(cursor, 2);
    case kNewFile4:
      return SkipFile4(cursor);
    default:
      return (tag & kIgnorable) != 0 && SkipStrings(cursor, 1);
  }
}

absl::StatusOr<Edit> ReadEdit(absl::string_view record) {
  Edit edit;
  Cursor cursor(record);
  while (!cursor.done()) {
    uint64_t tag = 0;
    if (!cursor.ReadVarint(&tag) || !ReadField(tag, &cursor, &edit)) {
      return absl::UnimplementedError(
          absl::StrCat("the manifest has an edit with field ", tag,
                       ", which this build can not read"));
    }
  }
  return edit;
}

}  // namespace

absl::StatusOr<ManifestLogs> ReadManifestLogs(absl::string_view bytes) {
  ManifestLogs logs;
  std::map<uint64_t, uint64_t> family_logs = {{0, 0}};
  uint64_t min_to_keep = 0;
  LogReader reader(bytes, 0);
  absl::string_view record;
  while (reader.Next(&record) == LogReader::Result::kRecord) {
    const absl::StatusOr<Edit> edit = ReadEdit(record);
    if (!edit.ok()) return edit.status();
    if (edit->drops_family) {
      family_logs.erase(edit->family);
    } else if (edit->adds_family || edit->log_number.has_value()) {
      uint64_t& log = family_logs[edit->family];
      log = std::max(log, edit->log_number.value_or(0));
    }
    min_to_keep = std::max(min_to_keep, edit->min_log_to_keep.value_or(0));
    logs.last_sequence =
        std::max(logs.last_sequence, edit->last_sequence.value_or(0));
  }
  uint64_t oldest = std::numeric_limits<uint64_t>::max();
  for (const auto& [family, log] : family_logs) oldest = std::min(oldest, log);
  logs.first_live = std::max(min_to_keep, family_logs.empty() ? 0 : oldest);
  return logs;
}

std::optional<size_t> TornTailOfManifest(absl::string_view bytes) {
  LogReader reader(bytes, 0);
  absl::string_view record;
  LogReader::Result result;
  do {
    result = reader.Next(&record);
  } while (result == LogReader::Result::kRecord);
  if (result == LogReader::Result::kEnd) return std::nullopt;
  const size_t begin = reader.offset();
  for (size_t at = begin + 1; at < bytes.size(); ++at) {
    absl::string_view payload;
    if (LogReader::MayBegin(bytes, at, &payload) &&
        LogReader(bytes, 0, at).Next(&record) == LogReader::Result::kRecord) {
      return std::nullopt;  // Damage amid what was synced.
    }
  }
  return begin;
}

}  // namespace corkscrew
