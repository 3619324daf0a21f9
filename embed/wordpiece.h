#ifndef CORKSCREW_EMBED_WORDPIECE_H_
#define CORKSCREW_EMBED_WORDPIECE_H_

// WordPiece tokenizer of BERT models by the rules of Hugging Face `tokenizers`
// (BertNormalizer, BertPreTokenizer, WordPiece): clean text, split CJK, strip
// accents, lower case, split punctuation, greedy longest match; words of more
// than 100 characters and words with an unmatched part become [UNK]. Special
// token strings inside a text ("[SEP]") are plain text.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/tokenizer.h"

namespace corkscrew {

// Immutable. Thread-safe. Linear in the length of the text.
class WordPieceTokenizer : public Tokenizer {
 public:
  // Builds from the keys tokenizer.ggml.* of a file whose
  // tokenizer.ggml.model is "bert". Copies what it needs.
  //   InvalidArgument  a key or special token missing or malformed
  //   Unimplemented    another tokenizer.ggml.model
  static absl::StatusOr<std::unique_ptr<const WordPieceTokenizer>> Create(
      const GgufFile& file);
  ~WordPieceTokenizer() override;

  // Returns [CLS] pieces [SEP], cut to `max_tokens` (>= 2) ids with [SEP] kept
  // last. `text` must be valid UTF-8; other bytes are left out. Adds the steps
  // taken in the vocabulary to `*steps` unless null: a measure of the work that
  // is no time.
  TokenizedText Encode(absl::string_view text, size_t max_tokens,
                       uint64_t* steps = nullptr) const override;

  size_t vocabulary_size() const override;
  size_t special_tokens() const override { return 2; }

  // What decides the ids of a text beside the tokens, defaults of the file
  // resolved. The fingerprint of a model holds it.
  struct Rules {
    int32_t classify_id = 0;   // [CLS]
    int32_t separator_id = 0;  // [SEP]
    int32_t unknown_id = 0;    // [UNK]
    bool lowercase = true;
    bool strip_accents = true;
  };
  Rules rules() const;
  void Describe(const GgufFile& file, TokenizerContent* content) const;

 private:
  struct Rep;
  explicit WordPieceTokenizer(std::unique_ptr<const Rep> rep);
  std::unique_ptr<const Rep> rep_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_WORDPIECE_H_
