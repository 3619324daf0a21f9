#ifndef CORKSCREW_EMBED_TOKENIZER_H_
#define CORKSCREW_EMBED_TOKENIZER_H_

// Text -> token ids: the interface of all tokenizers, and which one a GGUF file
// asks for.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"

namespace corkscrew {

// Everything that decides the ids of a text, for the fingerprint of a model.
// docs/embedding.md says what each kind of tokenizer has.
struct TokenizerContent {
  std::string name;
  std::vector<std::pair<std::string, std::variant<uint64_t, double>>>
      parameters;
  // The tokens by id, then what else there is: merges, scores, a charsmap.
  std::vector<std::string> strings;
};

// Immutable. Thread-safe. Special token strings inside a text ("[SEP]", "</s>")
// are plain text.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Returns the ids of `text`, special tokens around it included, cut to
  // `max_tokens` (> 0, and >= special_tokens()) with the last special token
  // kept last. `text` must be valid UTF-8. Adds a measure of the work, which is
  // no time, to `*steps` unless null.
  virtual TokenizedText Encode(absl::string_view text, size_t max_tokens,
                               uint64_t* steps = nullptr) const = 0;

  // Ids are 0..vocabulary_size() - 1.
  virtual size_t vocabulary_size() const = 0;

  // Tokens put around each text, 0 to 2.
  virtual size_t special_tokens() const = 0;
};

// Builds the tokenizer that the keys tokenizer.ggml.* of `file` describe, and
// sets `*content` unless null. Copies what it needs. `ends_with_eos` is what
// holds for byte-level BPE if the file has no add_eos_token.
//   InvalidArgument  a key or token missing or malformed
//   Unimplemented    another tokenizer.ggml.model or .pre
absl::StatusOr<std::unique_ptr<const Tokenizer>> CreateTokenizer(
    const GgufFile& file, TokenizerContent* content,
    bool ends_with_eos = false);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_TOKENIZER_H_
