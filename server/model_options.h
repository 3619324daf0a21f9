#ifndef CORKSCREW_SERVER_MODEL_OPTIONS_H_
#define CORKSCREW_SERVER_MODEL_OPTIONS_H_

// The flags of verbs that load a model, and what a model argument means.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/embedder.h"

namespace corkscrew {

struct ModelFlags {
  std::vector<std::string> arch_dirs = {};
  size_t max_tokens = 0;
  size_t dim = 0;
  std::string query_prompt = {};
  std::string document_prompt = {};
  // Which of the two prompts were given.
  CLI::Option* query_option = nullptr;
  CLI::Option* document_option = nullptr;

  EmbedderOptions options() const;
};

// Adds --arch-dir, --max-tokens, --dim, --query-prompt, --document-prompt.
// `flags` outlives the parsing.
void AddModelFlags(CLI::App& verb, ModelFlags& flags);

// Whether `model` is a path rather than a name: it has a '/' or a suffix of a
// known format.
bool IsModelFile(absl::string_view model);

// The path of the file that `model`, a path or a name to be looked for in
// `directories`, stands for.
//   NotFound  no model of that name; says where it looked
absl::StatusOr<std::string> ModelFileOf(
    absl::string_view model, const std::vector<std::string>& directories);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_MODEL_OPTIONS_H_
