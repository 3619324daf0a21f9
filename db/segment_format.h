#ifndef CORKSCREW_DB_SEGMENT_FORMAT_H_
#define CORKSCREW_DB_SEGMENT_FORMAT_H_

// The bytes of a segment file (docs/storage_format.md, "Segments"): a header
// with a table of columns, then the columns.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/record.h"
#include "db/descriptor.h"

namespace corkscrew {

// Part of the format.
enum class SegmentKind : uint8_t {
  kLive = 1,     // Slots that were alive when it was written.
  kHistory = 2,  // Slots that had died.
};

enum class ColumnId : uint32_t {
  kPrefix = 1,            // [blocks, prefix_bytes, 64], see scan_layout.h
  kRest = 2,              // [slots, rest_bytes]
  kLow = 3,               // [slots, low_bytes]
  kScalars = 4,           // [slots, 2] float32: norm, scale
  kBorn = 5,              // integers
  kDied = 6,              // integers; history only
  kSeq = 7,               // integers
  kOrigin = 8,            // integers
  kShard = 9,             // integers
  kIdEnds = 10,           // [slots] u32: where each id ends
  kIds = 11,              // ids, one after the other
  kMetadataKeys = 12,     // see metadata_columns_packed.h, as the next two
  kMetadataNumbers = 13,  // value numbers, of rare keys with their slots
  kMetadataValues = 14,   // dictionaries
  kIdTags = 15,           // [places] u8; live only, as the next
  kIdSlots = 16,          // [places] u32
  kRescore = 17,          // [slots] rows (rescore_row.h)
};

// Bytes of a column with one checksum.
inline constexpr size_t kSegmentCheckBytes = size_t{64} << 10;
// Columns start at multiples of this in the file.
inline constexpr size_t kSegmentAlign = 64;
// Zeros at the end of the file: kernels read past a column.
inline constexpr size_t kSegmentPadding = 64;
// Largest file that is read.
inline constexpr uint64_t kMaxSegmentBytes = uint64_t{1} << 40;

struct SegmentColumn {
  ColumnId id = ColumnId::kPrefix;
  // Integers: value i is base + the i-th of `width` bytes; with width 0 all are
  // base. 0 for other columns.
  uint8_t width = 0;
  uint64_t base = 0;
  uint64_t offset = 0;  // In the file.
  uint64_t bytes = 0;
  std::vector<uint32_t> checks = {};  // CRC-32C of each kSegmentCheckBytes.

  friend bool operator==(const SegmentColumn&, const SegmentColumn&) = default;
};

struct SegmentHeader {
  SegmentKind kind = SegmentKind::kLive;
  Uuid collection = {};
  Hash16 descriptor = {};    // Descriptor hash.
  uint64_t number = 0;       // Of the segment in its collection.
  uint64_t incarnation = 0;  // Of the database when it was written.
  uint64_t feed = 0;         // Position then, and the content hash of the op
  Hash16 op_hash = {};       // there.
  uint32_t slots = 0;
  uint32_t prefix_bytes = 0;  // Per slot.
  uint32_t rest_bytes = 0;
  uint32_t low_bytes = 0;
  uint32_t rescore_dim = 0;  // 0: no rescore column.
  uint32_t id_places = 0;
  uint64_t id_seed = 0;
  Lamport min_born = 0;
  Lamport max_born = 0;
  Lamport max_died = 0;                     // History only.
  std::vector<SegmentColumn> columns = {};  // By rising id and offset.
  uint64_t file_bytes = 0;

  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

// Places the columns (their offsets) and the end of the file.
void PlaceColumns(SegmentHeader* header);

// The header as it is written, and the hash at its end, which names the content
// of the whole file: it covers all checksums.
std::string EncodeSegmentHeader(const SegmentHeader& header, Hash16* hash);

// That hash, of the header before it.
Hash16 HashOfSegmentHeader(absl::string_view head);

// Reads the header of `file`, checks its hash and that all columns have the
// sizes that it asks for and lie in the file. The content of columns is not
// looked at.
//   DataLoss  it is not such a header, or the file has another size
absl::StatusOr<SegmentHeader> DecodeSegmentHeader(absl::string_view file,
                                                  Hash16* hash);

// Checksums of a column.
std::vector<uint32_t> SegmentChecks(absl::string_view column);

// The table from ids to slots that a live segment has: `places` with linear
// probing from the home of an id; free places hold kFreeIdPlace.
inline constexpr uint32_t kFreeIdPlace = 0xFFFFFFFF;
struct IdHash {
  uint8_t tag;
  size_t home;  // In [0, places).
};
IdHash HashId(absl::string_view id, uint64_t seed, size_t places);
// Places for so many slots.
uint32_t IdPlaces(uint32_t slots);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_SEGMENT_FORMAT_H_
