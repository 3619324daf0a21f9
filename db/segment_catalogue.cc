#include "db/segment_catalogue.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "db/encode.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kSidecarMagic = "csdbdie0";

absl::Status Malformed(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("malformed ", what));
}

void Append(const SegmentPosition& position, std::string* out) {
  AppendBig(position.incarnation, out);
  AppendBig(position.feed, out);
  AppendBytes(BytesOf(position.op_hash), out);
}

bool ReadHash(Cursor* cursor, Hash16* hash) {
  absl::string_view bytes;
  if (!cursor->ReadBytes(hash->size(), &bytes)) return false;
  std::copy(bytes.begin(), bytes.end(), hash->begin());
  return true;
}

bool ReadPosition(Cursor* cursor, SegmentPosition* position) {
  return cursor->ReadBig(&position->incarnation) &&
         cursor->ReadBig(&position->feed) &&
         ReadHash(cursor, &position->op_hash);
}

Hash16 SidecarHash(absl::string_view bytes) {
  std::string input("csdb:die");
  AppendBytes(bytes, &input);
  const Sha256Digest digest = Sha256(input);
  Hash16 hash;
  std::copy_n(digest.begin(), hash.size(), hash.begin());
  return hash;
}

std::string FileName(const Uuid& collection, uint64_t number,
                     absl::string_view extension) {
  return absl::StrCat(collection.ToString(), "-",
                      absl::Hex(number, absl::kZeroPad16), extension);
}

}  // namespace

std::string Encode(const CatalogueRow& row) {
  std::string out;
  Append(row.covered, &out);
  AppendBig(row.next_number, &out);
  AppendBig(row.sidecar, &out);
  AppendBytes(BytesOf(row.sidecar_hash), &out);
  return out;
}

std::string Encode(const SegmentRow& row) {
  std::string out;
  AppendBig(static_cast<uint8_t>(row.kind), &out);
  AppendBig(row.slots, &out);
  AppendBig(row.file_bytes, &out);
  AppendBytes(BytesOf(row.hash), &out);
  return out;
}

absl::StatusOr<CatalogueRow> DecodeCatalogueRow(absl::string_view bytes) {
  Cursor cursor(bytes);
  CatalogueRow row;
  if (!ReadPosition(&cursor, &row.covered) ||
      !cursor.ReadBig(&row.next_number) || !cursor.ReadBig(&row.sidecar) ||
      !ReadHash(&cursor, &row.sidecar_hash) || !cursor.done() ||
      row.next_number == 0 || row.sidecar >= row.next_number) {
    return Malformed("segment catalogue row");
  }
  return row;
}

absl::StatusOr<SegmentRow> DecodeSegmentRow(absl::string_view bytes) {
  Cursor cursor(bytes);
  SegmentRow row;
  uint8_t kind;
  if (!cursor.ReadBig(&kind) || !cursor.ReadBig(&row.slots) ||
      !cursor.ReadBig(&row.file_bytes) || !ReadHash(&cursor, &row.hash) ||
      !cursor.done() || (kind != 1 && kind != 2) || row.slots == 0) {
    return Malformed("segment row");
  }
  row.kind = static_cast<SegmentKind>(kind);
  return row;
}

std::string EncodeDiedSidecar(const DiedSidecar& sidecar, Hash16* hash) {
  std::string out(kSidecarMagic);
  AppendBytes(BytesOf(sidecar.collection.bytes), &out);
  Append(sidecar.position, &out);
  AppendBig(static_cast<uint32_t>(sidecar.segments.size()), &out);
  for (const auto& [number, slots] : sidecar.segments) {
    AppendBig(number, &out);
    AppendBig(static_cast<uint32_t>(slots.size()), &out);
    for (const DiedSidecar::Slot& slot : slots) {
      AppendBig(slot.slot, &out);
      AppendBig(slot.died, &out);
    }
  }
  *hash = SidecarHash(out);
  AppendBytes(BytesOf(*hash), &out);
  return out;
}

absl::StatusOr<DiedSidecar> DecodeDiedSidecar(absl::string_view bytes,
                                              Hash16* hash) {
  if (bytes.size() < hash->size()) return Malformed("died sidecar");
  const absl::string_view content =
      bytes.substr(0, bytes.size() - hash->size());
  *hash = SidecarHash(content);
  if (bytes.substr(content.size()) != BytesOf(*hash)) {
    return absl::DataLossError("died sidecar: its hash is wrong");
  }
  Cursor cursor(content);
  DiedSidecar sidecar;
  absl::string_view magic;
  absl::string_view collection;
  uint32_t segments;
  if (!cursor.ReadBytes(kSidecarMagic.size(), &magic) ||
      magic != kSidecarMagic ||
      !cursor.ReadBytes(sidecar.collection.bytes.size(), &collection) ||
      !ReadPosition(&cursor, &sidecar.position) || !cursor.ReadBig(&segments) ||
      segments > cursor.remaining() / 12) {
    return Malformed("died sidecar");
  }
  std::copy(collection.begin(), collection.end(),
            sidecar.collection.bytes.begin());
  for (; segments > 0; --segments) {
    auto& [number, slots] = sidecar.segments.emplace_back();
    const uint64_t before =
        sidecar.segments.size() < 2
            ? 0
            : sidecar.segments[sidecar.segments.size() - 2].first;
    uint32_t count;
    if (!cursor.ReadBig(&number) || !cursor.ReadBig(&count) ||
        number <= before || count > cursor.remaining() / 12) {
      return Malformed("died sidecar");
    }
    slots.resize(count);
    for (DiedSidecar::Slot& slot : slots) {
      if (!cursor.ReadBig(&slot.slot) || !cursor.ReadBig(&slot.died)) {
        return Malformed("died sidecar");
      }
    }
  }
  if (!cursor.done()) return Malformed("died sidecar");
  return sidecar;
}

std::string SegmentFileName(const Uuid& collection, uint64_t number) {
  return FileName(collection, number, ".seg");
}
std::string SidecarFileName(const Uuid& collection, uint64_t number) {
  return FileName(collection, number, ".died");
}

}  // namespace corkscrew
