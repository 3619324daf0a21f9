#ifndef CORKSCREW_EMBED_TEXT_GROUPS_H_
#define CORKSCREW_EMBED_TEXT_GROUPS_H_

// Spreads the texts of a call over threads, and a single long one's layers.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "corkscrew/embedder.h"
#include "embed/compute.h"

namespace corkscrew {

using TextTokens = absl::Span<const int32_t>;

// The threads that help all callers of one embedder, and how exact its numbers
// are. Thread-safe.
class TextGroups {
 public:
  // Writes the vectors [texts, dim] of texts of at least one token. The bytes
  // of each depend on that text and the arithmetic alone.
  using EncodeFunction = absl::FunctionRef<void(
      absl::Span<const TextTokens> texts, float* out, const Compute& compute)>;

  // Takes `threads` (0: one per core) and `exact`.
  explicit TextGroups(const EmbedderOptions& options);

  // Writes the vectors [texts, dim] that `encode`, called on this and at most
  // `threads` - 1 other threads, makes of groups of texts. Texts without tokens
  // are left out: `out` keeps what it has in their place.
  void Encode(absl::Span<const TextTokens> texts, size_t dim,
              EncodeFunction encode, float* out) const;

 private:
  struct Group {  // Texts that one thread encodes together.
    std::vector<size_t> texts;
    size_t tokens = 0;
    Arithmetic arithmetic = Arithmetic::kFast;
  };
  Arithmetic ArithmeticOf(size_t tokens) const;
  std::vector<Group> GroupsOf(absl::Span<const TextTokens> texts) const;
  // Takes at most `wanted` of the threads that may help. They come back by
  // `helpers_` -= what it returns.
  size_t TakeHelpers(size_t wanted) const;

  const size_t threads_;
  const bool exact_;
  mutable std::atomic<size_t> helpers_ = 0;  // Threads that now help callers.
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_TEXT_GROUPS_H_
