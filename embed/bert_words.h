#ifndef CORKSCREW_EMBED_BERT_WORDS_H_
#define CORKSCREW_EMBED_BERT_WORDS_H_

// Splits text into the words that a BERT vocabulary is looked up with: the
// rules of Hugging Face's BertNormalizer and BertPreTokenizer in one pass.

#include <cstddef>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

// Longer words are not looked up: they are unknown.
inline constexpr size_t kMaxBertWordCharacters = 100;

struct BertWordOptions {
  bool lowercase = true;
  // Decompose canonically (NFD) and drop the accents (Mn).
  bool strip_accents = true;
};

struct BertWord {
  // UTF-8, at least one character. Empty if the word is too long. Valid during
  // the call only.
  absl::string_view text;
  bool too_long = false;  // More than kMaxBertWordCharacters.
};

// Calls `visit` with each word of `text` in order until it returns false.
// Bytes that are not UTF-8 are left out. Time and memory: linear in `text`,
// constant memory.
void ForEachBertWord(absl::string_view text, const BertWordOptions& options,
                     absl::FunctionRef<bool(const BertWord&)> visit);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_BERT_WORDS_H_
