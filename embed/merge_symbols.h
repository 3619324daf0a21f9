#ifndef CORKSCREW_EMBED_MERGE_SYMBOLS_H_
#define CORKSCREW_EMBED_MERGE_SYMBOLS_H_

// Byte-pair encoding (Sennrich et al., arXiv:1508.07909): neighbours are merged
// in the order of ranks until no pair is left. Time n log n in the number of
// symbols, whatever they are.

#include <cstddef>
#include <cstdint>
#include <queue>
#include <vector>

namespace corkscrew {

// A piece of the text, at least one byte.
struct MergeSymbol {
  int32_t id = -1;   // For `find`; -1 if it has none.
  size_t begin = 0;  // In the text.
  size_t size = 0;
};

// What two neighbours become.
struct MergedPair {
  bool found = false;
  double rank = 0;  // The least is merged first, of equal ones the leftmost.
  int32_t id = -1;  // Of the merged symbol.
};

enum class MergeOrder {
  kOneByOne,  // The least rank, then look again: SentencePiece, GPT-2.
  // All pairs of the least rank from left to right, then look again. Another
  // result only if a merge makes pairs of lower rank than its own.
  kRankByRank,
};

// Merges neighbours in `*symbols`, which follow each other without gaps, until
// `find` (callable with two MergeSymbols, returns a MergedPair) knows no pair.
// Adds the calls of `find` to `*steps`: below 3 per symbol.
template <typename Find>
void MergeSymbols(std::vector<MergeSymbol>* symbols, const Find& find,
                  MergeOrder order, uint64_t* steps) {
  constexpr size_t kNone = ~size_t{0};
  std::vector<MergeSymbol>& all = *symbols;
  struct Candidate {
    double rank;
    size_t left;
    size_t size;  // Of both. Another size now: the candidate is stale.
    int32_t id;
    bool operator<(const Candidate& other) const {  // The top is the greatest.
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  std::priority_queue<Candidate> queue;
  // Neighbours; a symbol that was merged into its left one has size 0.
  std::vector<size_t> previous(all.size());
  std::vector<size_t> next(all.size());
  const auto look = [&](size_t left) {
    const size_t right = next[left];
    if (right == kNone) return;
    ++*steps;
    const MergedPair pair = find(all[left], all[right]);
    if (!pair.found) return;
    queue.push({pair.rank, left, all[left].size + all[right].size, pair.id});
  };
  for (size_t i = 0; i < all.size(); ++i) {
    previous[i] = i == 0 ? kNone : i - 1;
    next[i] = i + 1 == all.size() ? kNone : i + 1;
  }
  for (size_t i = 0; i < all.size(); ++i) look(i);

  const auto merge = [&](const Candidate& candidate) {
    MergeSymbol& left = all[candidate.left];
    const size_t right = next[candidate.left];
    if (left.size == 0 || right == kNone ||
        left.size + all[right].size != candidate.size) {
      return;
    }
    left.size = candidate.size;
    left.id = candidate.id;
    all[right].size = 0;
    next[candidate.left] = next[right];
    if (next[right] != kNone) previous[next[right]] = candidate.left;
    if (previous[candidate.left] != kNone) look(previous[candidate.left]);
    look(candidate.left);
  };
  std::vector<Candidate> equal;
  while (!queue.empty()) {
    equal.assign(1, queue.top());
    queue.pop();
    while (order == MergeOrder::kRankByRank && !queue.empty() &&
           queue.top().rank == equal[0].rank) {
      equal.push_back(queue.top());
      queue.pop();
    }
    for (const Candidate& candidate : equal) merge(candidate);
  }
  std::erase_if(all, [](const MergeSymbol& s) { return s.size == 0; });
}

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MERGE_SYMBOLS_H_
