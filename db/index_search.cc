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
// Queries that are searched together: what they keep stays in the second-level
// cache. They are looked for among as many.
constexpr size_t kTasksPerGroup = 16;
constexpr size_t kTasksSearched = 256;

absl::Status CancelledError() {
  return absl::CancelledError("search: cancelled by the caller");
}

// Null if all records match.
const Filter* FilterOf(const IndexQuery& query) {
  const bool all =
      query.filter == nullptr || query.filter->op == Filter::Op::kAll;
  return all ? nullptr : query.filter;
}

// Whether both see the same slots and keep equally many at each stage.
bool GoTogether(const SearchTask& a, const SearchTask& b) {
  if (&a == &b) return true;
  if (a.query->exact || b.query->exact || a.at != b.at || a.k != b.k ||
      a.query->oversample != b.query->oversample) {
    return false;
  }
  const Filter* const filter = FilterOf(*a.query);
  const Filter* const other = FilterOf(*b.query);
  return filter == other ||
         (filter != nullptr && other != nullptr && *filter == *other);
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
    tasks_.push_back(
        SearchTask{&query, query.k + (query.exclude_id.empty() ? 0 : 1), at,
                   SlotFilter(context_.view, at, query.filter)});
    if (options_.rescore_column) {
      tasks_.back().lengths = LengthsOf(query.vector);
    }
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

void IndexSearch::GroupTasks() {
  if (tasks_.size() == 1) {
    groups_.push_back({0, 1});
    return;
  }
  const size_t threads = std::max<size_t>(1, options_.threads);
  const size_t most =
      std::clamp<size_t>(tasks_.size() / threads, 1, kTasksPerGroup);
  absl::InlinedVector<SearchTask, 1> grouped;
  grouped.reserve(tasks_.size());
  std::vector<bool> done(tasks_.size());
  for (size_t i = 0; i < tasks_.size(); ++i) {
    if (done[i]) continue;
    const SearchTask& first = tasks_[i];
    const size_t begin = grouped.size();
    const size_t end = std::min(tasks_.size(), i + kTasksSearched);
    for (size_t j = i; j < end && grouped.size() - begin < most; ++j) {
      if (done[j] || !GoTogether(first, tasks_[j])) continue;
      grouped.push_back(tasks_[j]);
      done[j] = true;
    }
    groups_.push_back({begin, grouped.size()});
  }
  tasks_ = std::move(grouped);
}

absl::StatusOr<std::vector<std::vector<IndexHit>>> IndexSearch::Run() {
  if (IsCancelled(0)) return CancelledError();
  GroupTasks();
  // Queries side by side rather than the slots of each, if there are enough.
  const size_t threads = std::max<size_t>(1, options_.threads);
  const bool side_by_side = groups_.size() >= threads &&
                            SlotsOfView() * tasks_.size() >= kThreadsFrom;
  std::vector<std::vector<IndexHit>> hits(tasks_.size());
  absl::InlinedVector<absl::Status, 1> statuses(groups_.size());
  const auto run = [&](size_t worker, size_t i) {
    const Group& group = groups_[i];
    if (tasks_[group.begin].query->exact) return true;
    statuses[i] = RunByCodes(group, worker == 0, side_by_side ? 1 : threads,
                             absl::MakeSpan(hits));
    return !absl::IsCancelled(statuses[i]);
  };
  if (!RunUnits(groups_.size(), side_by_side ? threads : 1, run)) {
    return CancelledError();
  }
  for (size_t i = 0; i < groups_.size(); ++i) {
    const SearchTask& task = tasks_[groups_[i].begin];
    if (!task.query->exact) continue;
    const Best best = RunExact(task);
    statuses[i] = best.status();
    if (absl::IsCancelled(statuses[i])) return statuses[i];
    if (best.ok()) hits[NumberOf(task)] = Hits(*task.query, *best);
  }
  for (absl::Status& status : statuses) {
    CORKSCREW_RETURN_IF_ERROR(std::move(status));
  }
  return hits;
}

absl::Status IndexSearch::RunByCodes(const Group& group, bool may_ask,
                                     size_t threads,
                                     absl::Span<std::vector<IndexHit>> hits) {
  const auto tasks =
      absl::MakeSpan(tasks_).subspan(group.begin, group.end - group.begin);
  // Kept by the thread: what the stages work with is allocated once.
  thread_local CodeSearchMemory memory;
  if (memory.scans.size() < tasks.size()) memory.scans.resize(tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    CORKSCREW_RETURN_IF_ERROR(
        context_.scan.Prepare(tasks[i].query->vector, tasks.size() > 1,
                              &memory.grid, &memory.scans[i]));
    tasks[i].scan = &memory.scans[i];
  }
  const size_t scores = SlotsOfView() * tasks.size();
  absl::Status status;
  const auto stop = [&](size_t done) {
    if (!may_ask || !IsCancelled(done)) return false;
    status = CancelledError();
    return true;
  };
  const auto finish = [&](const SearchTask& task,
                          absl::Span<Candidate> candidates) {
    if (stop(kFinish)) return false;
    if (options_.rescore_column) {
      status = ScoreWithColumn(context_, task, candidates);
      if (!status.ok()) return false;
    }
    hits[NumberOf(task)] =
        Hits(*task.query, SortBest(context_, task, candidates));
    return true;
  };
  CodeSearch(context_, tasks, threads, &memory)
      .Run([&] { return !stop(scores / 2); }, finish);
  return status;
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
