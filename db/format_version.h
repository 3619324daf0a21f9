#ifndef CORKSCREW_DB_FORMAT_VERSION_H_
#define CORKSCREW_DB_FORMAT_VERSION_H_

// Which databases this build opens: a version, and sets of feature bits (as in
// ext4). Whoever adds something to the format that older builds do not know
// takes a bit of the set that says what those builds may still do.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "db/rows.h"
#include "db/store.h"

namespace corkscrew {

inline constexpr uint32_t kFormatVersion = 0;

// All features that this build knows, which are also those of a new database.
// None are defined yet.
inline constexpr FormatRow kCurrentFormat = {.version = kFormatVersion,
                                             .compat = 0,  // Old builds write,
                                             .read_only = 0,  // read,
                                             .required = 0};  // do not open.

// Whether a build that knows `known` may open a database of format `format`:
// unknown compat bits do not matter, unknown read_only bits allow reading,
// unknown required bits and versions nothing.
//   FailedPrecondition  it may not; names the version or the bits
absl::Status CheckFormat(const FormatRow& format, bool read_only,
                         const FormatRow& known = kCurrentFormat);

// What an upgrade did.
struct FormatUpgrade {
  FormatRow from = {};
  FormatRow to = {};
};

// Gives the store all features of `target`; other features stay. Nothing is
// written if it has them.
//   FailedPrecondition  CheckFormat() refuses to write to it
//   DataLoss            the store has no readable format row
absl::StatusOr<FormatUpgrade> UpgradeStore(
    Store& store, const FormatRow& target = kCurrentFormat);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_FORMAT_VERSION_H_
