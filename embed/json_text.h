#ifndef CORKSCREW_EMBED_JSON_TEXT_H_
#define CORKSCREW_EMBED_JSON_TEXT_H_

// JSON of model files. The text is untrusted.

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace corkscrew {

// Deeper than any model nests; copying and writing a value take stack for each
// level.
inline constexpr int kMaxJsonDepth = 64;

// The value of `text`; is_discarded() if it is malformed or nested deeper than
// kMaxJsonDepth.
nlohmann::json ParseJson(absl::string_view text);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_JSON_TEXT_H_
