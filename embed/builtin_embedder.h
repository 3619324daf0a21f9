#ifndef CORKSCREW_EMBED_BUILTIN_EMBEDDER_H_
#define CORKSCREW_EMBED_BUILTIN_EMBEDDER_H_

// The hashing embedder of the first CorkScrewDB (v0.1.1): words and pairs of
// words, hashed to 384 coordinates. It knows nothing of meaning; databases of
// that version have its vectors, and tests need no model file.

#include <memory>

#include "absl/strings/string_view.h"
#include "corkscrew/embedder.h"

namespace corkscrew {

// The name under which every registry of model files has it.
inline constexpr absl::string_view kBuiltinModel = "builtin-deterministic-v1";

// Always the same embedder. A text without letters and digits has the zero
// vector. Texts have no token ids and are never cut.
std::shared_ptr<const Embedder> BuiltinEmbedder();

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_BUILTIN_EMBEDDER_H_
