#include "db/index.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "db/growing_block.h"
#include "db/parallel.h"
#include "db/search_stages.h"
#include "db/slot_filter.h"
#include "db/top_k.h"

namespace corkscrew {
namespace {

// Slots that a thread takes at a time.
constexpr size_t kUnit = 4096;
// Scores below which starting threads costs more than it saves.
constexpr size_t kThreadsFrom = 32 * 1024;
// Scores between two calls of `cancelled`.
constexpr size_t kAskEvery = 64 * 1024;

// Asks `cancelled` now and then; for one thread.
class Cancellation {
 public:
  explicit Cancellation(const std::function<bool()>& cancelled)
      : cancelled_(cancelled) {}

  // Whether to stop, before a piece of work of `scores` scores.
  bool Before(size_t scores) {
    if (cancelled_ == nullptr) return false;
    if (left_ > scores) {
      left_ -= scores;
      return false;
    }
    left_ = kAskEvery;
    return cancelled_();
  }

 private:
  const std::function<bool()>& cancelled_;
  size_t left_ = 0;  // Asks at the start.
};

absl::Status CancelledError() {
  return absl::CancelledError("search: cancelled by the caller");
}

}  // namespace

struct Index::Rep {
  Rep(const IndexOptions& index_options, Quantizer made)
      : options(index_options),
        quantizer(std::move(made)),
        block(quantizer.code_bytes(), options.rescore_column
                                          ? options.quantizer.dim
                                          : GrowingBlock::kNoRescoreColumn) {}

  SearchTask MakeTask(const IndexQuery& query,
                      const GrowingBlock::Snapshot& snapshot) const {
    return {&query,
            SlotFilter(block, snapshot.slots,
                       std::min(query.at.value_or(snapshot.now), snapshot.now),
                       query.filter, query.exclude_id)};
  }

  size_t ThreadsFor(size_t scores) const {
    return scores < kThreadsFrom ? 1 : std::max<size_t>(1, options.threads);
  }

  // How many the code scan keeps for `query`.
  size_t Keep(const IndexQuery& query) const {
    if (!options.rescore_column) return query.k;
    return static_cast<size_t>(
        std::ceil(double{query.oversample} * static_cast<double>(query.k)));
  }

  // The k best of the task by codes and, with the column, rescored.
  absl::StatusOr<std::vector<Candidate>> Refine(
      const SearchContext& context, const SearchTask& task,
      std::vector<Candidate> candidates) const {
    const BestFirst before{&block};
    if (options.rescore_column) {
      candidates =
          RescoreWithColumn(context, task, 2 * task.query->k, candidates);
      CORKSCREW_RETURN_IF_ERROR(
          ScoreOriginals(context, task, absl::MakeSpan(candidates)));
    }
    std::sort(candidates.begin(), candidates.end(), before);
    if (candidates.size() > task.query->k) candidates.resize(task.query->k);
    return candidates;
  }

  std::vector<IndexHit> Hits(const IndexQuery& query,
                             absl::Span<const Candidate> best) const {
    const bool l2 = options.metric == Metric::kL2;
    std::vector<IndexHit> hits;
    hits.reserve(best.size());
    for (const Candidate& candidate : best) {
      // Without a negative zero.
      const float score = l2 ? 0 - candidate.score : candidate.score;
      if (query.min_score.has_value() &&
          (l2 ? score > *query.min_score : score < *query.min_score)) {
        break;
      }
      hits.push_back({block.body(candidate.slot), score});
    }
    return hits;
  }

  const IndexOptions options;
  const Quantizer quantizer;
  GrowingBlock block;
};

absl::StatusOr<std::unique_ptr<Index>> Index::Create(
    const IndexOptions& options) {
  CORKSCREW_ASSIGN_OR_RETURN(Quantizer quantizer,
                             Quantizer::Create(options.quantizer));
  return std::unique_ptr<Index>(
      new Index(std::make_unique<Rep>(options, std::move(quantizer))));
}

Index::Index(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Index::~Index() = default;

const Quantizer& Index::quantizer() const { return rep_->quantizer; }
void Index::Add(const IndexEntry& entry) { rep_->block.Add(entry); }
void Index::Publish(Lamport now) { rep_->block.Publish(now); }
Lamport Index::published() const { return rep_->block.snapshot().now; }
size_t Index::slots() const { return rep_->block.snapshot().slots; }
size_t Index::index_bytes() const { return rep_->block.index_bytes(); }
size_t Index::rescore_bytes() const { return rep_->block.rescore_bytes(); }

absl::StatusOr<std::vector<std::vector<IndexHit>>> Index::Search(
    absl::Span<const IndexQuery> queries, const OriginalReader& originals,
    const std::function<bool()>& cancelled) const {
  const Rep& rep = *rep_;
  const GrowingBlock::Snapshot snapshot = rep.block.snapshot();
  const SearchContext context{rep.quantizer, rep.options.metric, rep.block,
                              originals};
  std::vector<SearchTask> tasks;
  tasks.reserve(queries.size());
  std::vector<const SearchTask*> by_codes;
  std::vector<const SearchTask*> exact;
  for (const IndexQuery& query : queries) {
    if (query.vector.size() != rep.options.quantizer.dim) {
      return absl::InvalidArgumentError(
          absl::StrCat("query vector has ", query.vector.size(),
                       " coordinates, want ", rep.options.quantizer.dim));
    }
    if (query.exact && !rep.options.rescore_column) {
      return absl::FailedPreconditionError(
          "exact search needs stored vectors: the collection keeps codes only");
    }
    SearchTask& task = tasks.emplace_back(rep.MakeTask(query, snapshot));
    if (rep.options.rescore_column) task.lengths = LengthsOf(query.vector);
    if (!query.exact) {
      CORKSCREW_ASSIGN_OR_RETURN(PreparedQuery prepared,
                                 rep.quantizer.Prepare(query.vector));
      task.prepared = std::move(prepared);
    }
    (query.exact ? exact : by_codes).push_back(&task);
  }

  // Each thread scans units into its own results, which are then merged: what
  // they keep does not depend on who scanned what.
  const size_t units = (snapshot.slots + kUnit - 1) / kUnit;
  const size_t threads = rep.ThreadsFor(snapshot.slots * queries.size());
  struct Worker {
    std::vector<TopSlots> tops;   // [by_codes]
    std::vector<OpenSlots> open;  // [exact]
  };
  std::vector<Worker> workers(threads);
  for (Worker& worker : workers) {
    for (const SearchTask* task : by_codes) {
      worker.tops.emplace_back(rep.Keep(*task->query), BestFirst{&rep.block});
    }
    for (const SearchTask* task : exact) {
      worker.open.emplace_back(task->query->k);
    }
  }
  Cancellation cancellation(cancelled);
  if (!RunUnits(units, threads, [&](size_t w, size_t unit) {
        if (w == 0 && cancellation.Before(kUnit * queries.size())) return false;
        const size_t first = unit * kUnit;
        const size_t last = std::min(snapshot.slots, first + kUnit);
        ScanCodes(context, by_codes, first, last,
                  absl::MakeSpan(workers[w].tops));
        for (size_t t = 0; t < exact.size(); ++t) {
          ScanRescoreColumn(context, *exact[t], first, last,
                            &workers[w].open[t]);
        }
        return true;
      })) {
    return CancelledError();
  }
  for (size_t w = 1; w < threads; ++w) {
    for (size_t t = 0; t < by_codes.size(); ++t) {
      for (const Candidate& candidate : workers[w].tops[t].Take()) {
        workers[0].tops[t].Offer(candidate);
      }
    }
    for (size_t t = 0; t < exact.size(); ++t) {
      workers[0].open[t].Merge(std::move(workers[w].open[t]));
    }
  }

  // Each query is finished by itself.
  std::vector<std::vector<IndexHit>> hits(queries.size());
  std::vector<absl::Status> statuses(queries.size());
  if (!RunUnits(queries.size(), threads, [&](size_t w, size_t unit) {
        if (w == 0 && cancellation.Before(kAskEvery / 16)) return false;
        const bool by_code = unit < by_codes.size();
        const SearchTask& task =
            by_code ? *by_codes[unit] : *exact[unit - by_codes.size()];
        const size_t q = static_cast<size_t>(task.query - queries.data());
        absl::StatusOr<std::vector<Candidate>> best =
            by_code ? rep.Refine(context, task, workers[0].tops[unit].Take())
                    : Settle(context, task,
                             workers[0].open[unit - by_codes.size()].Take());
        if (best.ok()) {
          hits[q] = rep.Hits(*task.query, *best);
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

size_t Index::Count(const Filter* filter, std::optional<Lamport> at) const {
  const GrowingBlock& block = rep_->block;
  const GrowingBlock::Snapshot snapshot = block.snapshot();
  const SlotFilter slot_filter(
      block, snapshot.slots, std::min(at.value_or(snapshot.now), snapshot.now),
      filter, /*exclude_id=*/{});
  size_t count = 0;
  for (size_t slot = 0; slot < snapshot.slots; ++slot) {
    if (slot_filter.Admits(slot)) ++count;
  }
  return count;
}

}  // namespace corkscrew
