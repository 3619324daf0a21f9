#include "embed/model_formats.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/gguf_in_mll.h"
#include "embed/manta_embedder.h"
#include "embed/mll_file.h"
#include "embed/model_embedder.h"

namespace corkscrew {
namespace {

using EmbedderOr = absl::StatusOr<std::shared_ptr<const Embedder>>;

EmbedderOr LoadGguf(std::string bytes, absl::string_view name,
                    const EmbedderOptions& options) {
  CORKSCREW_ASSIGN_OR_RETURN(const auto file,
                             GgufFile::Parse(std::move(bytes), name));
  return ModelEmbedder::Create(*file, options);
}

EmbedderOr LoadMll(std::string bytes, absl::string_view name,
                   const EmbedderOptions& options) {
  CORKSCREW_ASSIGN_OR_RETURN(std::shared_ptr<const MllFile> file,
                             MllFile::Parse(std::move(bytes), name));
  if (!HoldsGguf(*file)) return MantaEmbedder::Create(*file, options);
  CORKSCREW_ASSIGN_OR_RETURN(const auto gguf, GgufOfMll(*file));
  file.reset();  // Two copies of the tensors are enough.
  return ModelEmbedder::Create(*gguf, options);
}

struct Registered {
  Mutex mutex;
  std::vector<ModelFormat> formats ABSL_GUARDED_BY(mutex);
};

Registered& TheRegistered() {
  static auto* const registered = new Registered;  // Lives with the process.
  return *registered;
}

bool IsSuffix(absl::string_view suffix) {
  if (suffix.size() < 2 || suffix.size() > 32 || suffix[0] != '.') return false;
  for (const char c : suffix.substr(1)) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

// Those that need no call.
std::vector<ModelFormat> OwnFormats() {
  std::vector<ModelFormat> formats;
  formats.push_back({.name = "GGUF",
                     .suffix = ".gguf",
                     .matches =
                         [](absl::string_view head) {
                           return absl::StartsWith(head, "GGUF");
                         },
                     .load = LoadGguf});
  formats.push_back({.name = ".mll",
                     .suffix = ".mll",
                     .matches =
                         [](absl::string_view head) {
                           return absl::StartsWith(
                               head, absl::string_view("MLL\0", 4));
                         },
                     .load = LoadMll});
  return formats;
}

}  // namespace

std::vector<ModelFormat> ModelFormats() {
  std::vector<ModelFormat> formats = OwnFormats();
  Registered& registered = TheRegistered();
  const MutexLock lock(&registered.mutex);
  formats.insert(formats.end(), registered.formats.begin(),
                 registered.formats.end());
  return formats;
}

absl::string_view ForeignModelFormat(absl::string_view head) {
  if (absl::StartsWith(head, "PK\x03\x04")) return "PyTorch or other zip";
  if (absl::StartsWith(head, "lmgg") || absl::StartsWith(head, "tjgg")) {
    return "GGML before GGUF";
  }
  // An 8-byte length, then a JSON object.
  if (head.size() >= 10 && head.substr(8, 2) == "{\"") return "safetensors";
  return "";
}

absl::Status RegisterModelFormat(ModelFormat format) {
  if (format.name.empty() || !format.matches || !format.load ||
      !IsSuffix(format.suffix)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model format \"", absl::CHexEscape(format.name), "\" with suffix \"",
        absl::CHexEscape(format.suffix),
        "\": want a name, both functions, and a suffix of '.' and letters and "
        "digits"));
  }
  Registered& registered = TheRegistered();
  const MutexLock lock(&registered.mutex);
  std::vector<ModelFormat> known = OwnFormats();
  known.insert(known.end(), registered.formats.begin(),
               registered.formats.end());
  for (const ModelFormat& other : known) {
    if (other.name == format.name || other.suffix == format.suffix) {
      return absl::AlreadyExistsError(
          absl::StrCat("model format \"", format.name, "\" with suffix \"",
                       format.suffix, "\": there is \"", other.name,
                       "\" with suffix \"", other.suffix, "\""));
    }
  }
  registered.formats.push_back(std::move(format));
  return absl::OkStatus();
}

}  // namespace corkscrew
