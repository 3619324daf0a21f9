#ifndef CORKSCREW_EMBED_ENCODER_H_
#define CORKSCREW_EMBED_ENCODER_H_

// Runs an architecture: token ids -> one vector per text. The blocks that an
// architecture can name are here; which, and in which order, is data.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "embed/architecture.h"
#include "embed/compute.h"
#include "embed/encoder_steps.h"
#include "embed/gguf.h"
#include "embed/matmul.h"
#include "embed/model_parameters.h"
#include "embed/model_tensors.h"
#include "embed/space.h"

namespace corkscrew {

// Immutable. Thread-safe.
class Encoder {
 public:
  // Takes and repacks the tensors that `architecture` asks for. Copies what it
  // needs; `architecture` outlives it.
  //   InvalidArgument  a tensor or key missing or of another shape or range
  //   Unimplemented    a tensor type that can not be decoded
  static absl::StatusOr<Encoder> Create(const Architecture& architecture,
                                        const ModelParameters& parameters,
                                        const GgufFile& file,
                                        ModelTensors* tensors);

  // Coordinates of a vector.
  size_t dim() const { return dim_; }

  // What beside the tensors decides the vectors, for the fingerprint.
  const std::vector<SpaceParameter>& space_parameters() const {
    return space_parameters_;
  }

  // Writes the vector of each text, not normalised, to `out` [texts, dim].
  // Texts have 1..context tokens, each 0..vocabulary - 1. The same text gives
  // the same bytes whatever else is in `texts` and on whatever team. Memory
  // grows with the sum of tokens; time with that and the square of each.
  void Encode(absl::Span<const absl::Span<const int32_t>> texts, float* out,
              const Compute& compute = {}) const;

 private:
  // The first layer's input: token, type and position.
  absl::Status TakeInput(const Architecture& architecture,
                         ModelTensors* tensors);
  absl::Status TakeDense(const Architecture& architecture,
                         ModelTensors* tensors);
  void Look(absl::Span<const int32_t> tokens, float* x) const;
  void Pool(const float* x, size_t tokens, float* out) const;

  ModelParameters parameters_;
  size_t dim_ = 0;
  std::vector<SpaceParameter> space_parameters_;
  GgmlType token_type_ = GgmlType::kF32;
  std::string token_table_;  // [vocabulary] rows of `width`, as stored.
  float token_scale_ = 1;
  std::vector<float> token_weight_;  // [vocabulary], or empty.
  // [context, width] with the token type added, [1, width] the type alone, or
  // empty.
  std::vector<float> position_;
  std::optional<RowNorm> input_norm_;
  std::vector<std::vector<std::unique_ptr<const EncoderStep>>> layers_;
  std::optional<RowNorm> output_norm_;
  std::vector<PackedLinear> dense_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_ENCODER_H_
