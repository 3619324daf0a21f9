#ifndef CORKSCREW_EMBED_TRANSFORMER_H_
#define CORKSCREW_EMBED_TRANSFORMER_H_

// The parts of a transformer block between its linear layers. Each call runs
// the best instruction set of this CPU; results agree between instruction sets
// to rounding error. Rows are padded with zeros, see embed/tile.h.

#include <cstddef>
#include <vector>

namespace corkscrew {

// Replaces each row r of `x` [rows, PadToPanel(dim)] by
// (r - mean) / sqrt(variance + epsilon) * weight + bias (Ba et al.,
// arXiv:1607.06450). `weight`, `bias` [PadToPanel(dim)], padded with zeros.
// Each row by itself.
void LayerNorm(float* x, size_t rows, size_t dim, const float* weight,
               const float* bias, float epsilon);

// Shape of multi-head attention.
struct AttentionShape {
  size_t heads = 1;
  size_t head_dim = 1;
  size_t dim() const { return heads * head_dim; }
};

// Memory for Attention(), reused between calls. Single-threaded.
struct AttentionScratch {
  std::vector<float> keys, values, scores;
};

// Bidirectional attention within one text (Vaswani et al., arXiv:1706.03762):
// for each head, softmax(q k^T / sqrt(head_dim)) v. Rows of `qkv`
// [tokens, PadToPanel(3 * dim)] hold queries, keys, values of all heads, each
// [heads, head_dim]. `y` [tokens, PadToPanel(dim)] gets the heads side by
// side; its padding is not written.
void Attention(const float* qkv, size_t tokens, const AttentionShape& shape,
               AttentionScratch* scratch, float* y);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_TRANSFORMER_H_
