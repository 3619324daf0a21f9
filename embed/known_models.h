#ifndef CORKSCREW_EMBED_KNOWN_MODELS_H_
#define CORKSCREW_EMBED_KNOWN_MODELS_H_

// What files do not say about some models, by their name.

#include "absl/strings/string_view.h"
#include "embed/gguf.h"

namespace corkscrew {

struct KnownModel {
  // What the model wants in front of a text.
  absl::string_view query_prompt;
  absl::string_view document_prompt;
  // Before coordinates are left away, vectors go through a layer norm.
  bool centre_before_cut = false;
};

// What is known of the model that `file` names in general.basename or
// general.name; nothing of a model that is not in the table.
KnownModel KnownModelOf(const GgufFile& file);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_KNOWN_MODELS_H_
