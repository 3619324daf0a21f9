#include "db/code_search.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
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
// Fewer queries do not pay for making blocks ready for sharing.
constexpr size_t kMinSharing = 3;
// Slots that searches of a thread keep memory for.
constexpr size_t kKeptSlots = size_t{1} << 20;

constexpr float kLeast = -std::numeric_limits<float>::infinity();

// Survivors ahead whose bytes are fetched from memory. Kernels look ahead
// within a run; runs of the growing block are short.
constexpr size_t kAhead = 32;
// Of a query: before the full codes are asked for.
constexpr size_t kFetched = 256;

// Fetches what survivors of later runs need.
class RunsAhead {
 public:
  RunsAhead(const CodeSearchMemory::Share& share, const Survivors& survivors)
      : share_(share), survivors_(survivors) {}

  // Calls fetch(run, slot) for survivors from `first` on, each once, as far as
  // to look ahead of `first`.
  template <typename Fetch>
  void From(size_t first, const Fetch& fetch) {
    next_ = std::max(next_, first);
    const size_t end = std::min(first + kAhead, survivors_.size());
    for (; next_ < end; ++next_) {
      while (survivors_.part_ends[run_] <= next_) ++run_;
      fetch(share_.runs[run_], size_t{survivors_.slots[next_]});
    }
  }

 private:
  const CodeSearchMemory::Share& share_;
  const Survivors& survivors_;
  size_t next_ = 0;
  size_t run_ = 0;
};

}  // namespace

void CodeSearchMemory::Shrink(size_t kept_slots) {
  if (kept_slots > kKeptSlots) *this = CodeSearchMemory();
}

CodeSearch::CodeSearch(const SearchContext& context,
                       absl::Span<const SearchTask> tasks, size_t threads,
                       CodeSearchMemory* memory)
    : context_(context),
      tasks_(tasks),
      threads_(std::max<size_t>(1, threads)),
      memory_(*memory) {}

CodeSearch::~CodeSearch() {
  memory_.Shrink(
      std::max(sizes_.prefix * tasks_.size(), memory_.selected.slots() / 32));
}

template <typename Work>
void CodeSearch::ForEachShare(const Work& work) {
  RunUnits(shares_, shares_, [&](size_t, size_t unit) {
    work(&memory_.shares[unit]);
    return true;
  });
}

void CodeSearch::Run(
    absl::FunctionRef<bool()> go_on,
    absl::FunctionRef<bool(const SearchTask&, absl::Span<Candidate>)> use) {
  const SearchTask& first = tasks_[0];
  memory_.selected.Select(context_.view, first.filter);
  const size_t eligible = memory_.selected.count();
  if (eligible == 0) {
    for (const SearchTask& task : tasks_) {
      if (!use(task, {})) return;
    }
    return;
  }
  sizes_ = SizesOf(context_.scan.layout(), first.k, first.query->oversample,
                   context_.rescored, eligible);
  MakeShares();
  const bool sieved = context_.metric == Metric::kCosine;
  ForEachShare([this, sieved](Share* share) {
    sieved ? ScanPrefixes(share) : ScorePrefixes(share);
  });
  if (!go_on()) return;
  const size_t tasks = tasks_.size();
  for (size_t task = 0; task < tasks; ++task) CutPrefix(task);
  ForEachShare([this](Share* share) { ScanSignPlanes(share); });
  if (!go_on()) return;
  for (size_t task = 0; task < tasks; ++task) {
    for (size_t i = 0; i < shares_; ++i) {
      ScoreSignPlane(task, &memory_.shares[i]);
    }
    CutSignPlane(task);
  }
  // What a task reads is on its way from memory while others are at work.
  const auto fetch = [this](size_t task) {
    for (size_t i = 0; i < shares_; ++i) {
      FetchFullCode(task, memory_.shares[i]);
    }
  };
  fetch(0);
  for (size_t task = 0; task < tasks; ++task) {
    if (task + 1 < tasks) fetch(task + 1);
    for (size_t i = 0; i < shares_; ++i) {
      ScanFullCode(task, &memory_.shares[i]);
    }
    std::vector<Candidate>& best = memory_.best[task % 2];
    TakeBest(task, &best);
    if (context_.rescored && tasks > 1) FetchColumn(context_, best);
    if (task == 0) continue;
    if (!use(tasks_[task - 1], absl::MakeSpan(memory_.best[(task - 1) % 2]))) {
      return;
    }
  }
  use(tasks_[tasks - 1], absl::MakeSpan(memory_.best[(tasks - 1) % 2]));
}

// Deals out the runs of all parts, in order, in pieces of about the same size.
void CodeSearch::MakeShares() {
  const SelectedSlots& selected = memory_.selected;
  size_t slots = 0;
  for (size_t part = 0; part < context_.view.parts.size(); ++part) {
    if (selected.HasAny(part)) slots += context_.view.parts[part].slots;
  }
  shares_ = std::clamp<size_t>(slots / kSlotsPerThread, 1, threads_);
  memory_.queries.clear();
  for (const SearchTask& task : tasks_) memory_.queries.push_back(task.scan);
  const size_t size = (slots / shares_ / kChunk + 1) * kChunk;
  if (memory_.shares.size() < shares_) memory_.shares.resize(shares_);
  for (size_t i = 0; i < shares_; ++i) {
    memory_.shares[i].runs.clear();
    memory_.shares[i].parts.clear();
    memory_.shares[i].sieve.clear();
    if (memory_.shares[i].survivors.size() < tasks_.size()) {
      memory_.shares[i].survivors.resize(tasks_.size());
      memory_.shares[i].sums.resize(tasks_.size());
      memory_.shares[i].scores.resize(tasks_.size());
    }
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

void CodeSearch::ScanPrefixes(Share* share) const {
  share->sieved.clear();
  for (size_t task = 0; task < tasks_.size(); ++task) {
    share->sieved.push_back(&share->survivors[task]);
  }
  RunSieves(context_.scan, memory_.queries, share->sieve, sizes_.prefix,
            share->sieved);
}

// As ScanPrefixes(), where lengths matter.
void CodeSearch::ScorePrefixes(Share* share) const {
  const size_t tasks = tasks_.size();
  for (size_t task = 0; task < tasks; ++task) {
    share->survivors[task].slots.clear();
    share->survivors[task].sums.clear();
    share->survivors[task].part_ends.clear();
    share->scores[task].clear();
  }
  share->least.assign(tasks, kLeast);
  share->limit.assign(tasks, 2 * sizes_.prefix + kChunk);
  const bool sharing = tasks >= kMinSharing;
  const size_t chunk =
      sharing ? std::min(kChunk, SharedBlocks::kMaxBlocks * kScanBlock)
              : kChunk;
  SharedBlocks shared;
  std::array<int16_t, kChunk> sums;
  for (size_t r = 0; r < share->runs.size(); ++r) {
    const ScanRun& run = share->runs[r];
    for (size_t first = 0; first < run.slots; first += chunk) {
      const size_t n = std::min(chunk, run.slots - first);
      const size_t blocks = ScanLayout::Blocks(n);
      const uint8_t* const prefix =
          run.columns.prefix + first * context_.scan.layout().prefix_bytes;
      if (sharing) context_.scan.Share(prefix, blocks, &shared);
      for (size_t task = 0; task < tasks; ++task) {
        if (sharing) {
          context_.scan.PrefixSums(*tasks_[task].scan, shared, sums.data());
        } else {
          context_.scan.PrefixSums(*tasks_[task].scan, prefix, blocks,
                                   sums.data());
        }
        KeepPrefixes(task, r, first, n, sums.data(), share);
      }
    }
    for (size_t task = 0; task < tasks; ++task) {
      Survivors& kept = share->survivors[task];
      kept.part_ends.push_back(kept.slots.size());
    }
  }
}

// Keeps those of `n` slots of a run, from `first` on, that may be among the
// best of a task. `sums` [n] are theirs.
void CodeSearch::KeepPrefixes(size_t task, size_t run_number, size_t first,
                              size_t n, const int16_t* sums,
                              Share* share) const {
  const ScanRun& run = share->runs[run_number];
  const uint64_t* const admitted = share->sieve[run_number].admitted;
  Survivors& kept = share->survivors[task];
  RawVector<float>& scores = share->scores[task];
  const float least = share->least[task];
  std::array<float, kChunk> chunk;
  share->wide.assign(sums, sums + n);
  StageScoresOf(tasks_[task].scan->prefix_units, share->wide.data(),
                run.scalars + first, n, chunk.data());
  for (size_t begin = 0; begin < n; begin += kScanBlock) {
    const size_t count = std::min(kScanBlock, n - begin);
    // Bits first: whether a slot is kept can not be predicted.
    uint64_t kept_slots = 0;
    for (size_t i = 0; i < count; ++i) {
      kept_slots |= uint64_t{chunk[begin + i] >= least} << i;
    }
    if (admitted != nullptr) {
      kept_slots &= admitted[(first + begin) / kScanBlock];
    }
    size_t to = scores.size();
    kept.slots.resize(to + kScanBlock);
    kept.sums.resize(to + kScanBlock);
    scores.resize(to + kScanBlock);
    for (; kept_slots != 0; kept_slots &= kept_slots - 1, ++to) {
      const size_t i = begin + std::countr_zero(kept_slots);
      kept.slots[to] = static_cast<uint32_t>(first + i);
      kept.sums[to] = sums[i];
      scores[to] = chunk[i];
    }
    kept.slots.resize(to);
    kept.sums.resize(to);
    scores.resize(to);
  }
  if (scores.size() < share->limit[task]) return;
  // Makes later slots harder to keep; who is here is cut at the end.
  share->ranked = scores;
  share->least[task] = NthLargest(sizes_.prefix, absl::MakeSpan(share->ranked));
  share->limit[task] = 2 * scores.size();
}

float CodeSearch::Threshold(size_t task, size_t keep) {
  size_t size = 0;
  for (size_t i = 0; i < shares_; ++i) {
    size += memory_.shares[i].scores[task].size();
  }
  if (size <= keep) return kLeast;
  RawVector<float>& ranked = memory_.ranked;
  ranked.resize(size);
  float* to = ranked.data();
  for (size_t i = 0; i < shares_; ++i) {
    const RawVector<float>& scores = memory_.shares[i].scores[task];
    to = std::copy(scores.begin(), scores.end(), to);
  }
  return NthLargest(keep, absl::MakeSpan(ranked));
}

void CodeSearch::CutPrefix(size_t task) {
  if (context_.metric == Metric::kCosine) {
    if (shares_ == 1) return;
    memory_.cut.clear();
    for (size_t i = 0; i < shares_; ++i) {
      memory_.cut.push_back(&memory_.shares[i].survivors[task]);
    }
    CutSurvivors(*tasks_[task].scan, sizes_.prefix, memory_.cut);
    return;
  }
  const float least = Threshold(task, sizes_.prefix);
  if (least == kLeast) return;
  for (size_t i = 0; i < shares_; ++i) {
    const RawVector<float>& scores = memory_.shares[i].scores[task];
    Survivors& survivors = memory_.shares[i].survivors[task];
    size_t from = 0;
    size_t to = 0;
    for (size_t& end : survivors.part_ends) {
      for (; from < end; ++from) {
        survivors.slots[to] = survivors.slots[from];
        survivors.sums[to] = survivors.sums[from];
        to += scores[from] >= least ? 1 : 0;
      }
      end = to;
    }
    survivors.slots.resize(to);
    survivors.sums.resize(to);
  }
}

void CodeSearch::ScanSignPlanes(Share* share) const {
  const size_t tasks = tasks_.size();
  const size_t row_bytes = context_.scan.layout().rest_bytes;
  share->begins.assign(tasks, 0);
  share->run_slots.resize(tasks);
  share->prefix_sums.resize(tasks);
  share->sign_sums.resize(tasks);
  for (size_t task = 0; task < tasks; ++task) {
    share->sums[task].resize(share->survivors[task].size());
  }
  RunsAhead ahead(*share, share->survivors[0]);
  const auto fetch = [row_bytes](const ScanRun& run, size_t slot) {
    PrefetchBytes(run.columns.rest + slot * row_bytes, row_bytes);
  };
  ahead.From(0, fetch);
  for (size_t r = 0; r < share->runs.size(); ++r) {
    ahead.From(share->survivors[0].part_ends[r], fetch);
    for (size_t task = 0; task < tasks; ++task) {
      const Survivors& survivors = share->survivors[task];
      const size_t begin = share->begins[task];
      const size_t end = survivors.part_ends[r];
      share->run_slots[task] =
          absl::MakeConstSpan(survivors.slots).subspan(begin, end - begin);
      share->prefix_sums[task] = survivors.sums.data() + begin;
      share->sign_sums[task] = share->sums[task].data() + begin;
      share->begins[task] = end;
    }
    const ScanColumns& columns = share->runs[r].columns;
    if (tasks == 1) {
      context_.scan.SignSums(*tasks_[0].scan, columns, share->run_slots[0],
                             share->prefix_sums[0], share->sign_sums[0]);
    } else {
      context_.scan.SignSums(memory_.queries, columns, share->run_slots,
                             share->prefix_sums,
                             absl::MakeSpan(share->sign_sums));
    }
  }
}

void CodeSearch::ScoreSignPlane(size_t task, Share* share) const {
  const Survivors& survivors = share->survivors[task];
  const size_t size = survivors.size();
  share->scores[task].resize(size);
  if (context_.metric != Metric::kCosine) {
    share->scalars.resize(size);
    size_t i = 0;
    for (size_t r = 0; r < share->runs.size(); ++r) {
      const CodeScalars* const scalars = share->runs[r].scalars;
      for (; i < survivors.part_ends[r]; ++i) {
        share->scalars[i] = scalars[survivors.slots[i]];
      }
    }
  }
  StageScoresOf(tasks_[task].scan->sign_units, share->sums[task].data(),
                share->scalars.data(), size, share->scores[task].data());
}

void CodeSearch::CutSignPlane(size_t task) {
  const float least = Threshold(task, sizes_.sign);
  if (least == kLeast) return;
  for (size_t i = 0; i < shares_; ++i) {
    Share& share = memory_.shares[i];
    Survivors& survivors = share.survivors[task];
    size_t from = 0;
    size_t to = 0;
    for (size_t& end : survivors.part_ends) {
      to = MoveAtLeast(least, share.scores[task].data(), from, end, to,
                       survivors.slots.data(), share.sums[task].data());
      from = end;
      end = to;
    }
    survivors.slots.resize(to);
    share.sums[task].resize(to);
  }
}

void CodeSearch::FetchFullCode(size_t task, const Share& share) const {
  const size_t row_bytes = context_.scan.layout().low_bytes;
  const Survivors& survivors = share.survivors[task];
  size_t i = 0;
  for (size_t r = 0; r < share.runs.size(); ++r) {
    const ScanRun& run = share.runs[r];
    for (; i < survivors.part_ends[r]; ++i) {
      if (i == kFetched) return;
      const size_t slot = survivors.slots[i];
      PrefetchBytes(run.columns.low + slot * row_bytes, row_bytes);
      __builtin_prefetch(run.scalars + slot);
    }
  }
}

void CodeSearch::ScanFullCode(size_t task, Share* share) const {
  const ScanQuery& query = *tasks_[task].scan;
  const Survivors& survivors = share->survivors[task];
  const size_t size = survivors.size();
  const bool sketch = context_.scan.layout().has_sketch;
  RawVector<float>& scores = share->scores[task];
  share->full_sums.resize(size);
  share->sketch_sums.resize(sketch ? size : 0);
  scores.resize(size);
  share->scalars.resize(size);
  const size_t row_bytes = context_.scan.layout().low_bytes;
  RunsAhead ahead(*share, survivors);
  const auto fetch = [=](const ScanRun& run, size_t slot) {
    PrefetchBytes(run.columns.low + slot * row_bytes, row_bytes);
    __builtin_prefetch(run.scalars + slot);
  };
  size_t begin = 0;
  for (size_t r = 0; r < share->runs.size(); ++r) {
    const ScanRun& run = share->runs[r];
    const size_t end = survivors.part_ends[r];
    if (end >= kFetched) ahead.From(end, fetch);
    const auto slots =
        absl::MakeConstSpan(survivors.slots).subspan(begin, end - begin);
    context_.scan.FullSums(query, run.columns, slots,
                           share->sums[task].data() + begin,
                           share->full_sums.data() + begin);
    if (sketch) {
      context_.scan.SketchSums(query, run.columns, slots,
                               share->sketch_sums.data() + begin);
    }
    for (size_t i = begin; i < end; ++i) {
      share->scalars[i] = run.scalars[survivors.slots[i]];
    }
    begin = end;
  }
  context_.scan.FullScores(query, context_.metric, share->full_sums.data(),
                           sketch ? share->sketch_sums.data() : nullptr,
                           share->scalars.data(), size, scores.data());
  if (context_.metric != Metric::kL2) return;
  for (float& score : scores) score = -score;
}

void CodeSearch::TakeBest(size_t task, std::vector<Candidate>* out) {
  std::vector<Candidate>& best = *out;
  best.clear();
  if (sizes_.full == 0) return;
  const float least = Threshold(task, sizes_.full);
  for (size_t i = 0; i < shares_; ++i) {
    const Share& share = memory_.shares[i];
    const Survivors& survivors = share.survivors[task];
    const RawVector<float>& scores = share.scores[task];
    size_t begin = 0;
    for (size_t r = 0; r < share.runs.size(); ++r) {
      const auto first = static_cast<uint32_t>(share.runs[r].first);
      for (; begin < survivors.part_ends[r]; ++begin) {
        if (scores[begin] < least) continue;
        best.push_back(
            {scores[begin], first + survivors.slots[begin], share.parts[r]});
      }
    }
  }
  if (best.size() > sizes_.full) {  // Ties with the last one.
    std::nth_element(best.begin(),
                     best.begin() + static_cast<ptrdiff_t>(sizes_.full),
                     best.end(), BestFirst{&context_.view});
    best.resize(sizes_.full);
  }
}

}  // namespace corkscrew
