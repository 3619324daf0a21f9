// Finds out what a model file is and makes the embedder for it.

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/manta_embedder.h"
#include "embed/mll_file.h"
#include "embed/model_embedder.h"
#include "embed/model_file.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kSupported =
    "supported are GGUF and .mll files of embedding models";

// The name of a model format that is known but not supported, or empty.
absl::string_view ForeignFormat(absl::string_view bytes) {
  if (absl::StartsWith(bytes, "PK\x03\x04")) return "PyTorch or other zip";
  if (absl::StartsWith(bytes, "lmgg") || absl::StartsWith(bytes, "tjgg")) {
    return "GGML before GGUF";
  }
  // An 8-byte length, then a JSON object.
  if (bytes.size() >= 10 && bytes.substr(8, 2) == "{\"") return "safetensors";
  return "";
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Embedder>> LoadEmbedder(
    absl::string_view path, const EmbedderOptions& options) {
  CORKSCREW_ASSIGN_OR_RETURN(std::string bytes, ReadModelFile(path));
  if (const absl::string_view format = ForeignFormat(bytes); !format.empty()) {
    return absl::UnimplementedError(absl::StrCat(
        path, ": is a model of format ", format, ", ", kSupported));
  }
  if (absl::StartsWith(bytes, absl::string_view("MLL\0", 4))) {
    CORKSCREW_ASSIGN_OR_RETURN(const auto file,
                               MllFile::Parse(std::move(bytes), path));
    return MantaEmbedder::Create(*file, options);
  }
  CORKSCREW_ASSIGN_OR_RETURN(const auto file,
                             GgufFile::Parse(std::move(bytes), path));
  return ModelEmbedder::Create(*file, options);
}

}  // namespace corkscrew
