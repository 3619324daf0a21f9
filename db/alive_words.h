#ifndef CORKSCREW_DB_ALIVE_WORDS_H_
#define CORKSCREW_DB_ALIVE_WORDS_H_

// Which of 64 slots are alive, without a look at each.

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "corkscrew/record.h"

namespace corkscrew {

// The deaths of 64 slots. One writer calls Set(); any thread Alive().
class DeadWord {
 public:
  // Slot `i` of the 64 died at `at`; its own time of death is stored before.
  void Set(size_t i, Lamport at) {
    latest_.store(std::max(latest_.load(std::memory_order_relaxed), at),
                  std::memory_order_relaxed);
    dead_.store(dead_.load(std::memory_order_relaxed) | uint64_t{1} << i,
                std::memory_order_release);
  }

  // The slots that have not died at `at`; died(i) is the time of slot i.
  template <typename Died>
  uint64_t Alive(Lamport at, const Died& died) const {
    const uint64_t dead = dead_.load(std::memory_order_acquire);
    if (dead == 0) return ~uint64_t{0};
    // At least as late as all deaths seen.
    if (latest_.load(std::memory_order_relaxed) <= at) return ~dead;
    uint64_t alive = ~dead;
    for (uint64_t left = dead; left != 0; left &= left - 1) {
      const auto i = static_cast<size_t>(std::countr_zero(left));
      if (at < died(i)) alive |= uint64_t{1} << i;
    }
    return alive;
  }

 private:
  std::atomic<uint64_t> dead_ = 0;
  std::atomic<Lamport> latest_ = 0;
};

// The word of those slots of 64 of which test(i) is true; there are `slots`.
template <typename Test>
uint64_t WordOf(size_t slots, const Test& test) {
  uint64_t word = 0;
  for (size_t i = 0; i < slots; ++i) {
    word |= static_cast<uint64_t>(test(i)) << i;
  }
  return word;
}

// A word with its first `slots` bits, at most 64.
constexpr uint64_t FirstBits(size_t slots) {
  return slots >= 64 ? ~uint64_t{0} : (uint64_t{1} << slots) - 1;
}

}  // namespace corkscrew

#endif  // CORKSCREW_DB_ALIVE_WORDS_H_
