#ifndef CORKSCREW_EMBED_MANTA_TOKENIZER_H_
#define CORKSCREW_EMBED_MANTA_TOKENIZER_H_

// The tokenizer of `.mll` embedding models: byte-pair encoding of the whole
// text (github odvcencio/manta, later eos). Letters and digits in lower case,
// everything else is a space; characters merge by rank.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/embedder.h"
#include "embed/tokenizer.h"

namespace corkscrew {

// What becomes of the space between two words. Files do not say.
enum class MantaSpaces {
  kUnknown,  // The unknown token (manta, April 2026).
  kDropped,  // Nothing (eos, June 2026).
};

struct MantaVocabulary {
  std::vector<std::string> tokens;                          // By id.
  std::vector<std::pair<std::string, std::string>> merges;  // By rank.
  // "" takes [CLS], [SEP], [UNK].
  std::string first, last, unknown;
};

class MantaTokenizer : public Tokenizer {
 public:
  //   InvalidArgument  too many or too long tokens, one that is not UTF-8, or
  //                    no unknown token; to be put behind the name of the file
  static absl::StatusOr<std::unique_ptr<const MantaTokenizer>> Create(
      const MantaVocabulary& vocabulary, MantaSpaces spaces,
      TokenizerContent* content);
  ~MantaTokenizer() override;

  TokenizedText Encode(absl::string_view text, size_t max_tokens,
                       uint64_t* steps = nullptr) const override;
  size_t vocabulary_size() const override;
  size_t special_tokens() const override;

 private:
  struct Rep;
  explicit MantaTokenizer(std::unique_ptr<const Rep> rep);
  std::unique_ptr<const Rep> rep_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MANTA_TOKENIZER_H_
