#ifndef CORKSCREW_EMBED_GGUF_IN_MLL_H_
#define CORKSCREW_EMBED_GGUF_IN_MLL_H_

// The content of a GGUF file in a sealed `.mll` file: the same values and the
// same blocks, so the same space. docs/embedding.md, section 4, has the layout.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "embed/gguf.h"
#include "embed/mll_file.h"

namespace corkscrew {

// Whether `file` holds what SealGguf() writes.
bool HoldsGguf(const MllFile& file);

// The bytes of a sealed `.mll` file with the values and tensors of `file`.
std::string SealGguf(const GgufFile& file);

// What SealGguf() sealed, with its values in order of their keys. Copies.
//   InvalidArgument, Unimplemented  malformed; names the file and what
absl::StatusOr<std::shared_ptr<const GgufFile>> GgufOfMll(const MllFile& file);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_GGUF_IN_MLL_H_
