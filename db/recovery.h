#ifndef CORKSCREW_DB_RECOVERY_H_
#define CORKSCREW_DB_RECOVERY_H_

// Opening the store in three steps (docs/storage_format.md, "Opening"): the log
// is clean, or its tail was torn before it was acknowledged, or acknowledged
// writes are damaged.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "db/environment.h"
#include "db/store.h"
#include "db/wal_scanner.h"

namespace corkscrew {

// Bytes of the log that were given up, and the incarnation that must begin
// because of it. In the file RECOVERY from before they are given up until that
// incarnation is in the store, so that a crash in between does not forget it.
struct RecoveryNote {
  uint64_t incarnation = 0;
  uint64_t dropped_bytes = 0;
  std::string file = {};  // Name of the log, at most 255 bytes.
  uint64_t offset = 0;

  friend bool operator==(const RecoveryNote&, const RecoveryNote&) = default;
};

std::string EncodeRecoveryNote(const RecoveryNote& note);
std::optional<RecoveryNote> DecodeRecoveryNote(absl::string_view bytes);

// What can not be opened without a loss, as an error that says where the damage
// is and what to do. `path` is the database.
absl::Status DamagedLogError(const WalScan& scan);

// Opens the store of the database in `path`, whose lock is held. *note is set
// if bytes of the log were given up, now or by an earlier open that did not
// come to RemoveRecoveryNote().
//   DataLoss  acknowledged writes are damaged; nothing was changed
//   errors of Store::Open() and of files
absl::StatusOr<std::unique_ptr<Store>> RecoverStore(
    const std::string& path, const StoreOptions& options,
    const Environment& environment, std::optional<RecoveryNote>* note);

// After the incarnation of the note has begun.
absl::Status RemoveRecoveryNote(const std::string& path,
                                const Environment& environment);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_RECOVERY_H_
