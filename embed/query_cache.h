#ifndef CORKSCREW_EMBED_QUERY_CACHE_H_
#define CORKSCREW_EMBED_QUERY_CACHE_H_

// Remembers the vectors of the latest queries of one embedder.

#include <cstddef>
#include <list>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "corkscrew/embedder.h"

namespace corkscrew {

// The least recently used query goes first when bytes run out. Thread-safe.
class QueryCache {
 public:
  // Holds at most `bytes`; 0 holds nothing.
  explicit QueryCache(size_t bytes) : limit_(bytes) {}

  // Copies the tokens and the vector [dim] of `text`. False if it is not there.
  bool Find(absl::string_view text, TokenizedText* tokens,
            absl::Span<float> vector) ABSL_LOCKS_EXCLUDED(mutex_);

  void Insert(absl::string_view text, const TokenizedText& tokens,
              absl::Span<const float> vector) ABSL_LOCKS_EXCLUDED(mutex_);

  // The embeddings of `texts`, with vectors of `dim` coordinates: those that
  // are held, and what `embed` makes of the others, which then are. An error of
  // `embed` is returned.
  using EmbedFunction = absl::FunctionRef<absl::StatusOr<Embeddings>(
      absl::Span<const absl::string_view> texts)>;
  absl::StatusOr<Embeddings> Embed(absl::Span<const absl::string_view> texts,
                                   size_t dim, EmbedFunction embed)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // What is held now: at most the limit.
  size_t bytes() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Entry {
    std::string text;
    TokenizedText tokens;
    std::vector<float> vector;

    size_t bytes() const;
  };
  using Entries = std::list<Entry>;

  const size_t limit_;
  mutable Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);  // Latest first.
  // Keys are the texts in `entries_`.
  absl::flat_hash_map<absl::string_view, Entries::iterator> index_
      ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_QUERY_CACHE_H_
