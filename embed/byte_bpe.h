#ifndef CORKSCREW_EMBED_BYTE_BPE_H_
#define CORKSCREW_EMBED_BYTE_BPE_H_

// Byte-level BPE tokenizers (Radford et al. 2019, GPT-2; Hugging Face
// `tokenizers`, ByteLevel and BPE): tokenizer.ggml.model "gpt2". The bytes of a
// word are merged by rank; every byte has a token, so nothing is unknown.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/tokenizer.h"

namespace corkscrew {

class ByteBpeTokenizer : public Tokenizer {
 public:
  // As CreateTokenizer().
  static absl::StatusOr<std::unique_ptr<const ByteBpeTokenizer>> Create(
      const GgufFile& file, TokenizerContent* content, bool ends_with_eos);
  ~ByteBpeTokenizer() override;

  TokenizedText Encode(absl::string_view text, size_t max_tokens,
                       uint64_t* steps = nullptr) const override;
  size_t vocabulary_size() const override;
  size_t special_tokens() const override;

 private:
  struct Rep;
  explicit ByteBpeTokenizer(std::unique_ptr<const Rep> rep);
  std::unique_ptr<const Rep> rep_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_BYTE_BPE_H_
