#ifndef CORKSCREW_EMBED_BERT_EMBEDDER_H_
#define CORKSCREW_EMBED_BERT_EMBEDDER_H_

// Text -> vector with a BERT encoder and a WordPiece tokenizer from one GGUF
// file.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/embedder.h"
#include "embed/bert.h"
#include "embed/gguf.h"
#include "embed/wordpiece.h"

namespace corkscrew {

// Immutable. Thread-safe. Texts of a call are spread over threads in groups;
// a call with one text, or with few short ones, stays on the calling thread.
class BertEmbedder : public Embedder {
 public:
  // Copies what it needs of `file`, whose general.architecture is "bert".
  // All callers together are helped by at most `threads` - 1 more threads; 0
  // takes one per core.
  //   InvalidArgument  a key or tensor missing or malformed, options out of
  //                    range
  //   Unimplemented    another tokenizer, pooling or tensor type
  static absl::StatusOr<std::shared_ptr<const BertEmbedder>> Create(
      const GgufFile& file, const EmbedderOptions& options, size_t threads = 0);

  size_t dim() const override { return encoder_.dim(); }
  const std::string& space() const override { return space_; }
  size_t max_tokens() const override { return max_tokens_; }
  absl::StatusOr<Embeddings> Embed(absl::Span<const absl::string_view> texts,
                                   TextKind kind) const override;

  // The unit vectors [texts, dim] of texts given as ids, special tokens
  // included: 1..max_tokens() ids each, within the vocabulary.
  //   InvalidArgument  numbers overflow on the way: the weights are unusable
  absl::StatusOr<std::vector<float>> EmbedTokens(
      absl::Span<const absl::Span<const int32_t>> texts) const;

 private:
  BertEmbedder(std::string name, BertEncoder encoder,
               std::unique_ptr<const WordPieceTokenizer> tokenizer,
               std::string space, size_t max_tokens, size_t threads);

  void EncodeAll(absl::Span<const absl::Span<const int32_t>> texts,
                 float* out) const;

  const std::string name_;  // Of the file.
  const BertEncoder encoder_;
  const std::unique_ptr<const WordPieceTokenizer> tokenizer_;
  const std::string space_;
  const size_t max_tokens_;
  const size_t threads_;
  mutable std::atomic<size_t> helpers_ = 0;  // Threads that now help callers.
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_BERT_EMBEDDER_H_
