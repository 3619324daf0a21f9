#ifndef CORKSCREW_MODEL_PACKAGE_H_
#define CORKSCREW_MODEL_PACKAGE_H_

// `.mll` models in several files, from memory. LoadEmbedder() loads such a
// model by the path of its first file, LoadEmbedderFromBytes() one that is
// sealed in one file.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/embedder.h"

namespace corkscrew {

// The files of a package, each whole.
struct ModelPackage {
  std::string graph = {};      // m.mll
  std::string embedding = {};  // m.embedding.mll
  std::string tokenizer = {};  // m.tokenizer.mll
  std::string weights = {};    // m.weights.mll
};

// Loads the model that lies in the files of `package`; its space is that of the
// sealed file with the same model. `name` stands for the package in errors.
//   InvalidArgument, Unimplemented  malformed: names the file and the part
//   or an error of LoadEmbedder()
absl::StatusOr<std::shared_ptr<const Embedder>> LoadEmbedderFromPackage(
    const ModelPackage& package, absl::string_view name,
    const EmbedderOptions& options = {});

}  // namespace corkscrew

#endif  // CORKSCREW_MODEL_PACKAGE_H_
