#ifndef CORKSCREW_DB_SEARCH_STAGES_H_
#define CORKSCREW_DB_SEARCH_STAGES_H_

// The stages of a search (docs/architecture.md, "One search"): scan of the
// codes, rescore column; and the exact search, which scans the rescore column
// and settles what it leaves open with originals.
//
// Scores inside are "larger is better": negated distances under kL2.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "corkscrew/metric.h"
#include "corkscrew/quantizer.h"
#include "db/index.h"
#include "db/index_view.h"
#include "db/slot_filter.h"
#include "db/top_k.h"
#include "quant/rescore.h"

namespace corkscrew {

using TopSlots = TopK<BestFirst>;

// One query of a search. Borrows the query. Immutable while it is searched.
struct SearchTask {
  const IndexQuery* query = nullptr;
  SlotFilter filter;
  std::optional<PreparedQuery> prepared = std::nullopt;  // For the code scan.
  Lengths lengths = {};  // Of the query; for rescoring.
};

// What the stages work on. Immutable while they run.
struct SearchContext {
  const Quantizer& quantizer;
  Metric metric;
  const IndexView& view;
  const OriginalReader& originals;
};

// Slots [first, last) of one part of the view.
struct SlotRange {
  uint32_t part = 0;
  size_t first = 0;
  size_t last = 0;
};

// Scores the codes of `range` against each task that reads this part and offers
// those that its filter admits to tops[task]. Allocates only in `tops`.
void ScanCodes(const SearchContext& context,
               absl::Span<const SearchTask* const> tasks,
               const SlotRange& range, absl::Span<TopSlots> tops);

// Returns the k best of `candidates` by their score in the rescore column, best
// first.
//   errors of OriginalReader, which is asked for rows that are damaged
absl::StatusOr<std::vector<Candidate>> RescoreWithColumn(
    const SearchContext& context, const SearchTask& task,
    absl::Span<const Candidate> candidates);

// Replaces the scores of `candidates` by those with the originals.
//   errors of OriginalReader
absl::Status ScoreOriginals(const SearchContext& context,
                            const SearchTask& task,
                            absl::Span<Candidate> candidates);

// What an exact search has to remember of a range of slots: those that may be
// among the k best, by the best score that they may have.
class OpenSlots {
 public:
  explicit OpenSlots(size_t k) : lower_(k, ByScore()) {}

  // A slot whose score is within [lower, upper].
  void Offer(uint32_t part, uint32_t slot, float lower, float upper);
  // Adds what `other` has.
  void Merge(OpenSlots other);
  // Returns the slots that are still open, with their upper bounds.
  std::vector<Candidate> Take();

 private:
  struct ByScore {
    bool operator()(const Candidate& a, const Candidate& b) const {
      return a.score > b.score;
    }
  };
  void Prune();

  TopK<ByScore> lower_;  // Its threshold is below k of the true scores.
  std::vector<Candidate> open_;
  size_t prune_at_ = 1024;
};

// Offers the slots of `range` that the task admits to `open`.
//   errors of OriginalReader, which is asked for rows that are damaged
absl::Status ScanRescoreColumn(const SearchContext& context,
                               const SearchTask& task, const SlotRange& range,
                               OpenSlots* open);

// Returns the k best of `open` by their scores with the originals, best first.
//   errors of OriginalReader
absl::StatusOr<std::vector<Candidate>> Settle(const SearchContext& context,
                                              const SearchTask& task,
                                              std::vector<Candidate> open);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_SEARCH_STAGES_H_
