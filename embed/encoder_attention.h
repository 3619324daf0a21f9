#ifndef CORKSCREW_EMBED_ENCODER_ATTENTION_H_
#define CORKSCREW_EMBED_ENCODER_ATTENTION_H_

// The attention block of an encoder: grouped heads, norms of queries and keys,
// rotary positions or linear biases, windows.

#include <memory>

#include "absl/status/statusor.h"
#include "embed/encoder_parts.h"
#include "embed/encoder_steps.h"

namespace corkscrew {

// `global`: the layer sees all tokens of a text even if there is a window.
absl::StatusOr<std::unique_ptr<const EncoderStep>> MakeAttentionStep(
    const StepSource& source, StepNorms norms, bool global);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_ENCODER_ATTENTION_H_
