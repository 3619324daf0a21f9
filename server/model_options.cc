#include "server/model_options.h"

#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"

namespace corkscrew {

EmbedderOptions ModelFlags::options() const {
  EmbedderOptions options;
  options.max_tokens = max_tokens;
  options.dim = dim;
  if (query_option != nullptr && query_option->count() > 0) {
    options.query_prompt = query_prompt;
  }
  if (document_option != nullptr && document_option->count() > 0) {
    options.document_prompt = document_prompt;
  }
  options.architecture_directories = arch_dirs;
  return options;
}

void AddModelFlags(CLI::App& verb, ModelFlags& flags) {
  verb.add_option("--arch-dir", flags.arch_dirs,
                  "Directory with .arch.toml files, which come before those "
                  "built in; may be given several times")
      ->envname("CORKSCREW_ARCH_DIR")
      ->type_name("DIR");
  verb.add_option("--max-tokens", flags.max_tokens,
                  "Most tokens per text; default: the model's limit")
      ->type_name("N");
  verb.add_option("--dim", flags.dim,
                  "Keep the first N coordinates (Matryoshka); default: all")
      ->type_name("N");
  flags.query_option =
      verb.add_option("--query-prompt", flags.query_prompt,
                      "Put before queries, in place of the model's")
          ->type_name("TEXT");
  flags.document_option =
      verb.add_option("--document-prompt", flags.document_prompt,
                      "Put before documents, in place of the model's")
          ->type_name("TEXT");
}

bool IsModelFile(absl::string_view model) {
  return absl::StrContains(model, '/') || absl::EndsWith(model, ".gguf") ||
         absl::EndsWith(model, ".mll");
}

absl::StatusOr<std::string> ModelFileOf(
    absl::string_view model, const std::vector<std::string>& directories) {
  if (IsModelFile(model)) return std::string(model);
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<DiscoveredModel> models,
                             DiscoverModels(directories));
  for (const DiscoveredModel& found : models) {
    if (found.name == model) return found.path;
  }
  return absl::NotFoundError(
      absl::StrCat("model \"", model, "\": no such file in ",
                   directories.empty() ? "any directory: none is configured"
                                       : absl::StrJoin(directories, ", ")));
}

}  // namespace corkscrew
