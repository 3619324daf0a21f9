#ifndef CORKSCREW_EMBED_BERT_H_
#define CORKSCREW_EMBED_BERT_H_

// The BERT encoder (Devlin et al., arXiv:1810.04805) as sentence embedder
// (Reimers and Gurevych, arXiv:1908.10084): GGUF files of architecture "bert".
//
//   x = LN(token[id] + type[0] + position[i])
//   per block:  x = LN(attention(x) + x);  x = LN(down(gelu(up(x))) + x)
//   vector = mean of the rows of x, or its first row

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "embed/gguf.h"
#include "embed/matmul.h"
#include "embed/model_tensors.h"
#include "embed/transformer.h"

namespace corkscrew {

// How the rows of a text become one vector.
enum class Pooling { kMean, kCls };

struct BertParameters {
  size_t blocks = 0;
  size_t dim = 0;
  size_t feed_forward = 0;
  size_t heads = 0;
  size_t context = 0;  // Positions, so most tokens of a text.
  size_t vocabulary = 0;
  float epsilon = 0;  // Of layer norms.
  Pooling pooling = Pooling::kMean;

  // Reads the keys bert.* of `file`. `vocabulary` is left 0.
  //   InvalidArgument  a key missing, of another type or out of range
  //   Unimplemented    causal attention or another pooling
  static absl::StatusOr<BertParameters> Read(const GgufFile& file);
};

// Immutable. Thread-safe.
class BertEncoder {
 public:
  // Takes and repacks the tensors that `parameters` ask for. Copies what it
  // needs. Errors as ModelTensors::Matrix().
  static absl::StatusOr<BertEncoder> Create(const BertParameters& parameters,
                                            ModelTensors* tensors);

  size_t dim() const { return parameters_.dim; }

  // Writes the pooled vector of each text, not normalised, to `out`
  // [texts, dim]. Texts have 1..context tokens, each 0..vocabulary - 1. The
  // same text gives the same bytes whatever else is in `texts`. Memory grows
  // with the sum of tokens; time with that and the square of each.
  void Encode(absl::Span<const absl::Span<const int32_t>> texts,
              float* out) const;

 private:
  struct Norm {
    std::vector<float> weight, bias;  // [PadToPanel(dim)]
  };
  struct Block {
    PackedLinear qkv, output, up, down;
    Norm output_norm, layer_norm;
  };

  static absl::StatusOr<Norm> MakeNorm(const BertParameters& parameters,
                                       absl::string_view name,
                                       ModelTensors* tensors);
  static absl::StatusOr<Block> MakeBlock(const BertParameters& parameters,
                                         size_t index, ModelTensors* tensors);

  void Look(absl::Span<const int32_t> tokens, float* x) const;
  void RunBlock(const Block& block,
                absl::Span<const absl::Span<const int32_t>> texts, size_t rows,
                float* x) const;
  void Normalize(const Norm& norm, float* x, size_t rows) const;
  void Pool(const float* x, size_t tokens, float* out) const;

  BertParameters parameters_;
  AttentionShape attention_;
  GgmlType token_type_ = GgmlType::kF32;
  std::string token_table_;      // [vocabulary] rows of `dim`, as stored.
  std::vector<float> position_;  // [context, dim], token type 0 added.
  Norm input_norm_;
  std::vector<Block> blocks_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_BERT_H_
