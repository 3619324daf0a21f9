#ifndef CORKSCREW_EMBED_CONVERT_MODEL_H_
#define CORKSCREW_EMBED_CONVERT_MODEL_H_

// Models from one form into another: a GGUF file, a `.mll` file or package, or
// a folder of Hugging Face -> a GGUF or a sealed `.mll` file.

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "embed/gguf.h"

namespace corkscrew {

enum class ModelContainer { kGguf, kMll };

struct ConvertOptions {
  ModelContainer container = ModelContainer::kGguf;
  // The type of the matrices; unset: as they are. Vectors, positions and token
  // types are F32 then. A matrix whose rows are no multiple of the type's
  // blocks becomes F16.
  std::optional<GgmlType> type = std::nullopt;
};

// Returns the bytes of the file that the model at `path` becomes. That they are
// a model is for the caller to see: LoadEmbedderFromBytes(). Without a type the
// space is that of the source.
//   NotFound         no such file or folder, or a part of it
//   InvalidArgument  malformed: names the file and the part
//   Unimplemented    an encoder of manta into GGUF, or with a type; what
//                    ConvertHuggingFace() does not have
absl::StatusOr<std::string> ConvertModel(absl::string_view path,
                                         const ConvertOptions& options);

// The same for the values and tensors of `file`.
absl::StatusOr<std::string> ConvertGguf(const GgufFile& file,
                                        const ConvertOptions& options);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_CONVERT_MODEL_H_
