#ifndef CORKSCREW_DB_INVARIANTS_H_
#define CORKSCREW_DB_INVARIANTS_H_

// For tests: what the deep check of rows (check_rows.h) finds in a store that
// is not in use, as plain sentences.

#include <string>
#include <vector>

#include "db/store.h"

namespace corkscrew {

// Returns what is wrong, one sentence each; empty if nothing is.
std::vector<std::string> FindViolations(const Store& store);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_INVARIANTS_H_
