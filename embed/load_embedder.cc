// Finds out what a model file is and makes the embedder for it.

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "embed/mll_package.h"
#include "embed/model_formats.h"

namespace corkscrew {

absl::StatusOr<std::shared_ptr<const Embedder>> LoadEmbedderFromBytes(
    std::string bytes, absl::string_view name, const EmbedderOptions& options) {
  const absl::string_view head =
      absl::string_view(bytes).substr(0, kModelHeadBytes);
  if (const absl::string_view format = ForeignModelFormat(head);
      !format.empty()) {
    return absl::UnimplementedError(
        absl::StrCat(name, ": is a model of format ", format,
                     ", supported are GGUF and .mll files of embedding models; "
                     "`corkscrew model convert` makes one of a folder with "
                     "safetensors"));
  }
  for (const ModelFormat& format : ModelFormats()) {
    if (!format.matches(head)) continue;
    return format.load(std::move(bytes), name, options);
  }
  // What is wrong is said by the reader of the most usual format.
  return ModelFormats().front().load(std::move(bytes), name, options);
}

absl::StatusOr<std::shared_ptr<const Embedder>> LoadEmbedder(
    absl::string_view path, const EmbedderOptions& options) {
  CORKSCREW_ASSIGN_OR_RETURN(std::string bytes, ReadModelOrPackage(path));
  return LoadEmbedderFromBytes(std::move(bytes), path, options);
}

}  // namespace corkscrew
