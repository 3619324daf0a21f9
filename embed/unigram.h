#ifndef CORKSCREW_EMBED_UNIGRAM_H_
#define CORKSCREW_EMBED_UNIGRAM_H_

// SentencePiece Unigram tokenizers (Kudo, arXiv:1804.10959) as of XLM-RoBERTa
// and T5: tokenizer.ggml.model "t5". Of all ways to cut a word into tokens, the
// one with the greatest sum of scores.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/tokenizer.h"

namespace corkscrew {

class UnigramTokenizer : public Tokenizer {
 public:
  // As CreateTokenizer().
  static absl::StatusOr<std::unique_ptr<const UnigramTokenizer>> Create(
      const GgufFile& file, TokenizerContent* content);
  ~UnigramTokenizer() override;

  TokenizedText Encode(absl::string_view text, size_t max_tokens,
                       uint64_t* steps = nullptr) const override;
  size_t vocabulary_size() const override;
  size_t special_tokens() const override;

 private:
  struct Rep;
  explicit UnigramTokenizer(std::unique_ptr<const Rep> rep);
  std::unique_ptr<const Rep> rep_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_UNIGRAM_H_
