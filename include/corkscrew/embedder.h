#ifndef CORKSCREW_EMBEDDER_H_
#define CORKSCREW_EMBEDDER_H_

// Text -> vector. The interface that the database uses, and the local models
// behind it.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace corkscrew {

// What a text is used for. Some models put another prompt before each.
enum class TextKind {
  kDocument,  // Text to be stored and found.
  kQuery,     // Text to search with.
};

// What the tokenizer made of one text.
struct TokenizedText {
  std::vector<int32_t> tokens = {};  // Ids fed to the model, specials included.
  bool truncated = false;            // The text was longer than max_tokens().
};

struct Embeddings {
  std::vector<float> vectors = {};        // [texts, dim], row-major.
  std::vector<TokenizedText> texts = {};  // [texts]
};

// Turns text into vectors. Immutable. Thread-safe.
class Embedder {
 public:
  virtual ~Embedder() = default;

  // Coordinates per vector, 1..kMaxDim.
  virtual size_t dim() const = 0;

  // Fingerprint of the logical content of the model: 64 hexadecimal digits.
  // Vectors of two embedders are comparable if and only if these are equal.
  virtual const std::string& space() const = 0;

  // Most tokens of one text, special tokens included. Longer texts are cut and
  // reported as truncated.
  virtual size_t max_tokens() const = 0;

  // Returns the vectors of `texts` (unit length unless the model says
  // otherwise). An empty text is legal and gives the model's vector for it.
  // The same text gives the same bytes whatever else is in `texts`.
  //   InvalidArgument  a text is not valid UTF-8; names its index
  virtual absl::StatusOr<Embeddings> Embed(
      absl::Span<const absl::string_view> texts, TextKind kind) const = 0;
};

struct EmbedderOptions {
  // Most tokens per text. 0 takes the model file's limit; a larger value than
  // the file's is InvalidArgument. Part of the space: another limit is another
  // space.
  size_t max_tokens = 0;

  // Coordinates kept of each vector: the first ones, scaled to unit length
  // again, of models trained for it (Matryoshka). 0 keeps all; more than the
  // model has is InvalidArgument. Part of the space.
  size_t dim = 0;

  // What is put before each text of a kind, in place of what is known of the
  // model by its name. Unset: that; empty: nothing. Part of the space.
  std::optional<std::string> query_prompt = std::nullopt;
  std::optional<std::string> document_prompt = std::nullopt;

  // Directories whose files NAME.arch.toml describe architectures
  // (docs/embedding.md). They come before those compiled in; of two files about
  // one architecture, that of the earlier directory counts.
  std::vector<std::string> architecture_directories = {};

  // All callers of the embedder together use at most this many threads more
  // than their own, less one. 0: one per core. Never changes a vector.
  size_t threads = 0;

  // Sums of float32 in one fixed order and activations that are not rounded:
  // the vectors are the same bytes on every CPU, and closer to those of the
  // model's authors; several times slower. The space is the same: vectors of
  // both modes are comparable, but the same text has other last digits.
  bool exact = false;

  // Memory for the vectors of the latest queries, which are then not computed
  // again. 0: none.
  size_t query_cache_bytes = size_t{4} << 20;
};

// Loads the model file `path`; the format is detected from its content.
// The file may be replaced or removed afterwards.
//   NotFound            no such file
//   InvalidArgument     not a model, or malformed: names the offending part; an
//                       option out of range; a malformed .arch.toml: names the
//                       file and the line
//   Unimplemented       a format, architecture or tensor type not supported
absl::StatusOr<std::shared_ptr<const Embedder>> LoadEmbedder(
    absl::string_view path, const EmbedderOptions& options = {});

// The same from the bytes of a file, which may be part of the program. `name`
// stands for the file in errors.
absl::StatusOr<std::shared_ptr<const Embedder>> LoadEmbedderFromBytes(
    std::string bytes, absl::string_view name,
    const EmbedderOptions& options = {});

// A format of model files that others add. Functions are called from several
// threads at once.
struct ModelFormat {
  std::string name = {};    // "ONNX"; for people.
  std::string suffix = {};  // ".onnx": of its files in directories of models.
  // Whether `head`, the first bytes of a file (at most 4096), is of the format.
  std::function<bool(absl::string_view head)> matches = nullptr;
  // Makes an embedder of the bytes of a file; `name` is for errors.
  std::function<absl::StatusOr<std::shared_ptr<const Embedder>>(
      std::string bytes, absl::string_view name,
      const EmbedderOptions& options)>
      load = nullptr;
};

// Adds a format for the whole process: LoadEmbedder(), ModelDirectories() and
// DiscoverModels() know it from then on. GGUF and .mll come first and need no
// such call.
//   InvalidArgument  no name, no function, or a suffix that is not a '.'
//                    followed by letters and digits
//   AlreadyExists    a format of this name or suffix is there
absl::Status RegisterModelFormat(ModelFormat format);

// Finds embedders by the name that a collection was created with. Thread-safe.
class EmbedderRegistry {
 public:
  virtual ~EmbedderRegistry() = default;

  // Returns the embedder called `model`, loading it if needed.
  //   NotFound  no model of that name; says where it looked
  //   or an error of LoadEmbedder()
  virtual absl::StatusOr<std::shared_ptr<const Embedder>> Find(
      absl::string_view model) const = 0;
};

// A registry of embedders that the caller made. Thread-compatible: add first,
// then share.
class EmbedderMap : public EmbedderRegistry {
 public:
  // Replaces an embedder of the same name.
  void Add(std::string model, std::shared_ptr<const Embedder> embedder) {
    embedders_[std::move(model)] = std::move(embedder);
  }
  absl::StatusOr<std::shared_ptr<const Embedder>> Find(
      absl::string_view model) const override {
    const auto found = embedders_.find(std::string(model));
    if (found != embedders_.end()) return found->second;
    return absl::NotFoundError(
        absl::StrCat("model \"", model, "\": not among the ", embedders_.size(),
                     " embedders given to the database"));
  }

 private:
  std::map<std::string, std::shared_ptr<const Embedder>> embedders_;
};

// Returns a registry over model files: a model is named by its file name
// without suffix ("corkscrew-default-1"), looked for in `directories` in order.
// Names that contain '/' or start with '.' are InvalidArgument: a name is never
// a path. Loads on first use, once per name.
std::shared_ptr<const EmbedderRegistry> ModelDirectories(
    std::vector<std::string> directories, const EmbedderOptions& options = {});

// A file that looks like a model.
struct DiscoveredModel {
  std::string name = {};  // What a collection or ModelDirectories() calls it.
  std::string path = {};
  std::string format = {};  // "GGUF", ".mll", or of a ModelFormat.
  uint64_t bytes = 0;
  // A file of the same name comes before it: the name means that one.
  bool shadowed = false;
};

// Lists the model files in `directories`, in the order in which
// ModelDirectories() looks, ascending by name within each. Looks at the first
// bytes of each file with the suffix of a known format; not into folders, and
// never through a link that leads out of its directory. A directory that does
// not exist has none.
//   PermissionDenied   a directory can not be read
//   ResourceExhausted  a directory with more than 10,000 entries
absl::StatusOr<std::vector<DiscoveredModel>> DiscoverModels(
    absl::Span<const std::string> directories);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBEDDER_H_
