#ifndef CORKSCREW_DB_RECORD_LIMITS_H_
#define CORKSCREW_DB_RECORD_LIMITS_H_

// Checks of what callers give us against limits.h.

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/metric.h"

namespace corkscrew {

// All return InvalidArgument with both values, without naming the object.

absl::Status CheckId(absl::string_view id);
absl::Status CheckText(absl::string_view text);
absl::Status CheckVector(absl::Span<const float> vector, size_t dim,
                         Metric metric);
absl::Status CheckCollectionName(absl::string_view name);
absl::Status CheckRequestId(absl::string_view request_id);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_RECORD_LIMITS_H_
