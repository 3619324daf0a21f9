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
#include "corkscrew/query_memory.h"
#include "embed/manta_model.h"
#include "embed/manta_tokenizer.h"
#include "embed/mll_file.h"
#include "embed/query_cache.h"
#include "embed/text_groups.h"

namespace corkscrew {

// Immutable but for what it remembers of queries. Thread-safe. Vectors are
// means of unit vectors and so shorter than 1.
class MantaEmbedder : public Embedder, public QueryMemory {
 public:
  // Copies what it needs of `file`. `spaces` decides what files do not say;
  // the usual rule is that models with packed weights drop them.
  //   InvalidArgument  something missing or malformed, options out of range
  //   Unimplemented    a model that is not a sealed encoder
  static absl::StatusOr<std::shared_ptr<const MantaEmbedder>> Create(
      const MllFile& file, const EmbedderOptions& options);
  static absl::StatusOr<std::shared_ptr<const MantaEmbedder>> Create(
      const MllFile& file, const EmbedderOptions& options, MantaSpaces spaces);

  size_t dim() const override { return parts_.encoder.dim(); }
  const std::string& space() const override { return parts_.space; }
  size_t max_tokens() const override { return parts_.max_tokens; }
  absl::StatusOr<Embeddings> Embed(absl::Span<const absl::string_view> texts,
                                   TextKind kind) const override;
  size_t query_memory_bytes() const override { return queries_.bytes(); }

  const MantaTokenizer& tokenizer() const { return *parts_.tokenizer; }

 private:
  struct Parts {
    std::string name;  // Of the file.
    MantaEncoder encoder;
    std::unique_ptr<const MantaTokenizer> tokenizer;
    std::string space;
    size_t max_tokens = 0;
    std::array<std::string, 2> prompts;  // Before queries, documents.
  };
  MantaEmbedder(Parts parts, const EmbedderOptions& options)
      : parts_(std::move(parts)),
        groups_(options),
        queries_(options.query_cache_bytes) {}

  // Embeds texts of which no vector is known.
  absl::StatusOr<Embeddings> EmbedNew(absl::Span<const absl::string_view> texts,
                                      const std::string& prompt) const;

  const Parts parts_;
  const TextGroups groups_;
  mutable QueryCache queries_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MANTA_EMBEDDER_H_
