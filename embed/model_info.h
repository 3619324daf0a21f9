#ifndef CORKSCREW_EMBED_MODEL_INFO_H_
#define CORKSCREW_EMBED_MODEL_INFO_H_

// What a model file says about itself, and whether it is whole: for people and
// tools; embedding needs none of it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/embedder.h"

namespace corkscrew {

// The tensors of one type.
struct TensorKind {
  std::string type;
  size_t tensors = 0;
  uint64_t parameters = 0;
  uint64_t bytes = 0;
};

struct ModelInfo {
  std::string format;
  std::string architecture;
  std::string architecture_source;  // The .arch.toml; empty: not data.
  std::string name;                 // As the file names itself; may be empty.
  uint64_t bytes = 0;               // Of the file.
  uint64_t parameters = 0;
  std::vector<TensorKind> kinds;  // By type.
  size_t layers = 0;              // 0: not known.
  size_t dim = 0;
  size_t context_length = 0;
  size_t max_tokens = 0;
  std::string tokenizer;
  size_t vocabulary = 0;
  std::string pooling;
  std::string query_prompt, document_prompt;
  std::string space;
  std::string content_hash;  // Of a `.mll`, else empty.
  bool is_signed = false;
  std::vector<std::string> warnings;
};

// Describes the model in `bytes` as it is with `options`, and makes its
// embedder. `name` stands for the file in errors.
//   errors of LoadEmbedder()
absl::StatusOr<ModelInfo> DescribeModel(
    const std::string& bytes, absl::string_view name,
    const EmbedderOptions& options, std::shared_ptr<const Embedder>* embedder);

// The same for kBuiltinModel, which has no file.
ModelInfo DescribeBuiltinModel();

// The name of the architecture of the model in `bytes`, without making the
// model: nothing but the container and the names in it is looked at.
//   InvalidArgument  malformed
//   Unimplemented    neither GGUF nor .mll
absl::StatusOr<std::string> ArchitectureNameOf(const std::string& bytes,
                                               absl::string_view name);

// Checks what can be checked without running the model: the container with all
// places and digests, the signature if `public_key` [32] is not empty, and that
// all numbers of all tensors are finite.
//   DataLoss         damaged or malformed: names the part; another's signature
//   NotFound         not signed, but a key was given
//   InvalidArgument  a key, but a format without signatures
//   Unimplemented    a tensor type that can not be decoded
absl::Status CheckModel(const std::string& bytes, absl::string_view name,
                        absl::string_view public_key);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MODEL_INFO_H_
