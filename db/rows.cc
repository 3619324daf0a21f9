#include "db/rows.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/cursor.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "corkscrew/limits.h"
#include "db/encode.h"

namespace corkscrew {
namespace {

absl::Status Malformed(absl::string_view what) {
  return absl::DataLossError(absl::StrCat(what, " row is malformed"));
}

template <typename Array>
bool ReadArray(Cursor* cursor, Array* out) {
  absl::string_view bytes;
  if (!cursor->ReadBytes(out->size(), &bytes)) return false;
  std::copy(bytes.begin(), bytes.end(), out->begin());
  return true;
}

// A string behind its size in `Size` bytes.
template <typename Size>
void AppendSized(absl::string_view text, std::string* out) {
  assert(text.size() <= Size(~Size{0}));
  AppendBig(static_cast<Size>(text.size()), out);
  AppendBytes(text, out);
}
template <typename Size>
bool ReadSized(Cursor* cursor, std::string* out) {
  Size size;
  absl::string_view text;
  if (!cursor->ReadBig(&size) || !cursor->ReadBytes(size, &text)) return false;
  *out = std::string(text);
  return true;
}

// Outcomes of a delete by filter, followed by how many records it deleted.
constexpr uint8_t kMatchedSoFar = 6;
constexpr uint8_t kMatchedDone = 7;

}  // namespace

std::string Encode(const FormatRow& row) {
  std::string out;
  AppendBig(row.version, &out);
  AppendBig(row.compat, &out);
  AppendBig(row.read_only, &out);
  AppendBig(row.required, &out);
  return out;
}

absl::StatusOr<FormatRow> DecodeFormatRow(absl::string_view bytes) {
  Cursor cursor(bytes);
  FormatRow row;
  // A later format may add fields: only what every format has is read.
  if (!cursor.ReadBig(&row.version)) return Malformed("format");
  if (row.version > 0) return row;
  if (!cursor.ReadBig(&row.compat) || !cursor.ReadBig(&row.read_only) ||
      !cursor.ReadBig(&row.required) || !cursor.done()) {
    return Malformed("format");
  }
  return row;
}

std::string Encode(const OpenRow& row) {
  std::string out;
  AppendBig(static_cast<uint8_t>(row.clean), &out);
  AppendBig(row.marker_inode, &out);
  AppendBig(row.marker_birth_ns, &out);
  AppendSized<uint8_t>(row.boot_id, &out);
  return out;
}

absl::StatusOr<OpenRow> DecodeOpenRow(absl::string_view bytes) {
  Cursor cursor(bytes);
  OpenRow row;
  uint8_t clean;
  if (!cursor.ReadBig(&clean) || clean > 1 ||
      !cursor.ReadBig(&row.marker_inode) ||
      !cursor.ReadBig(&row.marker_birth_ns) ||
      !ReadSized<uint8_t>(&cursor, &row.boot_id) || !cursor.done()) {
    return Malformed("open");
  }
  row.clean = clean == 1;
  return row;
}

std::string Encode(const Origin& row) {
  std::string out(BytesOf(row.replica.bytes));
  AppendBig(row.incarnation, &out);
  return out;
}

absl::StatusOr<Origin> DecodeOriginRow(absl::string_view bytes) {
  Cursor cursor(bytes);
  Origin row;
  if (!ReadArray(&cursor, &row.replica.bytes) ||
      !cursor.ReadBig(&row.incarnation) || !cursor.done()) {
    return Malformed("origin");
  }
  return row;
}

std::string Encode(const CollectionRow& row) {
  std::string out;
  AppendBig(static_cast<uint8_t>(row.state), &out);
  AppendBytes(BytesOf(row.uuid.bytes), &out);
  AppendBig(row.generation, &out);
  AppendSized<uint8_t>(row.name, &out);
  AppendSized<uint16_t>(row.model, &out);
  AppendBytes(EncodeDescriptor(row.descriptor), &out);
  return out;
}

absl::StatusOr<CollectionRow> DecodeCollectionRow(absl::string_view bytes) {
  Cursor cursor(bytes);
  CollectionRow row;
  uint8_t state;
  absl::string_view descriptor;
  if (!cursor.ReadBig(&state) || state < 1 || state > 2 ||
      !ReadArray(&cursor, &row.uuid.bytes) ||
      !cursor.ReadBig(&row.generation) || row.generation == 0 ||
      !ReadSized<uint8_t>(&cursor, &row.name) || row.name.empty() ||
      !IsValidUtf8(row.name) || !ReadSized<uint16_t>(&cursor, &row.model) ||
      !cursor.ReadBytes(cursor.remaining(), &descriptor)) {
    return Malformed("collection");
  }
  row.state = static_cast<LiveState>(state);
  CORKSCREW_ASSIGN_OR_RETURN(row.descriptor, DecodeDescriptor(descriptor));
  if (row.uuid != CollectionUuid(row.name, DescriptorHash(row.descriptor),
                                 row.generation)) {
    return absl::DataLossError(absl::StrCat(
        "collection row: UUID ", row.uuid.ToString(), " is not the one of \"",
        row.name, "\" with its descriptor"));
  }
  return row;
}

std::string Encode(const ClockRow& row) {
  std::string out;
  AppendBig(row.lamport, &out);
  AppendBig(row.floor, &out);
  AppendBig(row.versions, &out);
  AppendBig(row.tombstones, &out);
  return out;
}

absl::StatusOr<ClockRow> DecodeClockRow(absl::string_view bytes) {
  Cursor cursor(bytes);
  ClockRow row;
  if (!cursor.ReadBig(&row.lamport) || !cursor.ReadBig(&row.floor) ||
      !cursor.ReadBig(&row.versions) || !cursor.ReadBig(&row.tombstones) ||
      row.floor > row.lamport || !cursor.done()) {
    return Malformed("clock");
  }
  return row;
}

std::string Encode(const FeedRow& row) {
  std::string out;
  AppendBig(row.shard, &out);
  AppendBig(row.origin, &out);
  AppendBig(row.seq, &out);
  return out;
}

absl::StatusOr<FeedRow> DecodeFeedRow(absl::string_view bytes) {
  Cursor cursor(bytes);
  FeedRow row;
  if (!cursor.ReadBig(&row.shard) || !cursor.ReadBig(&row.origin) ||
      !cursor.ReadBig(&row.seq) || !cursor.done()) {
    return Malformed("feed");
  }
  return row;
}

std::string Encode(const HeadRow& row) {
  std::string out;
  out.reserve(64);
  AppendBig(row.lamport, &out);
  AppendBig(row.origin, &out);
  AppendBig(row.seq, &out);
  AppendBig(static_cast<uint8_t>(row.tombstone), &out);
  AppendBig(row.feed, &out);
  AppendBytes(BytesOf(row.content_hash), &out);
  return out;
}

absl::StatusOr<HeadRow> DecodeHeadRow(absl::string_view bytes) {
  Cursor cursor(bytes);
  HeadRow row;
  uint8_t tombstone;
  if (!cursor.ReadBig(&row.lamport) || !cursor.ReadBig(&row.origin) ||
      !cursor.ReadBig(&row.seq) || !cursor.ReadBig(&tombstone) ||
      tombstone > 1 || !cursor.ReadBig(&row.feed) ||
      !ReadArray(&cursor, &row.content_hash) || !cursor.done()) {
    return Malformed("head");
  }
  row.tombstone = tombstone == 1;
  return row;
}

std::string Encode(const RequestRow& row) {
  std::string out(BytesOf(row.request_hash));
  AppendBig(static_cast<uint64_t>(row.wall_ms), &out);
  AppendBig(row.lamport, &out);
  AppendBig(row.origin, &out);
  AppendBig(row.first_seq, &out);
  if (row.matched.has_value()) {
    AppendBig(row.matched->done ? kMatchedDone : kMatchedSoFar, &out);
    AppendVarint(row.matched->deleted, &out);
    return out;
  }
  // Runs of equal outcomes.
  for (size_t i = 0; i < row.items.size();) {
    size_t end = i + 1;
    while (end < row.items.size() && row.items[end] == row.items[i]) ++end;
    AppendBig(static_cast<uint8_t>(row.items[i]), &out);
    AppendVarint(end - i, &out);
    i = end;
  }
  return out;
}

absl::StatusOr<RequestRow> DecodeRequestRow(absl::string_view bytes) {
  Cursor cursor(bytes);
  RequestRow row;
  uint64_t wall_ms;
  if (!ReadArray(&cursor, &row.request_hash) || !cursor.ReadBig(&wall_ms) ||
      !cursor.ReadBig(&row.lamport) || !cursor.ReadBig(&row.origin) ||
      !cursor.ReadBig(&row.first_seq)) {
    return Malformed("request");
  }
  row.wall_ms = static_cast<int64_t>(wall_ms);
  while (!cursor.done()) {
    uint8_t outcome;
    uint64_t run;
    if (!cursor.ReadBig(&outcome)) return Malformed("request");
    if (outcome == kMatchedSoFar || outcome == kMatchedDone) {
      row.matched = {.done = outcome == kMatchedDone};
      if (!row.items.empty() || !cursor.ReadVarint(&row.matched->deleted) ||
          !cursor.done()) {
        return Malformed("request");
      }
      return row;
    }
    if (outcome > static_cast<uint8_t>(ItemOutcome::kMissing) ||
        !cursor.ReadVarint(&run) || run == 0 ||
        run > kMaxPutRecords - row.items.size() ||
        (!row.items.empty() &&
         row.items.back() == static_cast<ItemOutcome>(outcome))) {
      return Malformed("request");
    }
    row.items.insert(row.items.end(), run, static_cast<ItemOutcome>(outcome));
  }
  if (row.items.empty()) return Malformed("request");
  return row;
}

std::string EncodeU32(uint32_t value) {
  std::string out;
  AppendBig(value, &out);
  return out;
}

std::string EncodeU64(uint64_t value) {
  std::string out;
  AppendBig(value, &out);
  return out;
}

std::string EncodeUuid(const Uuid& uuid) {
  return std::string(BytesOf(uuid.bytes));
}

absl::StatusOr<uint32_t> DecodeU32(absl::string_view bytes) {
  Cursor cursor(bytes);
  uint32_t value;
  if (!cursor.ReadBig(&value) || !cursor.done()) return Malformed("integer");
  return value;
}

absl::StatusOr<uint64_t> DecodeU64(absl::string_view bytes) {
  Cursor cursor(bytes);
  uint64_t value;
  if (!cursor.ReadBig(&value) || !cursor.done()) return Malformed("integer");
  return value;
}

absl::StatusOr<Uuid> DecodeUuid(absl::string_view bytes) {
  Cursor cursor(bytes);
  Uuid uuid;
  if (!ReadArray(&cursor, &uuid.bytes) || !cursor.done()) {
    return Malformed("UUID");
  }
  return uuid;
}

}  // namespace corkscrew
