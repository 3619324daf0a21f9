#include "db/index_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "db/parallel.h"
#include "quant/rescore.h"

namespace corkscrew {
namespace {

// Slots that a thread takes at a time.
constexpr size_t kUnit = 4096;
// Scores below which starting threads costs more than it saves.
constexpr size_t kThreadsFrom = 32 * 1024;
// Scores between two calls of `cancelled`; finishing a query counts as some.
constexpr size_t kAskEvery = 64 * 1024;
constexpr size_t kFinish = 4 * 1024;

absl::Status CancelledError() {
  return absl::CancelledError("search: cancelled by the caller");
}

// How many candidates the code scan keeps.
size_t Keep(const IndexOptions& options, const IndexQuery& query) {
  if (!options.rescore_column) return query.k;
  return static_cast<size_t>(
      std::ceil(double{query.oversample} * static_cast<double>(query.k)));
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
    SearchTask& task = tasks_.emplace_back(SearchTask{
        &query, SlotFilter(context_.view, at, query.filter, query.exclude_id)});
    if (options_.rescore_column) task.lengths = LengthsOf(query.vector);
    if (query.exact) {
      exact_.push_back(&task);
    } else {
      CORKSCREW_ASSIGN_OR_RETURN(task.prepared,
                                 context_.quantizer.Prepare(query.vector));
      by_codes_.push_back(&task);
    }
  }
  MakeUnits();
  return absl::OkStatus();
}

void IndexSearch::MakeUnits() {
  size_t scores = 0;
  for (size_t part = 0; part < context_.view.parts.size(); ++part) {
    const size_t slots = context_.view.parts[part].slots;
    const auto readers = static_cast<size_t>(std::count_if(
        tasks_.begin(), tasks_.end(),
        [part](const SearchTask& task) { return task.filter.Reads(part); }));
    if (readers == 0) continue;
    scores += slots * readers;
    for (size_t first = 0; first < slots; first += kUnit) {
      units_.push_back(
          {static_cast<uint32_t>(part), first, std::min(slots, first + kUnit)});
    }
  }
  if (scores >= kThreadsFrom) threads_ = std::max<size_t>(1, options_.threads);
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

absl::Status IndexSearch::Scan() {
  // Other threads may take all units before this one gets any.
  if (IsCancelled(0)) return CancelledError();
  std::vector<Found> found(threads_);
  for (Found& of_thread : found) {
    for (const SearchTask* task : by_codes_) {
      of_thread.tops.emplace_back(Keep(options_, *task->query),
                                  BestFirst{&context_.view});
    }
    for (const SearchTask* task : exact_) {
      of_thread.open.emplace_back(task->query->k);
    }
  }
  std::vector<absl::Status> statuses(threads_);
  if (!RunUnits(units_.size(), threads_, [&](size_t worker, size_t unit) {
        const SlotRange& range = units_[unit];
        if (worker == 0 &&
            IsCancelled((range.last - range.first) * queries_.size())) {
          return false;
        }
        statuses[worker].Update(ScanUnit(range, &found[worker]));
        return statuses[worker].ok();
      })) {
    for (absl::Status& status : statuses) {
      CORKSCREW_RETURN_IF_ERROR(std::move(status));
    }
    return CancelledError();
  }
  found_ = std::move(found[0]);
  for (size_t worker = 1; worker < threads_; ++worker) {
    for (size_t t = 0; t < by_codes_.size(); ++t) {
      for (const Candidate& c : found[worker].tops[t].Take()) {
        found_.tops[t].Offer(c);
      }
    }
    for (size_t t = 0; t < exact_.size(); ++t) {
      found_.open[t].Merge(std::move(found[worker].open[t]));
    }
  }
  return absl::OkStatus();
}

absl::Status IndexSearch::ScanUnit(const SlotRange& range, Found* found) const {
  ScanCodes(context_, by_codes_, range, absl::MakeSpan(found->tops));
  for (size_t t = 0; t < exact_.size(); ++t) {
    CORKSCREW_RETURN_IF_ERROR(
        ScanRescoreColumn(context_, *exact_[t], range, &found->open[t]));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::vector<IndexHit>>> IndexSearch::Finish() {
  std::vector<std::vector<IndexHit>> hits(queries_.size());
  std::vector<absl::Status> statuses(queries_.size());
  if (!RunUnits(queries_.size(), threads_, [&](size_t worker, size_t i) {
        if (worker == 0 && IsCancelled(kFinish)) return false;
        const IndexQuery& query =
            *(i < by_codes_.size() ? by_codes_[i]
                                   : exact_[i - by_codes_.size()])
                 ->query;
        const size_t q = static_cast<size_t>(&query - queries_.data());
        absl::StatusOr<std::vector<Candidate>> best = Rank(i);
        if (best.ok()) {
          hits[q] = Hits(query, *best);
        } else {
          statuses[q] = std::move(best).status();
        }
        return true;
      })) {
    return CancelledError();
  }
  for (absl::Status& status : statuses) {
    CORKSCREW_RETURN_IF_ERROR(std::move(status));
  }
  return hits;
}

// The k best of the i-th task, those by codes first and then the exact ones.
absl::StatusOr<std::vector<Candidate>> IndexSearch::Rank(size_t i) {
  if (i >= by_codes_.size()) {
    const size_t t = i - by_codes_.size();
    return Settle(context_, *exact_[t], found_.open[t].Take());
  }
  const SearchTask& task = *by_codes_[i];
  if (!options_.rescore_column) return found_.tops[i].TakeSorted();
  return RescoreWithColumn(context_, task, found_.tops[i].Take());
}

std::vector<IndexHit> IndexSearch::Hits(
    const IndexQuery& query, absl::Span<const Candidate> best) const {
  const bool l2 = options_.metric == Metric::kL2;
  std::vector<IndexHit> hits;
  hits.reserve(best.size());
  for (const Candidate& candidate : best) {
    // 0 - x rather than -x: no negative zero.
    const float score = l2 ? 0 - candidate.score : candidate.score;
    if (query.min_score.has_value() &&
        (l2 ? score > *query.min_score : score < *query.min_score)) {
      break;
    }
    hits.push_back(
        {context_.view.block(candidate).body(candidate.slot), score});
  }
  return hits;
}

}  // namespace corkscrew
