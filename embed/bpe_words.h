#ifndef CORKSCREW_EMBED_BPE_WORDS_H_
#define CORKSCREW_EMBED_BPE_WORDS_H_

// Splits text into the words within which byte-level BPE merges: the regular
// expressions of GPT-2 and Qwen2, written out.

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

enum class BpeSplit {
  // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  kGpt2,
  // (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|
  //  ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
  kQwen2,
};

// Calls `visit` with each word of `text`, which is valid UTF-8, until it
// returns false. All words together are the text. Linear time.
void ForEachBpeWord(absl::string_view text, BpeSplit split,
                    absl::FunctionRef<bool(absl::string_view)> visit);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_BPE_WORDS_H_
