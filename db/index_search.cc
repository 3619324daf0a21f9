#include "db/index_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "db/code_search.h"
#include "db/parallel.h"
#include "quant/rescore.h"

namespace corkscrew {
namespace {

// Slots that a thread of an exact search takes at a time.
constexpr size_t kUnit = 4096;
// Scores below which starting threads costs more than it saves.
constexpr size_t kThreadsFrom = 32 * 1024;
// Scores between two calls of `cancelled`; finishing a query counts as some.
constexpr size_t kAskEvery = 64 * 1024;
constexpr size_t kFinish = 4 * 1024;

absl::Status CancelledError() {
  return absl::CancelledError("search: cancelled by the caller");
}

}  // namespace

IndexSearch::IndexSearch(const IndexOptions& options,
                         const SearchContext& context,
                         absl::Span<const IndexQuery> queries,
                         const std::function<bool()>& cancelled)
    : options_(options),
      context_(context),
      queries_(queries),
      cancelled_(cancelled) {}

absl::Status IndexSearch::Prepare() {
  tasks_.reserve(queries_.size());
  for (const IndexQuery& query : queries_) {
    if (query.vector.size() != options_.quantizer.dim) {
      return absl::InvalidArgumentError(
          absl::StrCat("query vector has ", query.vector.size(),
                       " coordinates, want ", options_.quantizer.dim));
    }
    if (query.exact && !options_.rescore_column) {
      return absl::FailedPreconditionError(
          "exact search needs stored vectors; the collection keeps codes only");
    }
    const Lamport now = context_.view.now;
    const Lamport at = std::min(query.at.value_or(now), now);
    SearchTask& task = tasks_.emplace_back(
        SearchTask{&query, query.k + (query.exclude_id.empty() ? 0 : 1),
                   SlotFilter(context_.view, at, query.filter)});
    if (options_.rescore_column) task.lengths = LengthsOf(query.vector);
    if (query.exact) continue;
    CORKSCREW_ASSIGN_OR_RETURN(task.prepared,
                               context_.quantizer.Prepare(query.vector));
    task.scan = context_.scan.Prepare(*task.prepared);
  }
  return absl::OkStatus();
}

size_t IndexSearch::SlotsOfView() const {
  size_t slots = 0;
  for (const IndexView::Part& part : context_.view.parts) slots += part.slots;
  return slots;
}

bool IndexSearch::IsCancelled(size_t scores) {
  if (cancelled_ == nullptr) return false;
  if (scores < scores_until_asked_) {
    scores_until_asked_ -= scores;
    return false;
  }
  scores_until_asked_ = kAskEvery;
  return cancelled_();
}

absl::StatusOr<std::vector<std::vector<IndexHit>>> IndexSearch::Run() {
  if (IsCancelled(0)) return CancelledError();
  const size_t slots = SlotsOfView();
  // Queries side by side rather than the slots of each, if there are enough.
  const bool side_by_side = tasks_.size() >= options_.threads &&
                            slots * tasks_.size() >= kThreadsFrom;
  const size_t threads = std::max<size_t>(1, options_.threads);
  std::vector<std::vector<IndexHit>> hits(tasks_.size());
  std::vector<absl::Status> statuses(tasks_.size());
  const auto run = [&](size_t worker, size_t i) {
    const SearchTask& task = tasks_[i];
    if (task.query->exact) return true;
    if (worker == 0 && IsCancelled(slots + kFinish)) return false;
    const Best best = RunByCodes(task, side_by_side ? 1 : threads);
    statuses[i] = best.status();
    if (best.ok()) hits[i] = Hits(*task.query, *best);
    return true;
  };
  if (!RunUnits(tasks_.size(), side_by_side ? threads : 1, run)) {
    return CancelledError();
  }
  for (size_t i = 0; i < tasks_.size(); ++i) {
    if (!tasks_[i].query->exact) continue;
    const Best best = RunExact(tasks_[i]);
    statuses[i] = best.status();
    if (best.ok()) hits[i] = Hits(*tasks_[i].query, *best);
    if (absl::IsCancelled(statuses[i])) return statuses[i];
  }
  for (absl::Status& status : statuses) {
    CORKSCREW_RETURN_IF_ERROR(std::move(status));
  }
  return hits;
}

IndexSearch::Best IndexSearch::RunByCodes(const SearchTask& task,
                                          size_t threads) const {
  // Kept by the thread: a search allocates nothing but its results.
  thread_local CodeSearchMemory memory;
  TopSlots top = CodeSearch(context_, task, threads, &memory).Run();
  if (!options_.rescore_column) return top.TakeSorted();
  return RescoreWithColumn(context_, task, top.Take());
}

IndexSearch::Best IndexSearch::RunExact(const SearchTask& task) {
  SelectedSlots selected;
  selected.Select(context_.view, task.filter);
  std::vector<SlotRange> units;
  for (size_t part = 0; part < context_.view.parts.size(); ++part) {
    if (!selected.HasAny(part)) continue;
    const size_t slots = context_.view.parts[part].slots;
    for (size_t first = 0; first < slots; first += kUnit) {
      units.push_back(
          {static_cast<uint32_t>(part), first, std::min(slots, first + kUnit)});
    }
  }
  const size_t threads = selected.count() < kThreadsFrom
                             ? 1
                             : std::max<size_t>(1, options_.threads);
  std::vector<OpenSlots> open(threads, OpenSlots(task.k));
  std::vector<absl::Status> statuses(threads);
  if (!RunUnits(units.size(), threads, [&](size_t worker, size_t unit) {
        const SlotRange& range = units[unit];
        if (worker == 0 && IsCancelled(range.last - range.first)) return false;
        statuses[worker].Update(
            ScanRescoreColumn(context_, task, selected, range, &open[worker]));
        return statuses[worker].ok();
      })) {
    for (absl::Status& status : statuses) {
      CORKSCREW_RETURN_IF_ERROR(std::move(status));
    }
    return CancelledError();
  }
  for (size_t worker = 1; worker < threads; ++worker) {
    open[0].Merge(std::move(open[worker]));
  }
  return Settle(context_, task, open[0].Take());
}

std::vector<IndexHit> IndexSearch::Hits(
    const IndexQuery& query, absl::Span<const Candidate> best) const {
  const bool l2 = options_.metric == Metric::kL2;
  std::vector<IndexHit> hits;
  hits.reserve(best.size());
  for (const Candidate& candidate : best) {
    if (hits.size() == query.k) break;
    // 0 - x rather than -x: no negative zero.
    const float score = l2 ? 0 - candidate.score : candidate.score;
    if (query.min_score.has_value() &&
        (l2 ? score > *query.min_score : score < *query.min_score)) {
      break;
    }
    const SlotBlock& block = context_.view.block(candidate);
    if (!query.exclude_id.empty() &&
        block.id(candidate.slot) == query.exclude_id) {
      continue;
    }
    hits.push_back({block.body(candidate.slot), score});
  }
  return hits;
}

}  // namespace corkscrew
