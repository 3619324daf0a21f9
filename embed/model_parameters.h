#ifndef CORKSCREW_EMBED_MODEL_PARAMETERS_H_
#define CORKSCREW_EMBED_MODEL_PARAMETERS_H_

// The sizes of a model, from the keys of its file.

#include <cstddef>

#include "absl/status/statusor.h"
#include "embed/architecture.h"
#include "embed/gguf.h"

namespace corkscrew {

struct ModelParameters {
  size_t layers = 0;
  size_t width = 0;
  size_t feed_forward = 0;
  size_t heads = 0;
  size_t key_value_heads = 0;  // Divides `heads`.
  size_t head_width = 0;
  size_t context = 0;  // Most tokens of a text.
  size_t vocabulary = 0;
  float epsilon = 0;  // Of norms.
  Pooling pooling = Pooling::kMean;

  // Reads the keys of `file` that `architecture` needs. `vocabulary` is left 0.
  //   InvalidArgument  a key missing, of another type or out of range
  //   Unimplemented    a pooling, or a kind of attention or of positions, that
  //                    is not supported
  static absl::StatusOr<ModelParameters> Read(const GgufFile& file,
                                              const Architecture& architecture);
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MODEL_PARAMETERS_H_
