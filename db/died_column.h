#ifndef CORKSCREW_DB_DIED_COLUMN_H_
#define CORKSCREW_DB_DIED_COLUMN_H_

// When the slots of a live segment died: memory only for stretches of slots of
// which one has.

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "corkscrew/record.h"
#include "db/alive_words.h"
#include "db/slot_block.h"

namespace corkscrew {

// One writer calls Set(); any thread calls the rest.
class DiedColumn {
 public:
  explicit DiedColumn(size_t slots)
      : pages_((slots + kPage - 1) / kPage), owned_(pages_.size()) {}

  Lamport Get(size_t slot) const {
    const Page* const page =
        pages_[slot / kPage].load(std::memory_order_acquire);
    return page == nullptr
               ? SlotBlock::kAlive
               : page->died[slot % kPage].load(std::memory_order_relaxed);
  }

  // Returns false if the slot has died before, and leaves that.
  bool Set(size_t slot, Lamport at) {
    std::unique_ptr<Page>& owned = owned_[slot / kPage];
    if (owned == nullptr) {
      owned = std::make_unique<Page>();
      for (std::atomic<Lamport>& died : owned->died) died = SlotBlock::kAlive;
      pages_[slot / kPage].store(owned.get(), std::memory_order_release);
      bytes_.fetch_add(sizeof(Page), std::memory_order_relaxed);
    }
    const size_t i = slot % kPage;
    std::atomic<Lamport>& died = owned->died[i];
    if (died.load(std::memory_order_relaxed) != SlotBlock::kAlive) return false;
    // Ordered by publishing: a reader at an earlier time finds the slot alive
    // whether it sees this or not.
    died.store(at, std::memory_order_relaxed);
    owned->words[i / 64].Set(i % 64, at);
    count_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  // Of slots [64 * word, 64 * word + 64) those that have not died at `at`.
  uint64_t Alive(size_t word, Lamport at) const {
    constexpr size_t kWords = kPage / 64;
    const Page* const page =
        pages_[word / kWords].load(std::memory_order_acquire);
    if (page == nullptr) return ~uint64_t{0};
    const size_t w = word % kWords;
    return page->words[w].Alive(at, [page, w](size_t i) {
      return page->died[64 * w + i].load(std::memory_order_relaxed);
    });
  }

  // Calls visit(slot, died) for each that has, in order. What dies meanwhile
  // may be left out.
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (size_t page = 0; page < pages_.size(); ++page) {
      const Page* const column = pages_[page].load(std::memory_order_acquire);
      if (column == nullptr) continue;
      for (size_t i = 0; i < kPage; ++i) {
        const Lamport died = column->died[i].load(std::memory_order_relaxed);
        if (died != SlotBlock::kAlive) visit(page * kPage + i, died);
      }
    }
  }

  // How many slots have died.
  size_t count() const { return count_.load(std::memory_order_relaxed); }

  size_t bytes() const {
    return pages_.size() * (sizeof(pages_[0]) + sizeof(owned_[0])) +
           bytes_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr size_t kPage = 256;
  struct Page {
    std::array<std::atomic<Lamport>, kPage> died;
    std::array<DeadWord, kPage / 64> words;
  };

  std::vector<std::atomic<Page*>> pages_;
  std::vector<std::unique_ptr<Page>> owned_;  // The writer's.
  std::atomic<size_t> count_ = 0;
  std::atomic<size_t> bytes_ = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_DIED_COLUMN_H_
