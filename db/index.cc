#include "db/index.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "db/growing_block.h"
#include "db/index_search.h"
#include "db/index_view.h"
#include "db/search_stages.h"
#include "db/slot_filter.h"

namespace corkscrew {
namespace {

// The blocks of an index. Never changed once readers can see it.
struct BlockList {
  std::vector<std::shared_ptr<SlotBlock>> sealed;  // In the order of sealing.
  std::vector<IndexView::Part> parts;              // Of the same.
  std::shared_ptr<GrowingBlock> growing;
};

}  // namespace

struct Index::Rep {
  Rep(const IndexOptions& index_options, Quantizer made)
      : options(index_options), quantizer(std::move(made)) {
    auto list = std::make_shared<BlockList>();
    list->growing = NewBlock();
    blocks = std::move(list);
  }

  std::shared_ptr<GrowingBlock> NewBlock() const {
    return std::make_shared<GrowingBlock>(quantizer.code_bytes(),
                                          options.rescore_column
                                              ? options.quantizer.dim
                                              : GrowingBlock::kNoRescoreColumn);
  }

  std::shared_ptr<const BlockList> Blocks() const ABSL_LOCKS_EXCLUDED(mutex) {
    MutexLock lock(&mutex);
    return blocks;
  }

  // The time is read first: blocks are replaced by blocks with the same slots,
  // so that every list after it has what belongs to it.
  IndexView View() const {
    IndexView view;
    view.now = now.load(std::memory_order_acquire);
    const std::shared_ptr<const BlockList> list = Blocks();
    view.parts.reserve(list->parts.size() + 1);
    view.parts = list->parts;
    view.parts.push_back(
        {list->growing.get(), list->growing->snapshot().slots});
    view.keep = list;
    return view;
  }

  // Ends the life of the version of `id` in the sealed blocks.
  void EndLifeInSealed(absl::string_view id, Lamport at) {
    const std::shared_ptr<const BlockList> list = Blocks();
    for (size_t i = list->sealed.size(); i-- > 0;) {
      SlotBlock& block = *list->sealed[i];
      const uint32_t slot = block.FindLatest(id);
      if (slot == SlotBlock::kNone || !block.EndLife(slot, at)) continue;
      --alive;
      return;
    }
  }

  // Starts a new growing block.
  void Seal() {
    const std::shared_ptr<const BlockList> list = Blocks();
    auto next = std::make_shared<BlockList>(*list);
    const size_t slots = list->growing->snapshot().slots;
    next->sealed.push_back(list->growing);
    next->parts.push_back(
        {list->growing.get(), slots, slots == 0 ? 0 : list->growing->born(0)});
    next->growing = NewBlock();
    MutexLock lock(&mutex);
    blocks = std::move(next);
  }

  const IndexOptions options;
  const Quantizer quantizer;
  ForgottenRecords forgotten;
  size_t alive = 0;  // The writer's own.
  std::atomic<size_t> published_alive = 0;
  std::atomic<Lamport> now = 0;

  // Held to copy or replace the pointer, no longer.
  mutable Mutex mutex;
  std::shared_ptr<const BlockList> blocks ABSL_GUARDED_BY(mutex);
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

void Index::Add(const IndexEntry& entry) {
  const GrowingBlock::Added added = rep_->Blocks()->growing->Add(entry);
  if (entry.metadata != nullptr) ++rep_->alive;
  if (added.ended) --rep_->alive;
  // A block that knows the id has ended the life of what came before.
  if (!added.known) {
    rep_->EndLifeInSealed(entry.body->id, entry.body->lamport);
  }
}

void Index::Forget(absl::Span<const Forgotten> records) {
  rep_->forgotten.Add(records);
}

void Index::Publish(Lamport now) {
  GrowingBlock& growing = *rep_->Blocks()->growing;
  growing.Publish(now);
  rep_->published_alive.store(rep_->alive, std::memory_order_release);
  rep_->now.store(now, std::memory_order_release);
  const size_t seal = rep_->options.seal_slots;
  if (seal != 0 && growing.snapshot().slots >= seal) rep_->Seal();
}

Lamport Index::published() const {
  return rep_->now.load(std::memory_order_acquire);
}

size_t Index::slots() const {
  size_t slots = 0;
  for (const IndexView::Part& part : rep_->View().parts) slots += part.slots;
  return slots;
}

size_t Index::index_bytes() const {
  size_t bytes = 0;
  const IndexView view = rep_->View();
  for (const IndexView::Part& part : view.parts) {
    bytes += part.block->index_bytes();
  }
  return bytes;
}

size_t Index::rescore_bytes() const {
  size_t bytes = 0;
  const IndexView view = rep_->View();
  for (const IndexView::Part& part : view.parts) {
    bytes += part.block->rescore_bytes();
  }
  return bytes;
}

absl::StatusOr<std::vector<std::vector<IndexHit>>> Index::Search(
    absl::Span<const IndexQuery> queries, const OriginalReader& originals,
    const std::function<bool()>& cancelled) const {
  IndexView view = rep_->View();
  view.forgotten = rep_->forgotten.table();
  const SearchContext context{rep_->quantizer, rep_->options.metric, view,
                              originals};
  IndexSearch search(rep_->options, context, queries, cancelled);
  CORKSCREW_RETURN_IF_ERROR(search.Prepare());
  CORKSCREW_RETURN_IF_ERROR(search.Scan());
  return search.Finish();
}

size_t Index::Count(const Filter* filter, std::optional<Lamport> at) const {
  IndexView view = rep_->View();
  view.forgotten = rep_->forgotten.table();
  const Lamport time = std::min(at.value_or(view.now), view.now);
  const bool all = filter == nullptr || filter->op == Filter::Op::kAll;
  if (all && time == view.now) {
    return rep_->published_alive.load(std::memory_order_acquire);
  }
  const SlotFilter slot_filter(view, time, filter, /*exclude_id=*/{});
  size_t count = 0;
  for (size_t part = 0; part < view.parts.size(); ++part) {
    if (!slot_filter.Reads(part)) continue;
    for (size_t slot = 0; slot < view.parts[part].slots; ++slot) {
      if (slot_filter.Admits(part, slot)) ++count;
    }
  }
  return count;
}

}  // namespace corkscrew
