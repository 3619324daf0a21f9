#include "db/index_blocks.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace corkscrew {
namespace {

IndexBlocks::Block BlockOf(std::shared_ptr<Segment> segment) {
  const SegmentHeader& header = segment->header();
  const IndexView::Part part = {
      segment.get(), segment->slots(), header.min_born,
      segment->live() ? SlotBlock::kAlive : header.max_died};
  return {segment, std::move(segment), part};
}

}  // namespace

IndexBlocks::IndexBlocks(const IndexBlocksOptions& options)
    : options_(options) {
  auto lists = std::make_shared<Lists>();
  lists->growing = NewBlock();
  SetLists(std::move(lists));
}

std::shared_ptr<GrowingBlock> IndexBlocks::NewBlock() const {
  return std::make_shared<GrowingBlock>(options_.layout, options_.rescore_dim);
}

std::shared_ptr<const IndexBlocks::Lists> IndexBlocks::lists() const {
  MutexLock lock(&list_mutex_);
  return lists_;
}

void IndexBlocks::SetLists(std::shared_ptr<const Lists> lists) {
  // The old one may be the last owner of much: let go of it without the lock.
  MutexLock lock(&list_mutex_);
  lists_.swap(lists);
}

IndexView IndexBlocks::View() const {
  IndexView view;
  view.now = now();
  std::shared_ptr<const Lists> lists = this->lists();
  view.parts.reserve(lists->sealed.size() + 1);
  for (const Block& block : lists->sealed) view.parts.push_back(block.part);
  view.parts.push_back(
      {lists->growing.get(), lists->growing->snapshot().slots});
  view.keep = std::move(lists);
  return view;
}

std::shared_ptr<const IndexBlocks::List> IndexBlocks::sealed() const {
  std::shared_ptr<const Lists> lists = this->lists();
  return {lists, &lists->sealed};
}

uint64_t IndexBlocks::covered() const {
  MutexLock lock(&writer_mutex_);
  return covered_;
}

bool IndexBlocks::HasUnwritten() const {
  const std::shared_ptr<const List> list = sealed();
  return std::any_of(list->begin(), list->end(), [](const Block& block) {
    return block.segment == nullptr;
  });
}

void IndexBlocks::Add(const IndexEntry& entry) {
  MutexLock lock(&writer_mutex_);
  const std::shared_ptr<const Lists> lists = this->lists();
  const GrowingBlock::Added added = lists->growing->Add(entry);
  if (entry.metadata != nullptr) ++alive_;
  if (added.ended) --alive_;
  // A block that knows the id has ended the life of what came before.
  if (!added.known) {
    EndLifeInSealed(lists->sealed, entry.body->id, entry.body->lamport);
  }
}

void IndexBlocks::EndLifeInSealed(const List& sealed, absl::string_view id,
                                  Lamport at) {
  for (size_t i = sealed.size(); i-- > 0;) {
    SlotBlock& block = *sealed[i].block;
    const uint32_t slot = block.FindLatest(id);
    if (slot == SlotBlock::kNone || !block.EndLife(slot, at)) continue;
    --alive_;
    if (noting_) deaths_.push_back({sealed[i].block, slot, at});
    return;
  }
}

void IndexBlocks::EndEarlier(absl::string_view id, Lamport at,
                             absl::FunctionRef<bool(const BodyKey&)> earlier) {
  MutexLock lock(&writer_mutex_);
  const std::shared_ptr<const Lists> lists = this->lists();
  for (const Block& block : lists->sealed) {
    const uint32_t slot = block.block->FindLatest(id);
    if (slot == SlotBlock::kNone || !earlier(block.block->body(slot))) continue;
    if (block.block->EndLife(slot, at)) --alive_;
  }
}

void IndexBlocks::Hold() {
  MutexLock lock(&writer_mutex_);
  held_ = true;
}

void IndexBlocks::Release() {
  MutexLock lock(&writer_mutex_);
  ReleaseLocked();
}

void IndexBlocks::ReleaseLocked() {
  if (!held_) return;
  held_ = false;
  released_.NotifyAll();
}

void IndexBlocks::Publish(Lamport now, uint64_t feed) {
  MutexLock lock(&writer_mutex_);
  ReleaseLocked();
  GrowingBlock& growing = *lists()->growing;
  growing.Publish(now);
  published_alive_.store(alive_, std::memory_order_release);
  feed_.store(feed, std::memory_order_release);
  // The time last: who sees it sees at least what belongs to it.
  now_.store(now, std::memory_order_release);
  const size_t slots = growing.snapshot().slots;
  if ((options_.seal_slots != 0 && slots >= options_.seal_slots) ||
      (options_.seal_ops != 0 && feed >= sealed_feed_ + options_.seal_ops)) {
    SealLocked();
  }
}

void IndexBlocks::Seal() {
  MutexLock lock(&writer_mutex_);
  while (held_) released_.Wait(&writer_mutex_);
  SealLocked();
}

void IndexBlocks::SealIfFull() {
  MutexLock lock(&writer_mutex_);
  if (options_.seal_slots == 0) return;
  GrowingBlock& growing = *lists()->growing;
  growing.Publish(now_.load(std::memory_order_relaxed));
  if (growing.snapshot().slots >= options_.seal_slots) SealLocked();
}

void IndexBlocks::SealIfAny() {
  MutexLock lock(&writer_mutex_);
  if (!lists()->sealed.empty()) SealLocked();
}

void IndexBlocks::SealLocked() {
  const std::shared_ptr<const Lists> lists = this->lists();
  GrowingBlock& growing = *lists->growing;
  growing.Publish(now_.load(std::memory_order_relaxed));
  sealed_feed_ = feed_.load(std::memory_order_relaxed);
  if (options_.on_seal != nullptr) options_.on_seal();
  const size_t slots = growing.snapshot().slots;
  if (slots == 0) return;
  auto next = std::make_shared<Lists>(*lists);
  next->sealed.push_back({lists->growing, nullptr, {&growing, slots}});
  next->growing = NewBlock();
  SetLists(std::move(next));
}

void IndexBlocks::Adopt(std::vector<std::shared_ptr<Segment>> segments,
                        uint64_t covered) {
  MutexLock lock(&writer_mutex_);
  auto next = std::make_shared<Lists>(*lists());
  for (std::shared_ptr<Segment>& segment : segments) {
    alive_ += segment->slots() - segment->dead();
    next->sealed.push_back(BlockOf(std::move(segment)));
  }
  covered_ = covered;
  sealed_feed_ = covered;
  SetLists(std::move(next));
}

IndexBlocks::Snapshot IndexBlocks::Begin() {
  MutexLock lock(&writer_mutex_);
  assert(!noting_);
  noting_ = true;
  const std::shared_ptr<const Lists> lists = this->lists();
  return {{lists, &lists->sealed}, sealed_feed_};
}

void IndexBlocks::Finish(const std::vector<const SlotBlock*>& inputs,
                         const std::vector<std::shared_ptr<Segment>>& outputs,
                         uint64_t covered, size_t dropped_alive) {
  const absl::flat_hash_set<const SlotBlock*> replaced(inputs.begin(),
                                                       inputs.end());
  std::shared_ptr<const Lists> old;  // Let go of without the lock.
  std::vector<Death> deaths;
  MutexLock lock(&writer_mutex_);
  noting_ = false;
  deaths.swap(deaths_);
  for (const Death& death : deaths) {
    if (!replaced.contains(death.block.get())) continue;
    const absl::string_view id = death.block->id(death.slot);
    const Lamport born = death.block->born(death.slot);
    for (const std::shared_ptr<Segment>& output : outputs) {
      const uint32_t slot = output->FindLatest(id);
      if (slot != SlotBlock::kNone && output->born(slot) == born) {
        output->EndLife(slot, death.at);
      }
    }
  }
  old = lists();
  auto next = std::make_shared<Lists>();
  next->growing = old->growing;
  for (const std::shared_ptr<Segment>& output : outputs) {
    next->sealed.push_back(BlockOf(output));
  }
  for (const Block& block : old->sealed) {
    if (!replaced.contains(block.block.get())) next->sealed.push_back(block);
  }
  alive_ -= dropped_alive;
  covered_ = std::max(covered_, covered);
  SetLists(std::move(next));
}

void IndexBlocks::Abandon() {
  MutexLock lock(&writer_mutex_);
  noting_ = false;
  deaths_.clear();
}

}  // namespace corkscrew
