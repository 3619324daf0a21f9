#ifndef CORKSCREW_DB_QUERY_PREPARATION_H_
#define CORKSCREW_DB_QUERY_PREPARATION_H_

// What a search does around the index: checks queries, finds their vectors, and
// fetches what hits should show.

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/collection.h"
#include "corkscrew/search.h"
#include "db/collection_state.h"
#include "db/descriptor.h"
#include "db/engine.h"
#include "db/index.h"
#include "db/moments.h"
#include "db/version_reader.h"

namespace corkscrew {

// FailedPrecondition unless `space` is empty or the one of the descriptor.
absl::Status CheckSpace(absl::string_view space, const Descriptor& descriptor);

// The queries of one call. Borrows them. Single-threaded.
class QueryPreparation {
 public:
  QueryPreparation(const Engine& engine, std::shared_ptr<CollectionState> state,
                   const MomentResolver& moments, const CallOptions& call)
      : engine_(engine),
        state_(std::move(state)),
        moments_(moments),
        call_(call) {}

  // Checks `query` and adds it. Errors of Collection::Search().
  absl::Status Add(const Query& query);
  // Embeds the texts. After the last Add().
  absl::Status Embed();

  absl::Span<const IndexQuery> queries() const { return queries_; }
  bool truncated(size_t i) const { return truncated_[i]; }

 private:
  absl::Status CheckOptions(const Query& query) const;
  absl::Status AddText(absl::string_view text);
  absl::Status AddLike(const Query::LikeId& like, const ReadMoment& moment);

  const Engine& engine_;
  const std::shared_ptr<CollectionState> state_;
  const MomentResolver& moments_;
  const CallOptions& call_;

  std::vector<IndexQuery> queries_;
  std::vector<bool> truncated_;
  std::deque<Filter> filters_;              // What queries_ points into.
  std::deque<std::vector<float>> vectors_;  // What queries_ points into.
  std::vector<size_t> text_queries_;        // Positions in queries_.
  std::vector<absl::string_view> texts_;
};

// Turns hits of the index into hits with what `fields` asks for.
absl::Status FillHits(const VersionReader& reader,
                      absl::Span<const IndexHit> found, const Fields& fields,
                      std::vector<Hit>* hits);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_QUERY_PREPARATION_H_
