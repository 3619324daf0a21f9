#ifndef CORKSCREW_DB_COLLECTION_REPAIR_H_
#define CORKSCREW_DB_COLLECTION_REPAIR_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "base/hash.h"
#include "corkscrew/check.h"
#include "db/lost_log.h"
#include "db/repair_output.h"
#include "db/rows.h"
#include "db/store.h"

namespace corkscrew {

// The collection to repair; borrows.
struct CollectionToRepair {
  const Store& source;
  uint32_t number = 0;
  std::string name = {};
  Uuid uuid = {};
  const std::map<uint32_t, Origin>& origins;
  const LostLog& lost_log;
};

// Writes the ops and bodies of one collection that can be read and agree with
// each other, and the rows that are made of them. *report says what that means,
// and names every op that is gone.
//   errors of the output, and of reading what nothing else says
absl::Status RepairCollection(const CollectionToRepair& collection,
                              RepairOutput* output, RepairReport* report);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_COLLECTION_REPAIR_H_
