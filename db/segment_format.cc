#include "db/segment_format.h"

#include <algorithm>
#include <cassert>

#include "absl/numeric/int128.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "db/encode.h"
#include "db/rescore_row.h"
#include "quant/scan_layout.h"
#include "xxhash.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kMagic = "csdbseg0";
constexpr absl::string_view kHashName = "csdb:seg";
constexpr size_t kHashBytes = sizeof(Hash16);
// Most columns of a header: more than there are ids.
constexpr uint32_t kMaxColumns = 64;
// Of what quantizers can have.
constexpr uint32_t kMaxPrefixBytes = 32;
constexpr uint32_t kMaxRestBytes = 8192;
constexpr uint32_t kMaxLowBytes = 65536;
constexpr uint32_t kMaxRescoreDim = 65535;

absl::Status Malformed(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("segment: ", what));
}

size_t CheckCount(uint64_t bytes) {
  return static_cast<size_t>((bytes + kSegmentCheckBytes - 1) /
                             kSegmentCheckBytes);
}

uint64_t AlignUp(uint64_t value) {
  return (value + kSegmentAlign - 1) / kSegmentAlign * kSegmentAlign;
}

size_t HeaderBytes(const SegmentHeader& header) {
  constexpr size_t kFixed =
      8 + 4 + 1 + 16 + 16 + 8 + 8 + 8 + 16 + 6 * 4 + 8 + 3 * 8 + 8 + 4;
  size_t bytes = kFixed + kHashBytes;
  for (const SegmentColumn& column : header.columns) {
    bytes += 4 + 1 + 3 * 8 + 4 * column.checks.size();
  }
  return bytes;
}

}  // namespace

Hash16 HashOfSegmentHeader(absl::string_view head) {
  std::string input(kHashName);
  AppendBytes(head, &input);
  const Sha256Digest digest = Sha256(input);
  Hash16 hash;
  std::copy_n(digest.begin(), hash.size(), hash.begin());
  return hash;
}

namespace {

// The size of a column, unless `any`: it has another size each time.
struct Shape {
  bool known = false;
  bool any = false;
  uint64_t bytes = 0;
};
Shape ShapeOf(const SegmentHeader& header, const SegmentColumn& column) {
  const uint64_t slots = header.slots;
  switch (column.id) {
    case ColumnId::kPrefix:
      return {true, false,
              ScanLayout::Blocks(slots) * kScanBlock * header.prefix_bytes};
    case ColumnId::kRest:
      return {true, false, slots * header.rest_bytes};
    case ColumnId::kLow:
      return {true, false, slots * header.low_bytes};
    case ColumnId::kScalars:
      return {true, false, slots * 8};
    case ColumnId::kBorn:
    case ColumnId::kDied:
    case ColumnId::kSeq:
    case ColumnId::kOrigin:
    case ColumnId::kShard:
      return {true, false, slots * column.width};
    case ColumnId::kIdEnds:
      return {true, false, slots * 4};
    case ColumnId::kIds:
    case ColumnId::kMetadataKeys:
    case ColumnId::kMetadataNumbers:
    case ColumnId::kMetadataValues:
      return {true, true, 0};
    case ColumnId::kIdTags:
      return {true, false, header.id_places};
    case ColumnId::kIdSlots:
      return {true, false, uint64_t{header.id_places} * 4};
    case ColumnId::kRescore:
      return {true, false, slots * RescoreRowBytes(header.rescore_dim)};
  }
  return {};
}

bool IsInteger(ColumnId id) {
  return id >= ColumnId::kBorn && id <= ColumnId::kShard;
}

// The columns that a segment has, by rising id.
std::vector<ColumnId> ColumnsOf(const SegmentHeader& header) {
  std::vector<ColumnId> ids = {ColumnId::kPrefix, ColumnId::kRest,
                               ColumnId::kLow, ColumnId::kScalars,
                               ColumnId::kBorn};
  const bool live = header.kind == SegmentKind::kLive;
  if (!live) ids.push_back(ColumnId::kDied);
  for (const ColumnId id :
       {ColumnId::kSeq, ColumnId::kOrigin, ColumnId::kShard, ColumnId::kIdEnds,
        ColumnId::kIds, ColumnId::kMetadataKeys, ColumnId::kMetadataNumbers,
        ColumnId::kMetadataValues}) {
    ids.push_back(id);
  }
  if (live) {
    ids.push_back(ColumnId::kIdTags);
    ids.push_back(ColumnId::kIdSlots);
  }
  if (header.rescore_dim != 0) ids.push_back(ColumnId::kRescore);
  return ids;
}

absl::Status CheckColumns(const SegmentHeader& header, size_t head_bytes) {
  const std::vector<ColumnId> want = ColumnsOf(header);
  if (header.columns.size() != want.size()) {
    return Malformed("it has other columns than its kind");
  }
  uint64_t end = head_bytes;
  for (size_t i = 0; i < want.size(); ++i) {
    const SegmentColumn& column = header.columns[i];
    if (column.id != want[i]) {
      return Malformed("it has other columns than its kind");
    }
    const bool integer = IsInteger(column.id);
    const uint8_t width = column.width;
    if (integer ? width > 8 || (width & (width - 1)) != 0
                : width != 0 || column.base != 0) {
      return Malformed(absl::StrCat("column ", static_cast<uint32_t>(column.id),
                                    " has width ", width));
    }
    const Shape shape = ShapeOf(header, column);
    if (!shape.any && column.bytes != shape.bytes) {
      return Malformed(absl::StrCat("column ", static_cast<uint32_t>(column.id),
                                    " has ", column.bytes, " bytes, want ",
                                    shape.bytes));
    }
    if (column.offset != AlignUp(end) || column.bytes > kMaxSegmentBytes) {
      return Malformed(absl::StrCat("column ", static_cast<uint32_t>(column.id),
                                    " is at another place"));
    }
    end = column.offset + column.bytes;
  }
  if (header.file_bytes != AlignUp(end) + kSegmentPadding) {
    return Malformed("its file has another size");
  }
  return absl::OkStatus();
}

}  // namespace

void PlaceColumns(SegmentHeader* header) {
  uint64_t end = HeaderBytes(*header);
  for (SegmentColumn& column : header->columns) {
    column.offset = AlignUp(end);
    end = column.offset + column.bytes;
  }
  header->file_bytes = AlignUp(end) + kSegmentPadding;
}

std::string EncodeSegmentHeader(const SegmentHeader& header, Hash16* hash) {
  std::string out(kMagic);
  AppendBig(static_cast<uint32_t>(HeaderBytes(header)), &out);
  AppendBig(static_cast<uint8_t>(header.kind), &out);
  AppendBytes(BytesOf(header.collection.bytes), &out);
  AppendBytes(BytesOf(header.descriptor), &out);
  AppendBig(header.number, &out);
  AppendBig(header.incarnation, &out);
  AppendBig(header.feed, &out);
  AppendBytes(BytesOf(header.op_hash), &out);
  AppendBig(header.slots, &out);
  AppendBig(header.prefix_bytes, &out);
  AppendBig(header.rest_bytes, &out);
  AppendBig(header.low_bytes, &out);
  AppendBig(header.rescore_dim, &out);
  AppendBig(header.id_places, &out);
  AppendBig(header.id_seed, &out);
  AppendBig(header.min_born, &out);
  AppendBig(header.max_born, &out);
  AppendBig(header.max_died, &out);
  AppendBig(header.file_bytes, &out);
  AppendBig(static_cast<uint32_t>(header.columns.size()), &out);
  for (const SegmentColumn& column : header.columns) {
    AppendBig(static_cast<uint32_t>(column.id), &out);
    AppendBig(column.width, &out);
    AppendBig(column.base, &out);
    AppendBig(column.offset, &out);
    AppendBig(column.bytes, &out);
    for (const uint32_t check : column.checks) AppendBig(check, &out);
  }
  *hash = HashOfSegmentHeader(out);
  AppendBytes(BytesOf(*hash), &out);
  assert(out.size() == HeaderBytes(header));
  return out;
}

absl::StatusOr<SegmentHeader> DecodeSegmentHeader(absl::string_view file,
                                                  Hash16* hash) {
  Cursor cursor(file);
  absl::string_view magic;
  uint32_t head_bytes;
  if (!cursor.ReadBytes(kMagic.size(), &magic) || magic != kMagic ||
      !cursor.ReadBig(&head_bytes)) {
    return Malformed("it does not start as one");
  }
  if (head_bytes > file.size() || head_bytes < cursor.position() + kHashBytes) {
    return Malformed("its header does not fit");
  }
  const absl::string_view head = file.substr(0, head_bytes - kHashBytes);
  *hash = HashOfSegmentHeader(head);
  if (file.substr(head.size(), kHashBytes) != BytesOf(*hash)) {
    return Malformed("the hash of its header is wrong");
  }
  cursor = Cursor(head);
  SegmentHeader header;
  uint8_t kind;
  uint32_t columns;
  absl::string_view collection;
  absl::string_view descriptor;
  absl::string_view op_hash;
  if (!cursor.Skip(kMagic.size() + 4) || !cursor.ReadBig(&kind) ||
      !cursor.ReadBytes(header.collection.bytes.size(), &collection) ||
      !cursor.ReadBytes(header.descriptor.size(), &descriptor) ||
      !cursor.ReadBig(&header.number) || !cursor.ReadBig(&header.incarnation) ||
      !cursor.ReadBig(&header.feed) ||
      !cursor.ReadBytes(header.op_hash.size(), &op_hash) ||
      !cursor.ReadBig(&header.slots) || !cursor.ReadBig(&header.prefix_bytes) ||
      !cursor.ReadBig(&header.rest_bytes) ||
      !cursor.ReadBig(&header.low_bytes) ||
      !cursor.ReadBig(&header.rescore_dim) ||
      !cursor.ReadBig(&header.id_places) || !cursor.ReadBig(&header.id_seed) ||
      !cursor.ReadBig(&header.min_born) || !cursor.ReadBig(&header.max_born) ||
      !cursor.ReadBig(&header.max_died) ||
      !cursor.ReadBig(&header.file_bytes) || !cursor.ReadBig(&columns)) {
    return Malformed("its header is cut off");
  }
  std::copy(collection.begin(), collection.end(),
            header.collection.bytes.begin());
  std::copy(descriptor.begin(), descriptor.end(), header.descriptor.begin());
  std::copy(op_hash.begin(), op_hash.end(), header.op_hash.begin());
  if ((kind != 1 && kind != 2) || columns > kMaxColumns || header.slots == 0 ||
      header.slots == kFreeIdPlace || header.prefix_bytes > kMaxPrefixBytes ||
      header.rest_bytes > kMaxRestBytes || header.low_bytes > kMaxLowBytes ||
      header.rescore_dim > kMaxRescoreDim || header.file_bytes != file.size() ||
      header.file_bytes > kMaxSegmentBytes) {
    return Malformed("its header has a value out of range");
  }
  header.kind = static_cast<SegmentKind>(kind);
  if (header.id_places !=
      (header.kind == SegmentKind::kLive ? IdPlaces(header.slots) : 0)) {
    return Malformed("its table of ids has another size");
  }
  for (uint32_t i = 0; i < columns; ++i) {
    SegmentColumn& column = header.columns.emplace_back();
    uint32_t id;
    if (!cursor.ReadBig(&id) || !cursor.ReadBig(&column.width) ||
        !cursor.ReadBig(&column.base) || !cursor.ReadBig(&column.offset) ||
        !cursor.ReadBig(&column.bytes) ||
        CheckCount(column.bytes) > cursor.remaining() / 4) {
      return Malformed("its table of columns is cut off");
    }
    column.id = static_cast<ColumnId>(id);
    column.checks.resize(CheckCount(column.bytes));
    for (uint32_t& check : column.checks) {
      if (!cursor.ReadBig(&check)) return Malformed("a checksum is cut off");
    }
  }
  if (!cursor.done()) return Malformed("its header has more");
  const absl::Status columns_status = CheckColumns(header, head_bytes);
  if (!columns_status.ok()) return columns_status;
  return header;
}

std::vector<uint32_t> SegmentChecks(absl::string_view column) {
  std::vector<uint32_t> checks;
  checks.reserve(CheckCount(column.size()));
  for (size_t at = 0; at < column.size(); at += kSegmentCheckBytes) {
    checks.push_back(ExtendCrc32c(0, column.substr(at, kSegmentCheckBytes)));
  }
  return checks;
}

IdHash HashId(absl::string_view id, uint64_t seed, size_t places) {
  const uint64_t hash = XXH3_64bits_withSeed(id.data(), id.size(), seed);
  return {static_cast<uint8_t>(hash),
          static_cast<size_t>(absl::Uint128High64(absl::uint128(hash) *
                                                  absl::uint128(places)))};
}

// Two thirds full: an id that is not there costs five probes.
uint32_t IdPlaces(uint32_t slots) {
  return static_cast<uint32_t>(
      std::min<uint64_t>(uint64_t{slots} + slots / 2 + 1, kFreeIdPlace));
}

}  // namespace corkscrew
