#ifndef CORKSCREW_DB_RECORD_LIMITS_H_
#define CORKSCREW_DB_RECORD_LIMITS_H_

// Checks of what callers give us against limits.h.

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/metric.h"

namespace corkscrew {

// All return InvalidArgument (and what is said) with both values, without
// naming the object.

absl::Status CheckId(absl::string_view id);
// Each id, and that there are at most `most`. Names the index.
//   ResourceExhausted  more ids
absl::Status CheckIds(absl::Span<const absl::string_view> ids, size_t most);
absl::Status CheckText(absl::string_view text);
absl::Status CheckVector(absl::Span<const float> vector, size_t dim,
                         Metric metric);
absl::Status CheckCollectionName(absl::string_view name);
absl::Status CheckTagName(absl::string_view name);
absl::Status CheckRequestId(absl::string_view request_id);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_RECORD_LIMITS_H_
