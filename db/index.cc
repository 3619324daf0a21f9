#include "db/index.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "db/growing_block.h"
#include "db/index_search.h"
#include "db/search_stages.h"
#include "db/slot_filter.h"

namespace corkscrew {

struct Index::Rep {
  Rep(const IndexOptions& index_options, Quantizer made)
      : options(index_options),
        quantizer(std::move(made)),
        block(quantizer.code_bytes(), options.rescore_column
                                          ? options.quantizer.dim
                                          : GrowingBlock::kNoRescoreColumn) {}

  const IndexOptions options;
  const Quantizer quantizer;
  GrowingBlock block;
};

absl::StatusOr<std::unique_ptr<Index>> Index::Create(
    const IndexOptions& options) {
  if (options.quantizer.mode == QuantizerMode::kIp &&
      options.metric == Metric::kCosine) {
    return absl::InvalidArgumentError(
        "index: mode ip has no cosine score; use mode mse or another metric");
  }
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
  const SearchContext context{rep_->quantizer, rep_->options.metric,
                              rep_->block, originals};
  IndexSearch search(rep_->options, context, queries, cancelled);
  CORKSCREW_RETURN_IF_ERROR(search.Prepare());
  CORKSCREW_RETURN_IF_ERROR(search.Scan());
  return search.Finish();
}

size_t Index::Count(const Filter* filter, std::optional<Lamport> at) const {
  const GrowingBlock& block = rep_->block;
  const GrowingBlock::Snapshot snapshot = block.snapshot();
  const bool all = filter == nullptr || filter->op == Filter::Op::kAll;
  if (all && at.value_or(snapshot.now) >= snapshot.now) return block.alive();
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
