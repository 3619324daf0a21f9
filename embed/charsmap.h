#ifndef CORKSCREW_EMBED_CHARSMAP_H_
#define CORKSCREW_EMBED_CHARSMAP_H_

// The normalization table of SentencePiece models (precompiled_charsmap): a
// double-array trie from byte strings to replacements (Darts-clone layout).

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

// Immutable. Thread-safe. Any bytes of a trie are safe to walk.
class Charsmap {
 public:
  // No replacement is longer, so that a text can not grow without bounds. The
  // longest of NFKC has 33 bytes.
  static constexpr size_t kMaxReplacement = 64;

  // Replaces nothing.
  Charsmap() = default;

  // From: u32 bytes of the trie, its u32 units, then replacements that end with
  // NUL each. Little-endian. Copies.
  //   InvalidArgument  cut short, or a replacement that is too long; the
  //                    message is to be put behind the name of the file
  static absl::StatusOr<Charsmap> Parse(absl::string_view bytes);

  struct Match {
    size_t bytes = 0;  // Of the text; 0: nothing to replace.
    absl::string_view replacement;
  };
  // The longest entry that `text` starts with. Adds the nodes walked to
  // `*steps`.
  Match FindLongest(absl::string_view text, uint64_t* steps) const;

 private:
  std::vector<uint32_t> units_;
  std::string replacements_;  // Each ends with NUL.
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_CHARSMAP_H_
