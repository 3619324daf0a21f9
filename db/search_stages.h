#ifndef CORKSCREW_DB_SEARCH_STAGES_H_
#define CORKSCREW_DB_SEARCH_STAGES_H_

// The stages of a search (docs/architecture.md, "One search") that read the
// rescore column: for the best of code_search.h; and the exact search, which
// scans all of it and settles what it leaves open with originals.
//
// Scores inside are "larger is better": negated distances under kL2.

#include <cstddef>
#include <cstdint>
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
#include "quant/code_scan.h"
#include "quant/rescore.h"

namespace corkscrew {

// One query of a search. Borrows the query. Immutable while it is searched.
struct SearchTask {
  const IndexQuery* query = nullptr;
  size_t k = 0;  // One more than asked for if an id is excluded.
  Lamport at = 0;
  SlotFilter filter;
  const ScanQuery* scan = nullptr;  // For the code scan.
  Lengths lengths = {};             // Of the query; for rescoring.
};

// What the stages work on. Immutable while they run.
struct SearchContext {
  const Quantizer& quantizer;
  const CodeScan& scan;
  Metric metric;
  bool rescored;  // There is a rescore column.
  const IndexView& view;
  const OriginalReader& originals;
};

// The slots that a query may return. Keeps its memory when it is filled again.
class SelectedSlots {
 public:
  void Select(const IndexView& view, const SlotFilter& filter);

  size_t count() const { return count_; }
  size_t slots() const { return 64 * words_.size(); }  // Of the parts.
  bool HasAny(size_t part) const { return parts_[part].count > 0; }
  bool HasAll(size_t part) const {
    return parts_[part].count == parts_[part].slots;
  }
  // Bit i % 64 of word i / 64 is slot i. Only of parts that have any.
  const uint64_t* words(size_t part) const {
    return words_.data() + parts_[part].begin;
  }
  bool Has(size_t part, size_t slot) const {
    return (words(part)[slot / 64] >> (slot % 64) & 1) != 0;
  }

 private:
  struct Part {
    size_t begin = 0;
    size_t slots = 0;
    size_t count = 0;
  };
  std::vector<uint64_t> words_;
  std::vector<Part> parts_;
  size_t count_ = 0;
};

// Slots [first, last) of one part of the view.
struct SlotRange {
  uint32_t part = 0;
  size_t first = 0;
  size_t last = 0;
};

// Leaves the k best of `candidates`, best first.
absl::Span<Candidate> SortBest(const SearchContext& context,
                               const SearchTask& task,
                               absl::Span<Candidate> candidates);

// Fetches bytes that will be read into the first-level cache.
inline void PrefetchBytes(const void* from, size_t size) {
  constexpr size_t kCacheLine = 64;
  const char* const bytes = static_cast<const char*>(from);
  for (size_t i = 0; i < size; i += kCacheLine) __builtin_prefetch(bytes + i);
  if (size != 0) __builtin_prefetch(bytes + size - 1);
}

// Fetches what ScoreWithColumn() reads.
void FetchColumn(const SearchContext& context,
                 absl::Span<const Candidate> candidates);

// Replaces the scores of `candidates` by those of the rescore column.
//   errors of OriginalReader, which is asked for rows that are damaged
absl::Status ScoreWithColumn(const SearchContext& context,
                             const SearchTask& task,
                             absl::Span<Candidate> candidates);

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

// Offers those of `selected` in `range`, of a part that has any, to `open`.
//   errors of OriginalReader, which is asked for rows that are damaged
absl::Status ScanRescoreColumn(const SearchContext& context,
                               const SearchTask& task,
                               const SelectedSlots& selected,
                               const SlotRange& range, OpenSlots* open);

// Returns the k best of `open` by their scores with the originals, best first.
//   errors of OriginalReader
absl::StatusOr<std::vector<Candidate>> Settle(const SearchContext& context,
                                              const SearchTask& task,
                                              std::vector<Candidate> open);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_SEARCH_STAGES_H_
