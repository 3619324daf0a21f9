#include "db/compaction_plan.h"

#include <algorithm>
#include <bit>

namespace corkscrew {
namespace {

// A live segment is written anew when one of so many of its slots has died.
constexpr size_t kDeadPart = 8;
// So many segments of a class stay beside each other: few of those that cost
// little to copy, and of the others as many as make a segment of full size with
// the next one, so that each slot is copied once on its way there.
constexpr size_t kFewOfClass = 3;
constexpr size_t kManyOfClass = 7;
constexpr size_t kFewUpTo = 2048;  // Slots.
// What is made of small ones may have so many times the usual slots.
constexpr size_t kMostSegments = 2;

// Sizes up to four times as large are of one class.
int ClassOf(size_t slots) { return std::bit_width(slots / 64) / 2; }

size_t MostOf(int c) {
  return c < ClassOf(kFewUpTo) ? kFewOfClass : kManyOfClass;
}

class Planner {
 public:
  Planner(absl::Span<const BlockSize> blocks, size_t segment_slots,
          size_t most_along)
      : blocks_(blocks), segment_slots_(segment_slots), along_(most_along) {}

  std::vector<size_t> Plan() {
    for (size_t i = 0; i < blocks_.size(); ++i) {
      if (!blocks_[i].written) Take(i);
    }
    if (chosen_.empty()) TakeDead();
    if (!chosen_.empty()) {
      if (alive_ > 0) TakeAlong(/*live=*/true, &alive_);
      if (dead_ > 0) TakeAlong(/*live=*/false, &dead_);
    } else {
      MergeSmall(/*live=*/true);
      if (chosen_.empty()) MergeSmall(/*live=*/false);
    }
    std::sort(chosen_.begin(), chosen_.end());
    return std::move(chosen_);
  }

 private:
  void Take(size_t i) {
    chosen_.push_back(i);
    alive_ += blocks_[i].slots - blocks_[i].dead;
    dead_ += blocks_[i].dead;
  }

  // What can be put together into one segment.
  void TakeDead() {
    for (size_t i = 0; i < blocks_.size(); ++i) {
      const BlockSize& block = blocks_[i];
      if (!block.damaged && !(block.live && block.dead > 0 &&
                              block.dead * kDeadPart >= block.slots)) {
        continue;
      }
      if (!chosen_.empty() &&
          alive_ + block.slots - block.dead > segment_slots_) {
        continue;
      }
      Take(i);
    }
  }

  // Nothing is won by making it larger.
  bool IsFull(size_t slots) const { return slots >= segment_slots_ / 4 * 3; }

  // Written segments of this kind, not chosen, not full, up to a class;
  // smallest first. As many as can be made one with `made` slots.
  std::vector<size_t> Small(bool live, int to_class, size_t made) const {
    std::vector<size_t> small;
    for (size_t i = 0; i < blocks_.size(); ++i) {
      if (blocks_[i].written && blocks_[i].live == live &&
          ClassOf(blocks_[i].slots) <= to_class && !IsFull(blocks_[i].slots) &&
          std::find(chosen_.begin(), chosen_.end(), i) == chosen_.end()) {
        small.push_back(i);
      }
    }
    std::stable_sort(small.begin(), small.end(), [this](size_t a, size_t b) {
      return blocks_[a].slots < blocks_[b].slots;
    });
    size_t sum = Sum(small);
    while (!small.empty() &&
           (made + sum > kMostSegments * segment_slots_ || sum > along_)) {
      sum -= blocks_[small.back()].slots;
      small.pop_back();
    }
    return small;
  }

  size_t Sum(const std::vector<size_t>& some) const {
    size_t sum = 0;
    for (const size_t i : some) sum += blocks_[i].slots;
    return sum;
  }

  // `made` is the size of the segment of this kind that is made.
  void TakeAlong(bool live, const size_t* made) {
    while (!IsFull(*made)) {
      const int c = ClassOf(*made);
      const std::vector<size_t> small = Small(live, c, *made);
      const size_t sum = Sum(small);
      if (small.empty() ||
          (small.size() < MostOf(c) && *made + sum < segment_slots_)) {
        return;
      }
      along_ -= sum;
      for (const size_t i : small) Take(i);
    }
  }

  void MergeSmall(bool live) {
    for (int c = 0; c <= ClassOf(segment_slots_); ++c) {
      const std::vector<size_t> small = Small(live, c, 0);
      if (small.size() <= MostOf(c)) continue;
      for (const size_t i : small) Take(i);
      return;
    }
  }

  const absl::Span<const BlockSize> blocks_;
  const size_t segment_slots_;
  size_t along_;
  std::vector<size_t> chosen_;
  size_t alive_ = 0;
  size_t dead_ = 0;
};

}  // namespace

std::vector<size_t> PlanCompaction(absl::Span<const BlockSize> blocks,
                                   size_t segment_slots, size_t most_along) {
  return Planner(blocks, segment_slots, most_along).Plan();
}

}  // namespace corkscrew
