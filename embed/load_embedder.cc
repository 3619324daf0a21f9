// Finds out what a model file is and makes the embedder for it.

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <ios>
#include <memory>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/model_embedder.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kSupported =
    "supported are GGUF files of embedding models";

// The name of a model format that is known but not supported, or empty.
absl::string_view ForeignFormat(absl::string_view head) {
  if (absl::StartsWith(head, absl::string_view("MLL\0", 4))) return "MLL";
  if (absl::StartsWith(head, "PK\x03\x04")) return "PyTorch or other zip";
  if (absl::StartsWith(head, "lmgg") || absl::StartsWith(head, "tjgg")) {
    return "GGML before GGUF";
  }
  // An 8-byte length, then a JSON object.
  if (head.size() >= 10 && head.substr(8, 2) == "{\"") return "safetensors";
  return "";
}

// The first bytes of a regular file; empty if it can not be read, which
// GgufFile::Open() will report.
std::string ReadHead(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return "";
  std::ifstream file(path, std::ios::binary);
  std::string head(16, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(file.gcount()));
  return head;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Embedder>> LoadEmbedder(
    absl::string_view path, const EmbedderOptions& options) {
  const std::string head = ReadHead(std::string(path));
  if (const absl::string_view format = ForeignFormat(head); !format.empty()) {
    return absl::UnimplementedError(absl::StrCat(
        path, ": is a model of format ", format, ", ", kSupported));
  }
  CORKSCREW_ASSIGN_OR_RETURN(const auto file, GgufFile::Open(path));
  return ModelEmbedder::Create(*file, options);
}

}  // namespace corkscrew
