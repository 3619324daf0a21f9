#ifndef CORKSCREW_EMBED_HUGGING_FACE_MODEL_H_
#define CORKSCREW_EMBED_HUGGING_FACE_MODEL_H_

// A folder as Hugging Face and sentence-transformers lay out a model ->
// GGUF: config.json, tokenizer.json, model.safetensors or the files that
// model.safetensors.index.json names, and if they are there modules.json, the
// pooling module and Dense modules.

#include <cstddef>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

// Reads a file of the folder by its name in it ("1_Pooling/config.json"), at
// most `most` bytes.
//   NotFound  there is none
using FolderReader = std::function<absl::StatusOr<std::string>(
    absl::string_view name, size_t most)>;

// The bytes of a GGUF file with the model that `read` reads, called `name`:
// matrices as stored (F32, F16, BF16), the rest F32. All bytes are untrusted.
//   NotFound         a file that every model has is missing
//   InvalidArgument  malformed: names the file and the part
//   Unimplemented    an architecture, a tokenizer or a module that we do not
//                    have
absl::StatusOr<std::string> ConvertHuggingFace(const FolderReader& read,
                                               absl::string_view name);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_HUGGING_FACE_MODEL_H_
