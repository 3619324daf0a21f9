#ifndef CORKSCREW_EMBED_GGML_TYPES_H_
#define CORKSCREW_EMBED_GGML_TYPES_H_

// Sizes and values of ggml's block-quantized types (ggml, ggml-quants.c).

#include <cstddef>
#include <string>

#include "embed/gguf.h"

namespace corkscrew {

// Values per block and bytes per block; {0, 0} for an unknown type.
struct GgmlBlock {
  size_t values = 0;
  size_t bytes = 0;
};
GgmlBlock BlockOf(GgmlType type);

// The usual name ("Q8_0"), or "type N" for an unknown type.
std::string NameOf(GgmlType type);

// True if DequantizeRow() knows the type.
bool CanDequantize(GgmlType type);

// Writes the `n` values of `row` to `out` [n]. `n` is a multiple of the block's
// values, `row` has n / values * bytes bytes, CanDequantize(type).
void DequantizeRow(GgmlType type, const char* row, size_t n, float* out);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_GGML_TYPES_H_
