#ifndef CORKSCREW_EMBED_TRANSFORMER_H_
#define CORKSCREW_EMBED_TRANSFORMER_H_

// The parts of a transformer block between its linear layers. Each call runs
// the best instruction set of this CPU; results agree between instruction sets
// to rounding error, and to the last bit in Arithmetic::kExact. Rows are padded
// with zeros, see embed/tile.h.

#include <cstddef>
#include <vector>

#include "embed/compute.h"

namespace corkscrew {

// Replaces each row r of `x` [rows, PadToPanel(dim)] by
// (r - mean) / sqrt(variance + epsilon) * weight + bias (Ba et al.,
// arXiv:1607.06450). `weight`, `bias` [PadToPanel(dim)], padded with zeros.
// Each row by itself.
void LayerNorm(float* x, size_t rows, size_t dim, const float* weight,
               const float* bias, float epsilon,
               Arithmetic arithmetic = Arithmetic::kFast);

// Replaces each row r of `x` [rows, PadToPanel(dim)] by
// r / sqrt(mean of r^2 + epsilon) * weight (Zhang and Sennrich,
// arXiv:1910.07467). `weight` [PadToPanel(dim)], padded with zeros.
void RmsNorm(float* x, size_t rows, size_t dim, const float* weight,
             float epsilon, Arithmetic arithmetic = Arithmetic::kFast);

// What the gate of a gated linear unit goes through (Shazeer,
// arXiv:2002.05202).
enum class GateKind {
  kGelu,      // Exact form, with erf.
  kGeluTanh,  // x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
  kSilu,      // x / (1 + e^-x)
};

// Writes gate(x[i]) * x[n + i] of each row of `x` [rows, PadToPanel(2 * n)] to
// `y` [rows, PadToPanel(n)], padded with zeros.
void Gate(GateKind kind, const float* x, size_t rows, size_t n, float* y,
          Arithmetic arithmetic = Arithmetic::kFast);

// Shape of multi-head attention.
struct AttentionShape {
  size_t heads = 1;
  size_t head_dim = 1;
  // Divides `heads`: as many heads in a row share keys and values. 0: all have
  // their own.
  size_t key_value_heads = 0;

  size_t dim() const { return heads * head_dim; }
  size_t keys() const { return key_value_heads == 0 ? heads : key_value_heads; }
  // Values of a row of queries, keys and values.
  size_t row() const { return (heads + 2 * keys()) * head_dim; }
};

// What a token sees, and how much of it.
struct AttentionMask {
  bool causal = false;  // Itself and what is before it.
  size_t reach = 0;     // Tokens at most this far away; 0: all.
  // [heads] subtracted from the score once per token of distance (ALiBi, Press
  // et al., arXiv:2108.12409), or null.
  const float* slopes = nullptr;

  bool hides_nothing() const {
    return !causal && reach == 0 && slopes == nullptr;
  }
};

// Memory for Attention(), reused between calls. Single-threaded.
struct AttentionScratch {
  struct OfShare {  // Of the heads that one thread computes.
    std::vector<float> keys, values, scores;
  };
  std::vector<OfShare> shares;
};

// Attention within one text (Vaswani et al., arXiv:1706.03762; shared keys:
// Ainslie et al., arXiv:2305.13245): for each head, softmax(q k^T /
// sqrt(head_dim)) v. Rows of `qkv` [tokens, PadToPanel(shape.row())] hold the
// queries of all heads, then keys, then values, each [heads or keys, head_dim].
// `y` [tokens, PadToPanel(dim)] gets the heads side by side; its padding is not
// written.
void Attention(const float* qkv, size_t tokens, const AttentionShape& shape,
               const AttentionMask& mask, AttentionScratch* scratch, float* y,
               const Compute& compute = {});

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_TRANSFORMER_H_
