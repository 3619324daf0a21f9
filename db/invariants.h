#ifndef CORKSCREW_DB_INVARIANTS_H_
#define CORKSCREW_DB_INVARIANTS_H_

// For tests: reads every row of a store that is not in use and checks what must
// hold between them (docs/storage_format.md, "What must hold").

#include <string>
#include <vector>

#include "db/store.h"

namespace corkscrew {

// Returns what is wrong, one sentence each; empty if nothing is.
std::vector<std::string> FindViolations(const Store& store);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_INVARIANTS_H_
