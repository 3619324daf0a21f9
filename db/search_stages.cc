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

// Rows that are scored together.
constexpr size_t kRowsAtOnce = 4;
// Rows that are fetched from memory ahead of use: the CPU does not see rows
// coming that are read side by side.
constexpr size_t kRowsAhead = 32;

// To the second level: the first is too small for so many rows.
void PrefetchRow(absl::string_view row) {
  constexpr size_t kCacheLine = 64;
  for (size_t i = 0; i < row.size(); i += kCacheLine) {
    __builtin_prefetch(row.data() + i, /*rw=*/0, /*locality=*/2);
  }
  if (row.empty()) return;
  __builtin_prefetch(row.data() + row.size() - 1, /*rw=*/0, /*locality=*/2);
}

// Makes a damaged row again.
//   errors of OriginalReader
absl::Status MakeRow(const SearchContext& context, const BodyKey& body,
                     size_t dim, std::string* row) {
  std::vector<float> original(dim);
  CORKSCREW_RETURN_IF_ERROR(
      context.originals.ReadOriginals({&body, 1}, absl::MakeSpan(original)));
  row->resize(RescoreRowBytes(dim));
  WriteRescoreRow(original, row->data());
  return absl::OkStatus();
}

// Some rows of the rescore column, scored together. Borrows its arguments.
class RowBatch {
 public:
  RowBatch(const SearchContext& context, const SearchTask& task)
      : context_(context), query_(task.query->vector) {}

  bool full() const { return size_ == kRowsAtOnce; }
  size_t size() const { return size_; }
  const RescoreRow& row(size_t i) const { return rows_[i]; }
  // The product of row i and the query; after Multiply().
  double dot(size_t i) const { return dots_[i]; }

  // Adds a row, made again from the original if it is damaged. Not when full().
  //   errors of OriginalReader
  absl::Status Add(uint32_t part, uint32_t slot) {
    const SlotBlock& block = *context_.view.parts[part].block;
    absl::string_view bytes = block.rescore_row(slot);
    if (bytes.empty()) {
      std::string& made = made_[size_];
      CORKSCREW_RETURN_IF_ERROR(
          MakeRow(context_, block.body(slot), query_.size(), &made));
      bytes = made;
    }
    rows_[size_] = ReadRescoreRow(bytes);
    factors_[size_] = rows_[size_].factors.data();
    scales_[size_] = rows_[size_].fixed.scale;
    ++size_;
    return absl::OkStatus();
  }

  void Multiply() {
    Dot8Fixed({factors_.data(), size_}, scales_.data(), query_, dots_.data());
  }
  void Clear() { size_ = 0; }

 private:
  const SearchContext& context_;
  const absl::Span<const float> query_;
  size_t size_ = 0;
  std::array<RescoreRow, kRowsAtOnce> rows_;
  std::array<const int16_t*, kRowsAtOnce> factors_;
  std::array<float, kRowsAtOnce> scales_;
  std::array<double, kRowsAtOnce> dots_;
  std::array<std::string, kRowsAtOnce> made_;
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

absl::Span<Candidate> SortBest(const SearchContext& context,
                               const SearchTask& task,
                               absl::Span<Candidate> candidates) {
  const size_t n = std::min(task.k, candidates.size());
  std::partial_sort(candidates.begin(),
                    candidates.begin() + static_cast<ptrdiff_t>(n),
                    candidates.end(), BestFirst{&context.view});
  return candidates.first(n);
}

void FetchColumn(const SearchContext& context,
                 absl::Span<const Candidate> candidates) {
  for (const Candidate& c : candidates) {
    PrefetchRow(context.view.block(c).rescore_row(c.slot));
  }
}

absl::Status ScoreWithColumn(const SearchContext& context,
                             const SearchTask& task,
                             absl::Span<Candidate> candidates) {
  const auto prefetch = [&](size_t i) {
    if (i >= candidates.size()) return;
    const Candidate& c = candidates[i];
    PrefetchRow(context.view.block(c).rescore_row(c.slot));
  };
  RowBatch batch(context, task);
  for (size_t i = 0; i < kRowsAhead; ++i) prefetch(i);
  for (size_t first = 0; first < candidates.size(); first += batch.size()) {
    batch.Clear();
    while (!batch.full() && first + batch.size() < candidates.size()) {
      prefetch(first + batch.size() + kRowsAhead);
      const Candidate& c = candidates[first + batch.size()];
      CORKSCREW_RETURN_IF_ERROR(batch.Add(c.part, c.slot));
    }
    batch.Multiply();
    for (size_t i = 0; i < batch.size(); ++i) {
      const float score =
          ScoreFromDot(context.metric, batch.dot(i),
                       LengthsFrom(batch.row(i).fixed.n2), task.lengths);
      candidates[first + i].score = Oriented(context.metric, score);
    }
  }
  return absl::OkStatus();
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
  // One row after the other: the CPU sees them coming.
  const SlotBlock& block = *context.view.parts[range.part].block;
  const absl::Span<const float> query = task.query->vector;
  std::string made;
  for (size_t slot = range.first; slot < range.last; ++slot) {
    if (!selected.Has(range.part, slot)) continue;
    absl::string_view bytes = block.rescore_row(slot);
    if (bytes.empty()) {
      CORKSCREW_RETURN_IF_ERROR(
          MakeRow(context, block.body(slot), query.size(), &made));
      bytes = made;
    }
    const RescoreRow row = ReadRescoreRow(bytes);
    float nearest;
    float farthest;
    ScoreBounds(context.metric, Dot8Fixed(row.factors, row.fixed.scale, query),
                row.fixed.error, LengthsFrom(row.n2), task.lengths, &nearest,
                &farthest);
    open->Offer(range.part, static_cast<uint32_t>(slot),
                Oriented(context.metric, farthest),
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
