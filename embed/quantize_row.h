#ifndef CORKSCREW_EMBED_QUANTIZE_ROW_H_
#define CORKSCREW_EMBED_QUANTIZE_ROW_H_

// Floats to ggml's types: what its reference code writes, bit for bit (ggml,
// ggml-quants.c, quantize_row_*_ref).

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "embed/gguf.h"

namespace corkscrew {

// True of F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1.
bool CanQuantize(GgmlType type);

// The type called `name` in lower case ("q8_0") among those.
//   InvalidArgument  another; names those there are
absl::StatusOr<GgmlType> QuantizedTypeCalled(absl::string_view name);

// Appends `n` values, finite and a multiple of the block's, to `out`.
void QuantizeRow(GgmlType type, const float* values, size_t n,
                 std::string* out);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_QUANTIZE_ROW_H_
