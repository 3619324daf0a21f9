#ifndef CORKSCREW_EMBED_MANTA_MODEL_H_
#define CORKSCREW_EMBED_MANTA_MODEL_H_

// The encoder of sealed `.mll` embedding models (github odvcencio/manta, later
// eos):
//
//   x = token[ids]
//   repeats times, with the same weights:
//     h = norm(softmax(q k^T) v o + x)       one head, scores not scaled
//     x = norm(gelu(h up) projection + h)
//   vector = mean of the rows of x, each scaled to unit length
//
// norm has no weights; gelu is the tanh form.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "embed/compute.h"
#include "embed/matmul.h"
#include "embed/mll_contents.h"
#include "embed/mll_file.h"
#include "embed/space.h"
#include "embed/text_groups.h"

namespace corkscrew {

// What section XMTA says about the encoder.
struct MantaManifest {
  std::string token, query, key, value, output, up, projection;  // Tensors.
  size_t repeats = 1;
  bool attention_residual = true;
  bool attention_norm = true;
  bool feed_forward_residual = true;
  bool feed_forward_norm = true;
};

// A tensor as float32, row-major, and its bytes: what the space covers.
struct MantaMatrix {
  std::string name;
  size_t rows = 0;
  size_t columns = 0;
  std::string bytes;
};

// Expands `tensor`, whose integers count times `scale` (packed models).
//   InvalidArgument, Unimplemented  names the tensor
absl::StatusOr<MantaMatrix> ExpandTensor(const MllTensor& tensor, float scale);

// Immutable. Thread-safe.
class MantaEncoder {
 public:
  // `matrices` are those that `manifest` names, in its order.
  //   InvalidArgument  shapes that do not fit, or numbers that are not finite
  static absl::StatusOr<MantaEncoder> Create(
      const MantaManifest& manifest, absl::Span<const MantaMatrix> matrices);

  size_t dim() const { return width_; }
  size_t vocabulary_size() const { return vocabulary_size_; }

  // Writes the vectors of texts of at least one token, each below
  // vocabulary_size(), to `out` [texts, dim]. The same text gives the same
  // bytes whatever else is in `texts` and on whatever team. Weights are
  // float32, so Arithmetic::kFast and kFine are one.
  void Encode(absl::Span<const TextTokens> texts, float* out,
              const Compute& compute = {}) const;

 private:
  struct Scratch;  // Of one call.
  // One repeat; `x` [tokens of all texts, PadToPanel(dim)].
  void Repeat(absl::Span<const TextTokens> texts, const Compute& compute,
              Scratch* scratch, float* x) const;
  void Normalize(size_t rows, Arithmetic arithmetic, float* x) const;

  MantaManifest manifest_;
  size_t width_ = 0;
  size_t wide_ = 0;
  size_t vocabulary_size_ = 0;
  std::vector<float> table_;  // [vocabulary, width]
  PackedLinear qkv_, output_, up_, projection_;
  std::vector<float> ones_, zeros_;  // [PadToPanel(width)]
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MANTA_MODEL_H_
