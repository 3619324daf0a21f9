#ifndef CORKSCREW_DB_FILTER_H_
#define CORKSCREW_DB_FILTER_H_

// Evaluation of metadata filters. The one place that compares values: every
// index and every row-by-row check uses these functions.

#include "absl/status/status.h"
#include "corkscrew/filter.h"
#include "corkscrew/metadata.h"

namespace corkscrew {

// Checks shape and limits: depth and nodes (limits.h), the number of values
// and children of each operator, keys not empty, strings valid UTF-8, no NaN.
//   InvalidArgument  names the operator and the key
absl::Status ValidateFilter(const Filter& filter);

// Whether `metadata` satisfies the validated `filter`; semantics in
// corkscrew/filter.h.
bool Matches(const Filter& filter, const Metadata& metadata);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_FILTER_H_
