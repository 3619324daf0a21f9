#ifndef CORKSCREW_EMBED_TOKEN_VOCABULARY_H_
#define CORKSCREW_EMBED_TOKEN_VOCABULARY_H_

// The vocabulary of a GGUF file, checked: what SentencePiece, Unigram and
// byte-level BPE tokenizers share.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/token_trie.h"
#include "embed/tokenizer.h"

namespace corkscrew {

// Far above the vocabularies of embedding models; bounds the memory of tries
// and tables.
inline constexpr size_t kMaxVocabularyBytes = size_t{16} << 20;
inline constexpr size_t kMaxVocabularySize = size_t{1} << 22;
// Bounds the work per byte of a text. The longest tokens of real vocabularies
// are runs of 128 or so equal characters.
inline constexpr size_t kMaxTokenBytes = 1024;

// Values of tokenizer.ggml.token_type.
enum class TokenType : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,      // Never found in a text.
  kUserDefined = 4,  // Found before anything else is done to a text.
  kUnused = 5,
  kByte = 6,  // "<0x41>"
};

// An error that names the file.
absl::Status MalformedModel(const GgufFile& file, absl::string_view what);

// A key that a tokenizer needs: its absence is a malformed model, and not
// "no such file".
template <typename T>
absl::StatusOr<T> RequiredKey(absl::StatusOr<T> value) {
  if (absl::IsNotFound(value.status())) {
    return absl::InvalidArgumentError(value.status().message());
  }
  return value;
}

absl::StatusOr<bool> BoolOr(const GgufFile& file, absl::string_view key,
                            bool otherwise);

// Checks number, length and UTF-8 of `tokens`.
absl::Status CheckTokens(const GgufFile& file,
                         const std::vector<absl::string_view>& tokens);

// Tokens by id. Borrows the strings of the file.
struct TokenVocabulary {
  std::vector<absl::string_view> tokens;
  std::vector<TokenType> types;  // [tokens]
  std::vector<float> scores;     // [tokens] finite, or empty.

  // Reads the keys tokenizer.ggml.tokens, .token_type (all normal if missing)
  // and, if `with_scores`, .scores.
  //   InvalidArgument  missing, malformed, or of unequal lengths
  static absl::StatusOr<TokenVocabulary> Read(const GgufFile& file,
                                              bool with_scores);

  // The id under `key`. Empty if the file has no such key.
  //   InvalidArgument  not an id
  absl::StatusOr<std::optional<int32_t>> Id(const GgufFile& file,
                                            absl::string_view key) const;

  // The user-defined tokens that can be found in a text.
  TokenTrie UserDefined() const;

  // Whether a token of `tokens` other than control tokens has a space mark
  // behind another character. If not, words can be tokenized one by one.
  bool CrossesWords() const;

  // Appends the strings of `content`: tokens, one byte of type per token, and
  // scores as little-endian float32 if there are any.
  void Describe(TokenizerContent* content) const;
};

// Tokens put before and after each text.
struct SpecialTokens {
  std::optional<int32_t> first;
  std::optional<int32_t> last;

  // By the keys add_bos_token and add_eos_token, or the defaults given;
  // `.bos_token_id` and `.eos_token_id`, with `.cls_token_id` and
  // `.seperator_token_id` in their place if the file has these only.
  //   InvalidArgument  a token wanted that the file does not name
  static absl::StatusOr<SpecialTokens> Read(const GgufFile& file,
                                            const TokenVocabulary& vocabulary,
                                            bool add_first, bool add_last);

  size_t size() const { return (first ? 1 : 0) + (last ? 1 : 0); }
  // Adds classify_id and separator_id if there are such.
  void Describe(TokenizerContent* content) const;
};

// Collects the ids of one text up to a limit.
class TokenSink {
 public:
  // `max_tokens` > 0, and >= specials.size().
  TokenSink(const SpecialTokens& specials, size_t max_tokens);

  // False once the text is too long: nothing more will be taken.
  bool Add(int32_t id);
  bool full() const { return result_.truncated; }
  TokenizedText Finish() &&;

 private:
  const SpecialTokens& specials_;
  const size_t most_;  // Without the last special token.
  TokenizedText result_;
};

// Calls `visit` with the parts of `text` between user-defined tokens (id -1,
// never empty) and these tokens themselves, longest match first, in order,
// until it returns false.
void ForEachFragment(absl::string_view text, const TokenTrie& user_defined,
                     uint64_t* steps,
                     absl::FunctionRef<bool(absl::string_view, int32_t)> visit);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_TOKEN_VOCABULARY_H_
