#ifndef CORKSCREW_DB_CODE_SEARCH_H_
#define CORKSCREW_DB_CODE_SEARCH_H_

// The stages of a search that read codes (docs/quantizer.md, 1.2): the prefix
// of the sign plane of all slots, the sign plane of the best of them, the full
// code of the best of these. Who is kept is a property of the data: it does not
// depend on how slots lie in blocks, nor on threads, nor on which queries are
// searched together.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "db/search_stages.h"
#include "db/slot_block.h"
#include "db/stage_sizes.h"
#include "quant/code_scan.h"
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
    // [tasks] Of one run.
    std::vector<size_t> begins;
    std::vector<absl::Span<const uint32_t>> run_slots;
    std::vector<const int16_t*> prefix_sums;
    std::vector<int32_t*> sign_sums;
    RawVector<float> scores;  // Of the survivors of one task.
    RawVector<float> ranked;  // For a cut.
    RawVector<CodeScalars> scalars;
    RawVector<float> full_sums;
    RawVector<float> sketch_sums;
  };

  SelectedSlots selected;
  ScanCopies copies;
  std::vector<ScanRun> runs;  // Of one part.
  std::vector<Share> shares;
  std::vector<const ScanQuery*> queries;  // [tasks]
  std::vector<Survivors*> cut;            // [shares]
  RawVector<float> ranked;
  std::vector<Candidate> best;
};

// Some queries that see the same slots (equal filters and moments) and keep
// equally many of them (k and oversampling). Borrows its arguments.
class CodeSearch {
 public:
  CodeSearch(const SearchContext& context, absl::Span<const SearchTask> tasks,
             size_t threads, CodeSearchMemory* memory);

  // Calls use(task, best) for each task: its best slots by full code, in any
  // order, StageSizes::full of them at most. Stops when that returns false.
  void Run(
      absl::FunctionRef<bool(const SearchTask&, absl::Span<Candidate>)> use);

 private:
  using Share = CodeSearchMemory::Share;

  void MakeShares();
  void ScanPrefixes(Share* share) const;
  void ScorePrefix(size_t task, Share* share) const;
  void CutPrefix(size_t task);
  void ScanSignPlanes(Share* share) const;
  void ScoreSignPlane(size_t task, Share* share) const;
  void CutSignPlane(size_t task);
  void ScanFullCode(size_t task, Share* share) const;
  absl::Span<Candidate> TakeBest(size_t task);

  // Runs work(share) for each, side by side.
  template <typename Work>
  void ForEachShare(const Work& work);
  // The score of the `keep`-th best survivor of all shares; of fewer, the least
  // score that there can be.
  float Threshold(size_t keep);
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
