#ifndef CORKSCREW_EMBED_MLL_PACKAGE_H_
#define CORKSCREW_EMBED_MLL_PACKAGE_H_

// `.mll` models that lie in several files side by side: m.mll with the graph,
// m.embedding.mll, m.tokenizer.mll and m.weights.mll.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/model_package.h"

namespace corkscrew {

// The bytes of one sealed file with the same model. `name` stands for the
// package in errors.
//   InvalidArgument, Unimplemented  malformed: names the file and the part
absl::StatusOr<std::string> SealPackage(const ModelPackage& package,
                                        absl::string_view name);

// Reads the model file `path`. If it is the first file of a package, with its
// siblings beside it, the bytes are those of the sealed file.
//   errors of ReadModelFile() and SealPackage()
absl::StatusOr<std::string> ReadModelOrPackage(absl::string_view path);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MLL_PACKAGE_H_
