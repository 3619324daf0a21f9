#ifndef CORKSCREW_DB_INDEX_SEARCH_H_
#define CORKSCREW_DB_INDEX_SEARCH_H_

// One call of Index::Search(): prepares its queries, runs the stages of
// search_stages.h over all slots on several threads, merges and ranks.

#include <cstddef>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "db/index.h"
#include "db/search_stages.h"
#include "db/slot_filter.h"

namespace corkscrew {

// Single-use: Prepare(), Scan(), Finish(), each if the one before was OK.
// Borrows its arguments.
class IndexSearch {
 public:
  IndexSearch(const IndexOptions& options, const SearchContext& context,
              absl::Span<const IndexQuery> queries,
              const std::function<bool()>& cancelled);

  //   InvalidArgument     a vector with another dimension
  //   FailedPrecondition  exact without the rescore column
  absl::Status Prepare();
  //   Cancelled, and errors of OriginalReader
  absl::Status Scan();
  // Returns the hits of each query.
  //   Cancelled, and errors of OriginalReader
  absl::StatusOr<std::vector<std::vector<IndexHit>>> Finish();

 private:
  // What one thread found. What it keeps of all slots together does not depend
  // on how they were shared out.
  struct Found {
    std::vector<TopSlots> tops;   // [by_codes_]
    std::vector<OpenSlots> open;  // [exact_]
  };

  bool IsCancelled(size_t scores);
  // Cuts what is read into the ranges that threads take in turn.
  void MakeUnits();
  absl::Status ScanUnit(const SlotRange& range, Found* found) const;
  absl::StatusOr<std::vector<Candidate>> Rank(size_t i);
  std::vector<IndexHit> Hits(const IndexQuery& query,
                             absl::Span<const Candidate> best) const;

  const IndexOptions& options_;
  const SearchContext& context_;
  const absl::Span<const IndexQuery> queries_;
  size_t threads_ = 1;

  std::vector<SearchTask> tasks_;  // [queries]
  std::vector<const SearchTask*> by_codes_;
  std::vector<const SearchTask*> exact_;
  std::vector<SlotRange> units_;
  Found found_;

  // Used by the calling thread only.
  const std::function<bool()>& cancelled_;
  size_t scores_until_asked_ = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_INDEX_SEARCH_H_
