#include "db/search_stages.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "db/rescore_row.h"

namespace corkscrew {
namespace {

float Oriented(Metric metric, float score) {
  return metric == Metric::kL2 ? -score : score;
}

Lengths LengthsFrom(double n2) { return {std::sqrt(n2), n2}; }

// Candidates whose rows are fetched from memory ahead of use.
constexpr size_t kRowsAhead = 4;

void Prefetch(absl::string_view row) {
  constexpr size_t kCacheLine = 64;
  for (size_t i = 0; i < row.size(); i += kCacheLine) {
    __builtin_prefetch(row.data() + i);
  }
}

// Rows of the rescore column; those that are damaged are made again.
class RowReader {
 public:
  RowReader(const SearchContext& context, size_t dim)
      : context_(context), dim_(dim) {}

  // Where the row lies; empty if it is damaged.
  absl::string_view Find(uint32_t part, uint32_t slot) const {
    return context_.view.parts[part].block->rescore_row(slot);
  }

  // `bytes` is what Find() returned. Valid until the next call.
  absl::StatusOr<RescoreRow> Read(uint32_t part, uint32_t slot,
                                  absl::string_view bytes) {
    if (!bytes.empty()) return ReadRescoreRow(bytes);
    const BodyKey body = context_.view.parts[part].block->body(slot);
    std::vector<float> original(dim_);
    CORKSCREW_RETURN_IF_ERROR(
        context_.originals.ReadOriginals({&body, 1}, absl::MakeSpan(original)));
    made_.resize(RescoreRowBytes(dim_));
    WriteRescoreRow(original, made_.data());
    return ReadRescoreRow(made_);
  }

 private:
  const SearchContext& context_;
  const size_t dim_;
  std::string made_;
};

// Originals are read in parts of this size at most.
constexpr size_t kReadBytes = size_t{4} << 20;

size_t RowsPerRead(size_t dim) {
  return std::max<size_t>(16, kReadBytes / (dim * sizeof(float)));
}

}  // namespace

void SelectedSlots::Select(const IndexView& view, const SlotFilter& filter) {
  parts_.clear();
  count_ = 0;
  size_t words = 0;
  for (const IndexView::Part& part : view.parts) {
    parts_.push_back({words, part.slots, 0});
    words += (part.slots + 63) / 64;
  }
  words_.resize(words);
  for (size_t part = 0; part < parts_.size(); ++part) {
    if (!filter.Reads(part)) continue;
    parts_[part].count =
        filter.Select(part, words_.data() + parts_[part].begin);
    count_ += parts_[part].count;
  }
}

absl::StatusOr<std::vector<Candidate>> RescoreWithColumn(
    const SearchContext& context, const SearchTask& task,
    absl::Span<const Candidate> candidates) {
  const absl::Span<const float> query = task.query->vector;
  TopSlots top(task.k, BestFirst{&context.view});
  RowReader rows(context, query.size());
  std::vector<absl::string_view> found;
  found.reserve(candidates.size());
  for (const Candidate& c : candidates) {
    found.push_back(rows.Find(c.part, c.slot));
    if (found.size() <= kRowsAhead) Prefetch(found.back());
  }
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (i + kRowsAhead < found.size()) Prefetch(found[i + kRowsAhead]);
    const Candidate& c = candidates[i];
    CORKSCREW_ASSIGN_OR_RETURN(const RescoreRow row,
                               rows.Read(c.part, c.slot, found[i]));
    const float score = ScoreFromDot(
        context.metric, Dot8Fixed(row.factors, row.fixed.scale, query),
        LengthsFrom(row.fixed.n2), task.lengths);
    top.Offer({Oriented(context.metric, score), c.slot, c.part});
  }
  return top.TakeSorted();
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
      const absl::Span<const float> vector(vectors.data() + i * dim, dim);
      part[i].score = Oriented(
          context.metric,
          ScoreFromDot(context.metric, Dot8(vector, task.query->vector),
                       LengthsOf(vector), task.lengths));
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
                               const SearchTask& task,
                               const SelectedSlots& selected,
                               const SlotRange& range, OpenSlots* open) {
  const absl::Span<const float> query = task.query->vector;
  RowReader rows(context, query.size());
  for (size_t slot = range.first; slot < range.last; ++slot) {
    if (!selected.Has(range.part, slot)) continue;
    const auto number = static_cast<uint32_t>(slot);
    CORKSCREW_ASSIGN_OR_RETURN(
        const RescoreRow row,
        rows.Read(range.part, number, rows.Find(range.part, number)));
    float nearest;
    float farthest;
    ScoreBounds(context.metric, Dot8Fixed(row.factors, row.fixed.scale, query),
                row.fixed.error, LengthsFrom(row.n2), task.lengths, &nearest,
                &farthest);
    open->Offer(range.part, number, Oriented(context.metric, farthest),
                Oriented(context.metric, nearest));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Candidate>> Settle(const SearchContext& context,
                                              const SearchTask& task,
                                              std::vector<Candidate> open) {
  const BestFirst before{&context.view};
  const size_t k = task.k;
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
