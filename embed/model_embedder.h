#ifndef CORKSCREW_EMBED_MODEL_EMBEDDER_H_
#define CORKSCREW_EMBED_MODEL_EMBEDDER_H_

// Text -> vector with an encoder and a tokenizer from one GGUF file.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/embedder.h"
#include "corkscrew/query_memory.h"
#include "embed/architecture_set.h"
#include "embed/encoder.h"
#include "embed/gguf.h"
#include "embed/query_cache.h"
#include "embed/text_groups.h"
#include "embed/tokenizer.h"
#include "embed/vector_cut.h"

namespace corkscrew {

// Immutable but for what it remembers of queries. Thread-safe. Texts of a call
// are spread over threads in groups; of a single group, long enough, the layers
// are. A call with few short texts stays on the calling thread.
class ModelEmbedder : public Embedder, public QueryMemory {
 public:
  // Copies what it needs of `file`, whose general.architecture is one of those
  // in embed/arch/.
  // All callers together are helped by at most `threads` - 1 more threads; 0
  // takes what `options` says.
  //   InvalidArgument  a key or tensor missing or malformed, options out of
  //                    range
  //   Unimplemented    another architecture, tokenizer, pooling or tensor type
  static absl::StatusOr<std::shared_ptr<const ModelEmbedder>> Create(
      const GgufFile& file, const EmbedderOptions& options, size_t threads = 0);

  size_t dim() const override { return parts_.cut.dim(); }
  const std::string& space() const override { return parts_.space; }
  size_t max_tokens() const override { return parts_.max_tokens; }
  absl::StatusOr<Embeddings> Embed(absl::Span<const absl::string_view> texts,
                                   TextKind kind) const override;
  size_t query_memory_bytes() const override { return queries_.bytes(); }

  const Tokenizer& tokenizer() const { return *parts_.tokenizer; }
  // What is put in front of a text of this kind.
  const std::string& prompt(TextKind kind) const {
    return kind == TextKind::kQuery ? parts_.query_prompt
                                    : parts_.document_prompt;
  }
  // What about the file makes its vectors other than those of the model that it
  // names. Whole sentences.
  absl::Span<const std::string> warnings() const { return parts_.warnings; }

  // The unit vectors [texts, dim] of texts given as ids, special tokens
  // included: up to max_tokens() ids each, within the vocabulary. No ids, as an
  // empty text has for models without special tokens, are the zero vector.
  //   InvalidArgument  numbers overflow on the way: the weights are unusable
  absl::StatusOr<std::vector<float>> EmbedTokens(
      absl::Span<const absl::Span<const int32_t>> texts) const;

 private:
  struct Parts {
    std::string name;  // Of the file.
    std::shared_ptr<const ArchitectureSet> architectures;
    Encoder encoder;
    std::unique_ptr<const Tokenizer> tokenizer;
    VectorCut cut;
    std::string query_prompt, document_prompt;
    std::string space;
    size_t max_tokens = 0;
    std::vector<std::string> warnings;
  };
  ModelEmbedder(Parts parts, const EmbedderOptions& options);

  // Embeds texts of which no vector is known.
  absl::StatusOr<Embeddings> EmbedNew(absl::Span<const absl::string_view> texts,
                                      TextKind kind) const;

  const Parts parts_;
  const TextGroups groups_;
  mutable QueryCache queries_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MODEL_EMBEDDER_H_
