#ifndef CORKSCREW_DB_CALL_END_H_
#define CORKSCREW_DB_CALL_END_H_

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "corkscrew/collection.h"

namespace corkscrew {

// Cancelled or DeadlineExceeded if the caller wants the call to end.
inline absl::Status CheckCall(const CallOptions& call) {
  if (call.cancelled != nullptr && call.cancelled()) {
    return absl::CancelledError("the caller cancelled the call");
  }
  if (call.deadline != absl::InfiniteFuture() && absl::Now() >= call.deadline) {
    return absl::DeadlineExceededError("the deadline of the call has passed");
  }
  return absl::OkStatus();
}

}  // namespace corkscrew

#endif  // CORKSCREW_DB_CALL_END_H_
