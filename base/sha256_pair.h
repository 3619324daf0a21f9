#ifndef CORKSCREW_BASE_SHA256_PAIR_H_
#define CORKSCREW_BASE_SHA256_PAIR_H_

// SHA-256 of two messages side by side.

#include "absl/strings/string_view.h"
#include "base/hash.h"

namespace corkscrew {

// Sets `of_a` and `of_b` to the SHA-256 of `a` and `b`. If they have one size
// and the processor has instructions for it, two take little longer than one:
// within one message these instructions wait for each other.
void Sha256Pair(absl::string_view a, absl::string_view b, Sha256Digest* of_a,
                Sha256Digest* of_b);

}  // namespace corkscrew

#endif  // CORKSCREW_BASE_SHA256_PAIR_H_
