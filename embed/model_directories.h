#ifndef CORKSCREW_EMBED_MODEL_DIRECTORIES_H_
#define CORKSCREW_EMBED_MODEL_DIRECTORIES_H_

// What ModelDirectories() of corkscrew/embedder.h does, with the loader given.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/embedder.h"

namespace corkscrew {

// Returns the embedder in the file `path`. Called from several threads at once
// for different paths.
using EmbedderLoader =
    std::function<absl::StatusOr<std::shared_ptr<const Embedder>>(
        absl::string_view path)>;

// Looks for NAME.gguf, NAME.mll, or NAME with the suffix of another format, in
// `directories` in order (empty ones are passed over)
// and loads the first. One load per name at a time: others who ask for the name
// meanwhile wait for it and get the same answer. Only embedders are kept, so an
// error is tried again by the next call.
std::shared_ptr<const EmbedderRegistry> ModelDirectoriesWithLoader(
    std::vector<std::string> directories, EmbedderLoader loader);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MODEL_DIRECTORIES_H_
