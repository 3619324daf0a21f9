#ifndef CORKSCREW_EMBED_SENTENCEPIECE_BPE_H_
#define CORKSCREW_EMBED_SENTENCEPIECE_BPE_H_

// SentencePiece BPE tokenizers (Kudo and Richardson, arXiv:1808.06226) as of
// Llama and Gemma: tokenizer.ggml.model "llama". Neighbours whose text is a
// token are merged by score; what is no token in the end becomes its bytes.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/tokenizer.h"

namespace corkscrew {

class SentencePieceBpeTokenizer : public Tokenizer {
 public:
  // As CreateTokenizer().
  static absl::StatusOr<std::unique_ptr<const SentencePieceBpeTokenizer>>
  Create(const GgufFile& file, TokenizerContent* content);
  ~SentencePieceBpeTokenizer() override;

  TokenizedText Encode(absl::string_view text, size_t max_tokens,
                       uint64_t* steps = nullptr) const override;
  size_t vocabulary_size() const override;
  size_t special_tokens() const override;

 private:
  struct Rep;
  explicit SentencePieceBpeTokenizer(std::unique_ptr<const Rep> rep);
  std::unique_ptr<const Rep> rep_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_SENTENCEPIECE_BPE_H_
