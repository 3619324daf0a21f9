#ifndef CORKSCREW_DB_TOP_K_H_
#define CORKSCREW_DB_TOP_K_H_

// The best of many candidates.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace corkscrew {

// A slot and how good it is; larger is better under every metric (for kL2 the
// negated distance).
struct Candidate {
  float score = 0;
  uint32_t slot = 0;  // In its block,
  uint32_t part = 0;  // by its place in the view that is searched.
};

// Keeps the `k` first of the offered candidates in the order `before`, a strict
// weak order in which a larger score comes before a smaller one. Which ones are
// kept does not depend on the order of offers. Offers cost O(1) amortized: they
// go to a buffer of twice the size, which is cut when it is full.
// Single-threaded.
template <typename Before>
class TopK {
 public:
  TopK(size_t k, Before before) : k_(k), before_(std::move(before)) {}

  // What scores less can not be among the best any more; an equal score can.
  float threshold() const { return threshold_; }

  void Offer(Candidate candidate) {
    if (candidate.score < threshold_) return;
    kept_.push_back(candidate);
    if (kept_.size() >= 2 * k_ + kSlack) Cut();
  }

  // Makes threshold() as large as the offers allow.
  void Cut() {
    if (k_ == 0) kept_.clear();
    if (kept_.size() < k_ || k_ == 0) return;
    const auto last = kept_.begin() + static_cast<ptrdiff_t>(k_ - 1);
    std::nth_element(kept_.begin(), last, kept_.end(), before_);
    threshold_ = last->score;
    kept_.resize(k_);
  }

  // Returns what was kept, best first, and leaves nothing.
  std::vector<Candidate> TakeSorted() {
    Cut();
    std::sort(kept_.begin(), kept_.end(), before_);
    return std::move(kept_);
  }

  // As TakeSorted(), in any order.
  std::vector<Candidate> Take() {
    Cut();
    return std::move(kept_);
  }

 private:
  static constexpr size_t kSlack = 32;  // Few cuts where k is small.

  size_t k_;
  Before before_;
  std::vector<Candidate> kept_;
  float threshold_ = -std::numeric_limits<float>::infinity();
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_TOP_K_H_
