#ifndef CORKSCREW_DB_MANIFEST_READER_H_
#define CORKSCREW_DB_MANIFEST_READER_H_

// What a RocksDB manifest says about the logs: which of them are live.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

struct ManifestLogs {
  uint64_t first_live = 0;     // Logs with smaller numbers are in the tables.
  uint64_t last_sequence = 0;  // Everything in the tables is at or before it.
};

// Reads the bytes of a manifest, up to where they can not be read: RocksDB
// itself refuses a damaged manifest, and takes one whose last record is cut for
// one without it.
//   Unimplemented  it holds an edit of a kind that is not known
absl::StatusOr<ManifestLogs> ReadManifestLogs(absl::string_view bytes);

// Where the tail of a manifest begins that can not be read and that no whole
// record follows; nullopt if there is none. RocksDB takes such a tail for the
// end of the manifest if it is cut or zero, and refuses it otherwise.
std::optional<size_t> TornTailOfManifest(absl::string_view bytes);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_MANIFEST_READER_H_
