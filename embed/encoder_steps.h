#ifndef CORKSCREW_EMBED_ENCODER_STEPS_H_
#define CORKSCREW_EMBED_ENCODER_STEPS_H_

// The blocks of an encoder: attention, feed-forward, experts. Each step of a
// layer is one, with the norms around it.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "embed/architecture.h"
#include "embed/compute.h"
#include "embed/gguf.h"
#include "embed/matmul.h"
#include "embed/model_parameters.h"
#include "embed/model_tensors.h"
#include "embed/space.h"

namespace corkscrew {

// A norm with its weights.
class RowNorm {
 public:
  // Takes NAME.weight [n] and, if `bias`, NAME.bias.
  static absl::StatusOr<RowNorm> Take(const Architecture& architecture,
                                      const std::string& name, size_t n,
                                      float epsilon, ModelTensors* tensors);
  // The same; nothing if `name` is empty, or optional and not in the file.
  static absl::StatusOr<std::optional<RowNorm>> TakeIf(
      const Architecture& architecture, const TensorName& name,
      absl::string_view prefix, size_t n, float epsilon, ModelTensors* tensors);

  // Of each row of `x` [rows, PadToPanel(n)].
  void Apply(float* x, size_t rows, Arithmetic arithmetic) const;
  // Of each row of `x` [rows, n], without padding.
  void ApplyUnpadded(float* x, size_t rows, Arithmetic arithmetic) const;
  size_t size() const { return n_; }

 private:
  void ApplyOne(float* x) const;

  NormKind kind_ = NormKind::kLayer;
  size_t n_ = 0;
  float epsilon_ = 0;
  std::vector<float> weight_, bias_;  // [PadToPanel(n)]
};

// Cosines and sines of rotary positions (Su et al., arXiv:2104.09864), computed
// once per call. Single-threaded.
class RopeTables {
 public:
  // [tokens, head_width / 2] pairs of cosine and sine of
  // position * base^(-2 i / head_width). Valid until the next call.
  const float* Table(double base, size_t head_width, size_t tokens);

 private:
  std::map<std::pair<double, size_t>, std::vector<float>> tables_;
};

// The rows of the texts that are encoded together.
struct EncoderBatch {
  absl::Span<const absl::Span<const int32_t>> texts;
  size_t width = 0;
  size_t rows = 0;     // Tokens of all texts.
  size_t longest = 0;  // Tokens of the longest.
  // The rows as the layer got them, if a step wants them.
  const float* layer_input = nullptr;
  RopeTables* rope = nullptr;
  Compute compute;
};

// One step of one layer. Immutable. Thread-safe.
class EncoderStep {
 public:
  virtual ~EncoderStep() = default;
  // Replaces `x` [rows, PadToPanel(width)] by what the step makes of it.
  virtual void Run(const EncoderBatch& batch, float* x) const = 0;
};

// What a step is made from.
struct StepSource {
  const Architecture& architecture;
  const ArchitectureStep& step;
  const ModelParameters& parameters;
  const GgufFile& file;
  size_t layer = 0;
  ModelTensors* tensors = nullptr;
  // Gets what the step reads from keys, once per key.
  std::vector<SpaceParameter>* space = nullptr;
};

// Null if the layer has no such step.
//   InvalidArgument, Unimplemented  as Encoder::Create()
absl::StatusOr<std::unique_ptr<const EncoderStep>> MakeStep(
    const StepSource& source);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_ENCODER_STEPS_H_
