#include "db/index.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "db/growing_block.h"
#include "db/index_blocks.h"
#include "db/index_search.h"
#include "db/index_view.h"
#include "db/search_stages.h"
#include "db/slot_filter.h"
#include "quant/code_scan.h"

namespace corkscrew {

struct Index::Rep {
  Rep(const IndexOptions& index_options, Quantizer made)
      : options(index_options),
        quantizer(std::move(made)),
        scan(quantizer),
        blocks({.layout = scan.layout(),
                .rescore_dim = options.rescore_column
                                   ? options.quantizer.dim
                                   : GrowingBlock::kNoRescoreColumn,
                .seal_slots = options.seal_slots,
                .seal_ops = options.seal_ops,
                .on_seal = options.on_seal}) {}

  const IndexOptions options;
  const Quantizer quantizer;
  const CodeScan scan;
  ForgottenRecords forgotten;
  IndexBlocks blocks;
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

void Index::Add(const IndexEntry& entry) { rep_->blocks.Add(entry); }
void Index::Hold() { rep_->blocks.Hold(); }
void Index::Release() { rep_->blocks.Release(); }
void Index::Forget(absl::Span<const Forgotten> records) {
  rep_->forgotten.Add(records);
}
std::shared_ptr<const ForgottenRecords::Table> Index::forgotten() const {
  return rep_->forgotten.table();
}
void Index::Publish(Lamport now, uint64_t feed) {
  rep_->blocks.Publish(now, feed);
}
Lamport Index::published() const { return rep_->blocks.now(); }
IndexBlocks& Index::blocks() const { return rep_->blocks; }

size_t Index::slots() const {
  size_t slots = 0;
  for (const IndexView::Part& part : rep_->blocks.View().parts)
    slots += part.slots;
  return slots;
}

size_t Index::index_bytes() const {
  size_t bytes = 0;
  const IndexView view = rep_->blocks.View();
  for (const IndexView::Part& part : view.parts) {
    bytes += part.block->index_bytes();
  }
  return bytes;
}

size_t Index::rescore_bytes() const {
  size_t bytes = 0;
  const IndexView view = rep_->blocks.View();
  for (const IndexView::Part& part : view.parts) {
    bytes += part.block->rescore_bytes();
  }
  return bytes;
}

Index::Memory Index::memory() const {
  Memory memory;
  const IndexView view = rep_->blocks.View();
  for (const IndexView::Part& part : view.parts) {
    const size_t mapped = part.block->mapped_bytes();
    // Of a file the rescore column is in it.
    const size_t rescore = mapped == 0 ? part.block->rescore_bytes() : 0;
    memory.mapped += mapped;
    memory.rescore += rescore;
    memory.index += part.block->index_bytes() + part.block->rescore_bytes() -
                    mapped - rescore;
  }
  return memory;
}

absl::StatusOr<std::vector<std::vector<IndexHit>>> Index::Search(
    absl::Span<const IndexQuery> queries, const OriginalReader& originals,
    const std::function<bool()>& cancelled) const {
  IndexView view = rep_->blocks.View();
  view.forgotten = rep_->forgotten.table();
  const SearchContext context{rep_->quantizer,
                              rep_->scan,
                              rep_->options.metric,
                              rep_->options.rescore_column,
                              view,
                              originals};
  IndexSearch search(rep_->options, context, queries, cancelled);
  CORKSCREW_RETURN_IF_ERROR(search.Prepare());
  return search.Run();
}

size_t Index::Count(const Filter* filter, std::optional<Lamport> at) const {
  IndexView view = rep_->blocks.View();
  view.forgotten = rep_->forgotten.table();
  const Lamport time = std::min(at.value_or(view.now), view.now);
  const bool all = filter == nullptr || filter->op == Filter::Op::kAll;
  if (all && time == view.now) {
    return rep_->blocks.alive();
  }
  SelectedSlots selected;
  selected.Select(view, SlotFilter(view, time, filter));
  return selected.count();
}

}  // namespace corkscrew
