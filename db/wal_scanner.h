#ifndef CORKSCREW_DB_WAL_SCANNER_H_
#define CORKSCREW_DB_WAL_SCANNER_H_

// Reads the write-ahead log of the store before RocksDB does, and says whether
// what can not be read was ever acknowledged (docs/storage_format.md,
// "Opening"). RocksDB's own recovery modes can not tell the two apart.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"

namespace corkscrew {

// What Store::Write() puts at the end of each batch, for this scanner only: a
// claim that everything up to `sequence` had been synced before.
std::string EncodeSyncedClaim(uint64_t sequence);

// The header of a write batch, and the claim at its end.
struct LoggedBatch {
  uint64_t sequence = 0;  // Of its first row; 1 or more.
  uint32_t count = 0;     // Rows.
  std::optional<uint64_t> synced = std::nullopt;
};
// nullopt: not a batch.
std::optional<LoggedBatch> ReadLoggedBatch(absl::string_view record);

enum class WalVerdict {
  kClean,     // Every byte was read.
  kTornTail,  // The end can not be read, and nothing shows that it was synced.
  kDamaged,   // Acknowledged writes can not be read.
};

struct WalScan {
  WalVerdict verdict = WalVerdict::kClean;
  // Of the last row before any damage, in the log or in the tables.
  uint64_t last_sequence = 0;

  // The damage, unless kClean.
  std::string file = {};  // Name of the log.
  uint64_t offset = 0;    // Where what can not be read begins.
  std::string what = {};
  uint64_t dropped_bytes = 0;  // In the logs from there on.

  // A log that is not the last one has a torn tail that an earlier open gave
  // up. RocksDB must be told to go on behind it.
  bool torn_before = false;
};

// A log file as the scanner takes it.
struct WalFile {
  uint64_t number = 0;
  std::string name = {};
  absl::string_view bytes = {};
};

// Scans live logs in the order of their numbers. The first one begins at or
// before the row behind `tables_sequence` (nullopt: not known).
WalScan ScanWalFiles(const std::vector<WalFile>& files,
                     std::optional<uint64_t> tables_sequence);

// Scans the live logs in the store directory `path`: those that its manifest
// does not call obsolete, or all if the manifest can not be read.
//   errors of reading files
absl::StatusOr<WalScan> ScanWals(FileSystem& files, const std::string& path);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_WAL_SCANNER_H_
