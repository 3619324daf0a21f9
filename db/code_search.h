#ifndef CORKSCREW_DB_CODE_SEARCH_H_
#define CORKSCREW_DB_CODE_SEARCH_H_

// The stages of a search that read codes (docs/quantizer.md, 1.2): the prefix
// of the sign plane of all slots, the sign plane of the best of them, the full
// code of the best of these. Who is kept is a property of the data: it does not
// depend on how slots lie in blocks, nor on threads.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "db/search_stages.h"
#include "db/slot_block.h"
#include "db/stage_sizes.h"
#include "quant/code_scan.h"
#include "quant/sieve.h"

namespace corkscrew {

// The memory of a search, to be used again by the next one of the same thread.
struct CodeSearchMemory {
  // The slots of one thread, and what it has kept of them.
  struct Share {
    std::vector<ScanRun> runs;
    std::vector<uint32_t> parts;  // Of the view, of each run.
    std::vector<SievePart> sieve;
    Survivors survivors;
    std::vector<float> scores;  // Of the survivors; not after RunSieve().
    std::vector<int32_t> sums;  // Over the sign plane.
    std::vector<CodeScalars> scalars;
    std::vector<float> full_sums;
    std::vector<float> sketch_sums;
  };

  SelectedSlots selected;
  ScanCopies copies;
  std::vector<ScanRun> runs;  // Of one part.
  std::vector<Share> shares;
  std::vector<float> ranked;
};

// One query. Borrows its arguments.
class CodeSearch {
 public:
  CodeSearch(const SearchContext& context, const SearchTask& task,
             size_t threads, CodeSearchMemory* memory);

  // The best slots by full code, StageSizes::full of them at most.
  TopSlots Run();

 private:
  using Share = CodeSearchMemory::Share;

  void MakeShares();
  void ScanPrefix(Share* share) const;
  void ScorePrefix(Share* share) const;
  void CutPrefix();
  void ScanSignPlane(Share* share) const;
  void CutSignPlane();
  void ScanFullCode(Share* share, TopSlots* top) const;

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
  const SearchTask& task_;
  const size_t threads_;
  CodeSearchMemory& memory_;
  StageSizes sizes_;
  size_t shares_ = 1;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_CODE_SEARCH_H_
