#ifndef CORKSCREW_DB_INDEX_SEARCH_H_
#define CORKSCREW_DB_INDEX_SEARCH_H_

// One call of Index::Search(): prepares its queries, runs the stages of
// code_search.h and search_stages.h, and makes the hits.

#include <cstddef>
#include <functional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "db/index.h"
#include "db/search_stages.h"
#include "db/slot_filter.h"

namespace corkscrew {

// Single-use: Prepare(), then Run() if that was OK. Borrows its arguments.
class IndexSearch {
 public:
  IndexSearch(const IndexOptions& options, const SearchContext& context,
              absl::Span<const IndexQuery> queries,
              const std::function<bool()>& cancelled);

  //   InvalidArgument     a vector with another dimension
  //   FailedPrecondition  exact without the rescore column
  absl::Status Prepare();
  // Returns the hits of each query.
  //   Cancelled, and errors of OriginalReader
  absl::StatusOr<std::vector<std::vector<IndexHit>>> Run();

 private:
  using Best = absl::StatusOr<std::vector<Candidate>>;

  // Tasks [begin, end), searched together. An exact one is alone.
  struct Group {
    size_t begin = 0;
    size_t end = 0;
  };

  // Puts tasks that can be searched together next to each other.
  void GroupTasks();
  bool IsCancelled(size_t scores);
  size_t SlotsOfView() const;
  // The number of its query.
  size_t NumberOf(const SearchTask& task) const {
    return static_cast<size_t>(task.query - queries_.data());
  }
  // Sets the hits of the queries of a group. `may_ask`: this is the calling
  // thread.
  absl::Status RunByCodes(const Group& group, bool may_ask, size_t threads,
                          absl::Span<std::vector<IndexHit>> hits);
  // The k best of a task, best first.
  Best RunExact(const SearchTask& task);
  std::vector<IndexHit> Hits(const IndexQuery& query,
                             absl::Span<const Candidate> best) const;

  const IndexOptions& options_;
  const SearchContext& context_;
  const absl::Span<const IndexQuery> queries_;
  // Nothing is allocated for one query.
  absl::InlinedVector<SearchTask, 1> tasks_;  // [queries]
  absl::InlinedVector<Group, 1> groups_;

  // Used by the calling thread only.
  const std::function<bool()>& cancelled_;
  size_t scores_until_asked_ = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_INDEX_SEARCH_H_
