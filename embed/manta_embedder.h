#ifndef CORKSCREW_EMBED_MANTA_EMBEDDER_H_
#define CORKSCREW_EMBED_MANTA_EMBEDDER_H_

// Text -> vector with a sealed `.mll` embedding model.

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/embedder.h"
#include "embed/manta_model.h"
#include "embed/manta_tokenizer.h"
#include "embed/mll_file.h"

namespace corkscrew {

// Immutable. Thread-safe. Vectors are means of unit vectors and so shorter than
// 1.
class MantaEmbedder : public Embedder {
 public:
  // Copies what it needs of `file`. `spaces` decides what files do not say;
  // the usual rule is that models with packed weights drop them.
  //   InvalidArgument  something missing or malformed, options out of range
  //   Unimplemented    a model that is not a sealed encoder
  static absl::StatusOr<std::shared_ptr<const MantaEmbedder>> Create(
      const MllFile& file, const EmbedderOptions& options);
  static absl::StatusOr<std::shared_ptr<const MantaEmbedder>> Create(
      const MllFile& file, const EmbedderOptions& options, MantaSpaces spaces);

  size_t dim() const override { return encoder_.dim(); }
  const std::string& space() const override { return space_; }
  size_t max_tokens() const override { return max_tokens_; }
  absl::StatusOr<Embeddings> Embed(absl::Span<const absl::string_view> texts,
                                   TextKind kind) const override;

  const MantaTokenizer& tokenizer() const { return *tokenizer_; }

 private:
  MantaEmbedder(std::string name, MantaEncoder encoder,
                std::unique_ptr<const MantaTokenizer> tokenizer,
                std::string space, size_t max_tokens,
                std::array<std::string, 2> prompts)
      : name_(std::move(name)),
        encoder_(std::move(encoder)),
        tokenizer_(std::move(tokenizer)),
        space_(std::move(space)),
        max_tokens_(max_tokens),
        prompts_(std::move(prompts)) {}

  const std::string name_;  // Of the file.
  const MantaEncoder encoder_;
  const std::unique_ptr<const MantaTokenizer> tokenizer_;
  const std::string space_;
  const size_t max_tokens_;
  const std::array<std::string, 2> prompts_;  // Before queries, documents.
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MANTA_EMBEDDER_H_
