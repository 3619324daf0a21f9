#ifndef CORKSCREW_DB_CODE_SEARCH_H_
#define CORKSCREW_DB_CODE_SEARCH_H_

// The stages of a search that read codes (docs/quantizer.md, 1.2): the prefix
// of the sign plane of all slots, the sign plane of the best of them, the full
// code of the best of these. Who is kept is a property of the data: it does not
// depend on how slots lie in blocks, nor on threads, nor on which queries are
// searched together.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "db/search_stages.h"
#include "db/slot_block.h"
#include "db/stage_sizes.h"
#include "quant/code_scan.h"
#include "quant/query_grid.h"
#include "quant/raw_vector.h"
#include "quant/sieve.h"

namespace corkscrew {

// The memory of a search, to be used again by the next one of the same thread.
struct CodeSearchMemory {
  // The slots of one thread, and what it has kept of them.
  struct Share {
    std::vector<ScanRun> runs;
    std::vector<uint32_t> parts;  // Of the view, of each run.
    std::vector<SievePart> sieve;
    std::vector<Survivors> survivors;      // [tasks]
    std::vector<Survivors*> sieved;        // [tasks] Their addresses.
    std::vector<RawVector<int32_t>> sums;  // [tasks] Over the sign plane.
    std::vector<RawVector<float>> scores;  // [tasks] Of the last stage.
    std::vector<float> least;   // [tasks] While prefixes are scored: smaller
                                // scores are not kept,
    std::vector<size_t> limit;  // and more scores than this raise it.
    // [tasks] Of one run.
    std::vector<size_t> begins;
    std::vector<absl::Span<const uint32_t>> run_slots;
    std::vector<const int16_t*> prefix_sums;
    std::vector<int32_t*> sign_sums;
    RawVector<int32_t> wide;  // Prefix sums of some slots.
    RawVector<float> ranked;  // For a cut.
    RawVector<CodeScalars> scalars;
    RawVector<float> full_sums;
    RawVector<float> sketch_sums;
  };

  // Releases what is more than a usual search needs.
  void Shrink(size_t kept_slots);

  QueryGrid grid;
  std::vector<ScanQuery> scans;  // [tasks]
  SelectedSlots selected;
  ScanCopies copies;
  std::vector<ScanRun> runs;  // Of one part.
  std::vector<Share> shares;
  std::vector<const ScanQuery*> queries;  // [tasks]
  std::vector<Survivors*> cut;            // [shares]
  RawVector<float> ranked;
  std::array<std::vector<Candidate>, 2> best;  // Of a task and the next one.
};

// Some queries that see the same slots (equal filters and moments) and keep
// equally many of them (k and oversampling). Borrows its arguments.
class CodeSearch {
 public:
  CodeSearch(const SearchContext& context, absl::Span<const SearchTask> tasks,
             size_t threads, CodeSearchMemory* memory);
  ~CodeSearch();  // Leaves a bounded part of the memory for the next one.

  // Calls use(task, best) for each task, in order: its best slots by full code,
  // in any order, StageSizes::full of them at most. Asks go_on() between the
  // stages. Stops when one of them returns false.
  void Run(
      absl::FunctionRef<bool()> go_on,
      absl::FunctionRef<bool(const SearchTask&, absl::Span<Candidate>)> use);

 private:
  using Share = CodeSearchMemory::Share;

  void MakeShares();
  void ScanPrefixes(Share* share) const;
  void ScorePrefixes(Share* share) const;
  void KeepPrefixes(size_t task, size_t run_number, size_t first, size_t n,
                    const int16_t* sums, Share* share) const;
  void CutPrefix(size_t task);
  void ScanSignPlanes(Share* share) const;
  void ScoreSignPlane(size_t task, Share* share) const;
  void CutSignPlane(size_t task);
  void ScanFullCode(size_t task, Share* share) const;
  // Fetches what ScanFullCode() reads.
  void FetchFullCode(size_t task, const Share& share) const;
  void TakeBest(size_t task, std::vector<Candidate>* out);

  // Runs work(share) for each, side by side.
  template <typename Work>
  void ForEachShare(const Work& work);
  // The score of the `keep`-th best survivor of a task in all shares; of fewer,
  // the least score that there can be.
  float Threshold(size_t task, size_t keep);
  // Scores of sums over a part of the code.
  void StageScoresOf(const StageUnits& units, const int32_t* sums,
                     const CodeScalars* scalars, size_t n, float* scores) const;

  const SearchContext& context_;
  const absl::Span<const SearchTask> tasks_;
  const size_t threads_;
  CodeSearchMemory& memory_;
  StageSizes sizes_;
  size_t shares_ = 1;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_CODE_SEARCH_H_
