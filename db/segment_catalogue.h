#ifndef CORKSCREW_DB_SEGMENT_CATALOGUE_H_
#define CORKSCREW_DB_SEGMENT_CATALOGUE_H_

// Which files belong to the index of a collection (docs/storage_format.md,
// "Segments"): the `s` rows of the store, the names of the files, and the
// sidecar with the times of death of slots in live segments.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/record.h"
#include "db/descriptor.h"
#include "db/segment_format.h"

namespace corkscrew {

// A position in the feed of a collection, in a life of a database.
struct SegmentPosition {
  uint64_t incarnation = 0;
  uint64_t feed = 0;
  Hash16 op_hash = {};  // Content hash of the op there; zero at position 0.

  friend bool operator==(const SegmentPosition&,
                         const SegmentPosition&) = default;
};

// Row 0 of a collection. All slots of ops up to `covered` are in its segments,
// and no others.
struct CatalogueRow {
  SegmentPosition covered = {};
  uint64_t next_number = 1;  // Of files; greater than all in use.
  uint64_t sidecar = 0;      // Number of the file; 0: none.
  Hash16 sidecar_hash = {};

  friend bool operator==(const CatalogueRow&, const CatalogueRow&) = default;
};

// The rows of the segments, by number.
struct SegmentRow {
  SegmentKind kind = SegmentKind::kLive;
  uint32_t slots = 0;
  uint64_t file_bytes = 0;
  Hash16 hash = {};

  friend bool operator==(const SegmentRow&, const SegmentRow&) = default;
};

std::string Encode(const CatalogueRow& row);
std::string Encode(const SegmentRow& row);
//   DataLoss  not such a row
absl::StatusOr<CatalogueRow> DecodeCatalogueRow(absl::string_view bytes);
absl::StatusOr<SegmentRow> DecodeSegmentRow(absl::string_view bytes);

// When slots of live segments died, as of a position: by all ops up to it, and
// perhaps by later ones.
struct DiedSidecar {
  struct Slot {
    uint32_t slot = 0;
    Lamport died = 0;

    friend bool operator==(const Slot&, const Slot&) = default;
  };
  Uuid collection = {};
  SegmentPosition position = {};
  // By segment number, rising; slots rising.
  std::vector<std::pair<uint64_t, std::vector<Slot>>> segments = {};

  friend bool operator==(const DiedSidecar&, const DiedSidecar&) = default;
};
std::string EncodeDiedSidecar(const DiedSidecar& sidecar, Hash16* hash);
//   DataLoss  it is damaged
absl::StatusOr<DiedSidecar> DecodeDiedSidecar(absl::string_view bytes,
                                              Hash16* hash);

// Names of files in the directory of segments.
std::string SegmentFileName(const Uuid& collection, uint64_t number);
std::string SidecarFileName(const Uuid& collection, uint64_t number);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_SEGMENT_CATALOGUE_H_
