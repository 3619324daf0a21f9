#ifndef CORKSCREW_BASE_LOCK_HOLDER_H_
#define CORKSCREW_BASE_LOCK_HOLDER_H_

// How the error of opening a directory that another process holds says where
// that one serves it.

#include "absl/strings/string_view.h"

namespace corkscrew {

// Type of a payload (absl::Status::GetPayload()): the addresses, one per line.
// Only the error for a directory that is held has it; empty: served nowhere.
inline constexpr absl::string_view kLockHolderPayload =
    "corkscrewdb/lock-holder-addresses";

}  // namespace corkscrew

#endif  // CORKSCREW_BASE_LOCK_HOLDER_H_
