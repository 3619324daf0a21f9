#ifndef CORKSCREW_EMBED_MODEL_FORMATS_H_
#define CORKSCREW_EMBED_MODEL_FORMATS_H_

// The formats of model files: GGUF, .mll, and those that were registered.

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "corkscrew/embedder.h"

namespace corkscrew {

// What a format is recognized by.
inline constexpr size_t kModelHeadBytes = 4096;

// All formats in the order in which they are asked.
std::vector<ModelFormat> ModelFormats();

// The name of a model format that is known but not supported, or empty.
absl::string_view ForeignModelFormat(absl::string_view head);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MODEL_FORMATS_H_
