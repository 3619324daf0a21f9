#ifndef CORKSCREW_DB_CHECK_SEGMENTS_H_
#define CORKSCREW_DB_CHECK_SEGMENTS_H_

// What must hold between the segments of collections and the store
// (docs/storage_format.md, "Segments"): the catalogue names the files that are
// there, and each slot says what the body of its version says.

#include <string>

#include "absl/status/status.h"
#include "db/check_rows.h"
#include "db/store.h"

namespace corkscrew {

// Checks the files in `directory` against `store`: names and sizes, and with
// CheckOptions::deep all that they hold. Segments are a cache, so that nothing
// it finds is worse than kRepairable. Rows and bodies that are damaged
// themselves are left to CheckRows(). Memory grows with the ops that are in no
// segment yet. Not OK only if it was cancelled.
absl::Status CheckSegments(const Store& store, const std::string& directory,
                           CheckSink* sink);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_CHECK_SEGMENTS_H_
