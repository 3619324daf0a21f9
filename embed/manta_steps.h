#ifndef CORKSCREW_EMBED_MANTA_STEPS_H_
#define CORKSCREW_EMBED_MANTA_STEPS_H_

// For tests only: runs a `.mll` embedding model step by step, as its artifact
// lists them, in binary64. The oracle of MantaEncoder, which knows the steps
// and runs them together.

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "embed/mll_file.h"

namespace corkscrew::testing {

// The vector of a text of at least one token by the entry point "embed_pooled"
// of `file`.
//   InvalidArgument  a step that is malformed or not known; names it
absl::StatusOr<std::vector<double>> RunMantaSteps(
    const MllFile& file, absl::Span<const int32_t> tokens);

}  // namespace corkscrew::testing

#endif  // CORKSCREW_EMBED_MANTA_STEPS_H_
