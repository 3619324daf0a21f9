#include "db/search_stages.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/status_macros.h"

namespace corkscrew {
namespace {

// Slots per call of the scoring kernel, so that several queries find the codes
// in the first-level cache.
constexpr size_t kScoreBlock = 256;
// Slots that are passed over with one test.
constexpr size_t kTestBlock = 64;

// Whether one of `scores` [n] is `threshold` or better. Without branches, so
// that the compiler uses vectors.
bool AnyReaches(const float* scores, size_t n, float threshold) {
  int hits = 0;
  if (n == kTestBlock) {
    for (size_t i = 0; i < kTestBlock; ++i) hits += scores[i] >= threshold;
  } else {
    for (size_t i = 0; i < n; ++i) hits += scores[i] >= threshold;
  }
  return hits != 0;
}

void OfferBlock(const SlotFilter& filter, const float* scores, uint32_t part,
                size_t first, size_t n, TopSlots* top) {
  for (size_t begin = 0; begin < n; begin += kTestBlock) {
    const size_t end = std::min(n, begin + kTestBlock);
    if (!AnyReaches(scores + begin, end - begin, top->threshold())) continue;
    for (size_t i = begin; i < end; ++i) {
      if (scores[i] >= top->threshold() && filter.Admits(part, first + i)) {
        top->Offer({scores[i], static_cast<uint32_t>(first + i), part});
      }
    }
  }
}

float Oriented(Metric metric, float score) {
  return metric == Metric::kL2 ? -score : score;
}

Lengths LengthsFrom(double n2) { return {std::sqrt(n2), n2}; }

// Slots whose rows are multiplied with the query in one call of the kernel.
class RowBatch {
 public:
  RowBatch(const SearchContext& context, const SearchTask& task)
      : context_(context), query_(task.query->vector) {}

  bool full() const { return size_ == kSize; }
  absl::Status Push(uint32_t part, uint32_t slot) {
    const SlotBlock& block = *context_.view.parts[part].block;
    slots_[size_] = {0, slot, part};
    rows_[size_] = block.rescore_row(slot);
    if (rows_[size_].row.empty()) {
      CORKSCREW_RETURN_IF_ERROR(MakeRow(block, slot));
    }
    values_[size_] = rows_[size_].row.data();
    ++size_;
    return absl::OkStatus();
  }

  // Calls visit(candidate, row, dot) for each and leaves the batch empty.
  template <typename Visit>
  void ForEachDot(const Visit& visit) {
    std::array<double, kSize> dots;
    Dot8BFloat16({values_.data(), size_}, query_, {dots.data(), size_});
    for (size_t i = 0; i < size_; ++i) visit(slots_[i], rows_[i], dots[i]);
    size_ = 0;
    made_.clear();
  }

 private:
  static constexpr size_t kSize = 128;

  // Rounding the original again gives the row that was there.
  absl::Status MakeRow(const SlotBlock& block, uint32_t slot) {
    const BodyKey body = block.body(slot);
    std::vector<float> original(query_.size());
    CORKSCREW_RETURN_IF_ERROR(
        context_.originals.ReadOriginals({&body, 1}, absl::MakeSpan(original)));
    std::vector<uint16_t>& row = made_.emplace_back(query_.size());
    RoundToBFloat16(original, absl::MakeSpan(row));
    rows_[size_].row = row;
    return absl::OkStatus();
  }

  const SearchContext& context_;
  const absl::Span<const float> query_;
  size_t size_ = 0;
  std::array<Candidate, kSize> slots_;
  std::array<SlotBlock::RescoreRow, kSize> rows_;
  std::array<const uint16_t*, kSize> values_;
  std::vector<std::vector<uint16_t>> made_;  // Rows that were damaged.
};

// Originals are read in parts of this size at most.
constexpr size_t kReadBytes = size_t{4} << 20;

size_t RowsPerRead(size_t dim) {
  return std::max<size_t>(16, kReadBytes / (dim * sizeof(float)));
}

}  // namespace

void ScanCodes(const SearchContext& context,
               absl::Span<const SearchTask* const> tasks,
               const SlotRange& range, absl::Span<TopSlots> tops) {
  const SlotBlock& block = *context.view.parts[range.part].block;
  const size_t code_bytes = context.quantizer.code_bytes();
  std::array<float, kScoreBlock> scores;
  for (size_t first = range.first; first < range.last;) {
    const SlotBlock::Run run =
        block.RunAt(first, std::min(range.last, first + kScoreBlock));
    for (size_t t = 0; t < tasks.size(); ++t) {
      if (!tasks[t]->filter.Reads(range.part)) continue;
      context.quantizer.Score(*tasks[t]->prepared, context.metric,
                              {run.codes, run.size * code_bytes},
                              {run.scalars, run.size},
                              {scores.data(), run.size});
      if (context.metric == Metric::kL2) {
        for (size_t i = 0; i < run.size; ++i) scores[i] = -scores[i];
      }
      OfferBlock(tasks[t]->filter, scores.data(), range.part, first, run.size,
                 &tops[t]);
    }
    first += run.size;
  }
}

absl::StatusOr<std::vector<Candidate>> RescoreWithColumn(
    const SearchContext& context, const SearchTask& task, size_t keep,
    absl::Span<const Candidate> candidates) {
  TopSlots top(keep, BestFirst{&context.view});
  RowBatch batch(context, task);
  for (size_t i = 0; i < candidates.size(); ++i) {
    CORKSCREW_RETURN_IF_ERROR(
        batch.Push(candidates[i].part, candidates[i].slot));
    if (!batch.full() && i + 1 < candidates.size()) continue;
    batch.ForEachDot([&](const Candidate& of, const SlotBlock::RescoreRow& row,
                         double dot) {
      const float score =
          ScoreFromDot(context.metric, dot, LengthsFrom(row.n2), task.lengths);
      top.Offer({Oriented(context.metric, score), of.slot, of.part});
    });
  }
  return top.Take();
}

absl::Status ScoreOriginals(const SearchContext& context,
                            const SearchTask& task,
                            absl::Span<Candidate> candidates) {
  const size_t dim = task.query->vector.size();
  const size_t rows = std::min(RowsPerRead(dim), candidates.size());
  std::vector<float> vectors(rows * dim);
  std::vector<BodyKey> bodies;
  bodies.reserve(rows);
  while (!candidates.empty()) {
    const absl::Span<Candidate> part = candidates.subspan(0, rows);
    bodies.clear();
    for (const Candidate& c : part) {
      bodies.push_back(context.view.block(c).body(c.slot));
    }
    CORKSCREW_RETURN_IF_ERROR(context.originals.ReadOriginals(
        bodies, absl::MakeSpan(vectors).subspan(0, part.size() * dim)));
    for (size_t i = 0; i < part.size(); ++i) {
      const double dot =
          Dot8({vectors.data() + i * dim, dim}, task.query->vector);
      const double n2 =
          context.view.block(part[i]).rescore_row(part[i].slot).n2;
      part[i].score = Oriented(
          context.metric,
          ScoreFromDot(context.metric, dot, LengthsFrom(n2), task.lengths));
    }
    candidates.remove_prefix(part.size());
  }
  return absl::OkStatus();
}

void OpenSlots::Offer(uint32_t part, uint32_t slot, float lower, float upper) {
  if (upper < lower_.threshold()) return;
  lower_.Offer({lower, slot, part});
  open_.push_back({upper, slot, part});
  if (open_.size() >= prune_at_) Prune();
}

void OpenSlots::Prune() {
  lower_.Cut();
  const float threshold = lower_.threshold();
  std::erase_if(
      open_, [threshold](const Candidate& c) { return c.score < threshold; });
  prune_at_ = std::max<size_t>(1024, 2 * open_.size());
}

void OpenSlots::Merge(OpenSlots other) {
  for (const Candidate& lower : other.lower_.Take()) lower_.Offer(lower);
  open_.insert(open_.end(), other.open_.begin(), other.open_.end());
}

std::vector<Candidate> OpenSlots::Take() {
  Prune();
  return std::move(open_);
}

absl::Status ScanRescoreColumn(const SearchContext& context,
                               const SearchTask& task, const SlotRange& range,
                               OpenSlots* open) {
  if (!task.filter.Reads(range.part)) return absl::OkStatus();
  RowBatch batch(context, task);
  for (size_t slot = range.first; slot < range.last; ++slot) {
    if (task.filter.Admits(range.part, slot)) {
      CORKSCREW_RETURN_IF_ERROR(
          batch.Push(range.part, static_cast<uint32_t>(slot)));
    }
    if (!batch.full() && slot + 1 < range.last) continue;
    batch.ForEachDot(
        [&](const Candidate& of, const SlotBlock::RescoreRow& row, double dot) {
          float nearest;
          float farthest;
          ScoreBounds(context.metric, dot, row.error, LengthsFrom(row.n2),
                      task.lengths, &nearest, &farthest);
          open->Offer(of.part, of.slot, Oriented(context.metric, farthest),
                      Oriented(context.metric, nearest));
        });
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Candidate>> Settle(const SearchContext& context,
                                              const SearchTask& task,
                                              std::vector<Candidate> open) {
  const BestFirst before{&context.view};
  const size_t k = task.query->k;
  std::sort(open.begin(), open.end(), before);
  const size_t rows = RowsPerRead(task.query->vector.size());
  std::vector<Candidate> best;
  size_t next = 0;
  while (next < open.size()) {
    // The rest are no better than their bounds, and these are in order.
    if (best.size() == k && before(best.back(), open[next])) break;
    const size_t size =
        std::min(open.size() - next, next == 0 ? std::min(rows, 2 * k) : rows);
    const auto part = absl::MakeSpan(open).subspan(next, size);
    CORKSCREW_RETURN_IF_ERROR(ScoreOriginals(context, task, part));
    best.insert(best.end(), part.begin(), part.end());
    std::sort(best.begin(), best.end(), before);
    if (best.size() > k) best.resize(k);
    next += size;
  }
  return best;
}

}  // namespace corkscrew
