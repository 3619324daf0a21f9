#ifndef CORKSCREW_EMBED_PROMPTS_H_
#define CORKSCREW_EMBED_PROMPTS_H_

// What some models want in front of a text, by their name: files do not say.

#include "absl/strings/string_view.h"
#include "embed/gguf.h"

namespace corkscrew {

struct Prompts {
  absl::string_view query;
  absl::string_view document;
};

// The prompts of the model that `file` names in general.basename or
// general.name; empty ones for a model that is not in the table.
Prompts PromptsOf(const GgufFile& file);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_PROMPTS_H_
