#include "db/code_search.h"

#include <algorithm>
#include <array>
#include <limits>

#include "db/parallel.h"
#include "quant/nth_largest.h"
#include "quant/score_formulas.h"

namespace corkscrew {
namespace {

// Slots below which a thread costs more than it saves.
constexpr size_t kSlotsPerThread = 128 * 1024;
// Slots whose sums are held on the stack.
constexpr size_t kChunk = 16 * kScanBlock;

constexpr float kLeast = -std::numeric_limits<float>::infinity();

}  // namespace

CodeSearch::CodeSearch(const SearchContext& context, const SearchTask& task,
                       size_t threads, CodeSearchMemory* memory)
    : context_(context),
      task_(task),
      threads_(std::max<size_t>(1, threads)),
      memory_(*memory) {}

template <typename Work>
void CodeSearch::ForEachShare(const Work& work) {
  RunUnits(shares_, shares_, [&](size_t, size_t unit) {
    work(&memory_.shares[unit]);
    return true;
  });
}

TopSlots CodeSearch::Run() {
  memory_.selected.Select(context_.view, task_.filter);
  const size_t eligible = memory_.selected.count();
  sizes_ = SizesOf(context_.scan.layout(), task_.k, task_.query->oversample,
                   context_.rescored, eligible);
  TopSlots top(sizes_.full, BestFirst{&context_.view});
  if (eligible == 0) return top;
  MakeShares();
  ForEachShare([this](Share* share) { ScanPrefix(share); });
  CutPrefix();
  ForEachShare([this](Share* share) { ScanSignPlane(share); });
  CutSignPlane();
  for (size_t i = 0; i < shares_; ++i) ScanFullCode(&memory_.shares[i], &top);
  return top;
}

// Deals out the runs of all parts, in order, in pieces of about the same size.
void CodeSearch::MakeShares() {
  const SelectedSlots& selected = memory_.selected;
  size_t slots = 0;
  for (size_t part = 0; part < context_.view.parts.size(); ++part) {
    if (selected.HasAny(part)) slots += context_.view.parts[part].slots;
  }
  shares_ = std::clamp<size_t>(slots / kSlotsPerThread, 1, threads_);
  const size_t size = (slots / shares_ / kChunk + 1) * kChunk;
  if (memory_.shares.size() < shares_) memory_.shares.resize(shares_);
  for (size_t i = 0; i < shares_; ++i) {
    memory_.shares[i].runs.clear();
    memory_.shares[i].parts.clear();
    memory_.shares[i].sieve.clear();
  }
  memory_.copies.Clear();
  size_t at = 0;
  for (size_t part = 0; part < context_.view.parts.size(); ++part) {
    if (!selected.HasAny(part)) continue;
    const IndexView::Part& in = context_.view.parts[part];
    memory_.runs.clear();
    in.block->AppendRuns(in.slots, &memory_.copies, &memory_.runs);
    for (ScanRun run : memory_.runs) {
      while (run.slots > 0) {
        const size_t number = std::min(at / size, shares_ - 1);
        Share& share = memory_.shares[number];
        ScanRun piece = run;
        if (number + 1 < shares_) {
          // Pieces start at blocks.
          const size_t room = (number + 1) * size - at;
          const size_t blocks = (room + kScanBlock - 1) / kScanBlock;
          piece.slots = std::min(run.slots, blocks * kScanBlock);
        }
        share.runs.push_back(piece);
        share.parts.push_back(static_cast<uint32_t>(part));
        share.sieve.push_back(
            {piece.columns.prefix, piece.slots,
             selected.HasAll(part)
                 ? nullptr
                 : selected.words(part) + piece.first / kScanBlock});
        at += piece.slots;
        if (piece.slots == run.slots) break;
        run = run.From(piece.slots, context_.scan.layout());
      }
    }
  }
}

void CodeSearch::StageScoresOf(const StageUnits& units, const int32_t* sums,
                               const CodeScalars* scalars, size_t n,
                               float* scores) const {
  StageScores(context_.metric, units, sums, scalars, n, scores);
  if (context_.metric != Metric::kL2) return;
  for (size_t i = 0; i < n; ++i) scores[i] = -scores[i];
}

void CodeSearch::ScanPrefix(Share* share) const {
  if (context_.metric == Metric::kCosine) {
    RunSieve(context_.scan, task_.scan, share->sieve, sizes_.prefix,
             &share->survivors);
  } else {
    ScorePrefix(share);
  }
}

// As RunSieve(), where lengths matter.
void CodeSearch::ScorePrefix(Share* share) const {
  Survivors& kept = share->survivors;
  std::vector<float>& scores = share->scores;
  kept.slots.clear();
  kept.sums.clear();
  kept.part_ends.clear();
  scores.clear();
  float least = kLeast;
  size_t limit = 2 * sizes_.prefix + kChunk;
  std::vector<float> ranked;
  for (size_t r = 0; r < share->runs.size(); ++r) {
    const ScanRun& run = share->runs[r];
    for (size_t first = 0; first < run.slots; first += kChunk) {
      const size_t n = std::min(kChunk, run.slots - first);
      std::array<int16_t, kChunk> sums;
      std::array<int32_t, kChunk> wide;
      std::array<float, kChunk> chunk;
      context_.scan.PrefixSums(
          task_.scan,
          run.columns.prefix + first * context_.scan.layout().prefix_bytes,
          ScanLayout::Blocks(n), sums.data());
      std::copy_n(sums.begin(), n, wide.begin());
      StageScoresOf(task_.scan.prefix_units, wide.data(), run.scalars + first,
                    n, chunk.data());
      const uint64_t* const admitted = share->sieve[r].admitted;
      for (size_t i = 0; i < n; ++i) {
        const size_t slot = first + i;
        if (chunk[i] < least ||
            (admitted != nullptr &&
             (admitted[slot / 64] >> (slot % 64) & 1) == 0)) {
          continue;
        }
        kept.slots.push_back(static_cast<uint32_t>(slot));
        kept.sums.push_back(sums[i]);
        scores.push_back(chunk[i]);
      }
      if (scores.size() < limit) continue;
      // Makes later slots harder to keep; who is here is cut at the end.
      ranked = scores;
      least = NthLargest(sizes_.prefix, absl::MakeSpan(ranked));
      limit = 2 * scores.size();
    }
    kept.part_ends.push_back(kept.slots.size());
  }
}

float CodeSearch::Threshold(size_t keep) {
  std::vector<float>& ranked = memory_.ranked;
  ranked.clear();
  for (size_t i = 0; i < shares_; ++i) {
    const std::vector<float>& scores = memory_.shares[i].scores;
    ranked.insert(ranked.end(), scores.begin(), scores.end());
  }
  return ranked.size() <= keep ? kLeast
                               : NthLargest(keep, absl::MakeSpan(ranked));
}

namespace {

// Removes survivors with scores below `least`; sums[i] goes with survivor i.
template <typename Sum>
void Retain(float least, std::vector<float>* scores, std::vector<Sum>* sums,
            Survivors* survivors) {
  if (least == kLeast) return;
  size_t from = 0;
  size_t to = 0;
  for (size_t& end : survivors->part_ends) {
    for (; from < end; ++from) {
      survivors->slots[to] = survivors->slots[from];
      (*sums)[to] = (*sums)[from];
      to += (*scores)[from] >= least;
    }
    end = to;
  }
  survivors->slots.resize(to);
  sums->resize(to);
}

}  // namespace

void CodeSearch::CutPrefix() {
  if (context_.metric == Metric::kCosine) {
    if (shares_ == 1) return;
    std::vector<Survivors*> all;
    for (size_t i = 0; i < shares_; ++i) {
      all.push_back(&memory_.shares[i].survivors);
    }
    CutSurvivors(task_.scan, sizes_.prefix, all);
    return;
  }
  const float least = Threshold(sizes_.prefix);
  for (size_t i = 0; i < shares_; ++i) {
    Share& share = memory_.shares[i];
    Retain(least, &share.scores, &share.survivors.sums, &share.survivors);
  }
}

void CodeSearch::ScanSignPlane(Share* share) const {
  const Survivors& survivors = share->survivors;
  const size_t size = survivors.size();
  share->sums.resize(size);
  share->scores.resize(size);
  share->scalars.resize(size);
  size_t begin = 0;
  for (size_t r = 0; r < share->runs.size(); ++r) {
    const ScanRun& run = share->runs[r];
    const size_t end = survivors.part_ends[r];
    const auto slots =
        absl::MakeConstSpan(survivors.slots).subspan(begin, end - begin);
    context_.scan.SignSums(task_.scan, run.columns, slots,
                           survivors.sums.data() + begin,
                           share->sums.data() + begin);
    if (context_.metric != Metric::kCosine) {
      for (size_t i = begin; i < end; ++i) {
        share->scalars[i] = run.scalars[survivors.slots[i]];
      }
    }
    begin = end;
  }
  StageScoresOf(task_.scan.sign_units, share->sums.data(),
                share->scalars.data(), size, share->scores.data());
}

void CodeSearch::CutSignPlane() {
  const float least = Threshold(sizes_.sign);
  for (size_t i = 0; i < shares_; ++i) {
    Share& share = memory_.shares[i];
    Retain(least, &share.scores, &share.sums, &share.survivors);
  }
}

void CodeSearch::ScanFullCode(Share* share, TopSlots* top) const {
  const Survivors& survivors = share->survivors;
  const size_t size = survivors.size();
  const bool sketch = context_.scan.layout().has_sketch;
  share->full_sums.resize(size);
  share->sketch_sums.resize(sketch ? size : 0);
  share->scores.resize(size);
  share->scalars.resize(size);
  size_t begin = 0;
  for (size_t r = 0; r < share->runs.size(); ++r) {
    const ScanRun& run = share->runs[r];
    const size_t end = survivors.part_ends[r];
    const auto slots =
        absl::MakeConstSpan(survivors.slots).subspan(begin, end - begin);
    context_.scan.FullSums(task_.scan, run.columns, slots,
                           share->sums.data() + begin,
                           share->full_sums.data() + begin);
    if (sketch) {
      context_.scan.SketchSums(task_.scan, run.columns, slots,
                               share->sketch_sums.data() + begin);
    }
    for (size_t i = begin; i < end; ++i) {
      share->scalars[i] = run.scalars[survivors.slots[i]];
    }
    begin = end;
  }
  context_.scan.FullScores(*task_.prepared, context_.metric,
                           share->full_sums.data(),
                           sketch ? share->sketch_sums.data() : nullptr,
                           share->scalars.data(), size, share->scores.data());
  begin = 0;
  for (size_t r = 0; r < share->runs.size(); ++r) {
    const auto first = static_cast<uint32_t>(share->runs[r].first);
    for (size_t i = begin; i < survivors.part_ends[r]; ++i) {
      const float score =
          context_.metric == Metric::kL2 ? -share->scores[i] : share->scores[i];
      top->Offer({score, first + survivors.slots[i], share->parts[r]});
    }
    begin = survivors.part_ends[r];
  }
}

}  // namespace corkscrew
