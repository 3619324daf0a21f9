#include "db/memory_budget.h"

#include <algorithm>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace corkscrew {
namespace {

constexpr size_t kMostMemtables = size_t{32} << 20;
constexpr size_t kMostQueues = size_t{64} << 20;
// Below it every read goes to the files.
constexpr size_t kLeastCache = size_t{1} << 20;

}  // namespace

size_t MemoryBudget::Share(size_t most) const {
  return budget_ == 0 ? most : std::min(most, budget_ / 8);
}

size_t MemoryBudget::memtable_bytes() const { return Share(kMostMemtables); }
size_t MemoryBudget::queue_bytes() const { return Share(kMostQueues); }

size_t MemoryBudget::BlockCacheBytes(size_t index_bytes) const {
  if (budget_ == 0) return block_cache_bytes_;
  const size_t taken = index_bytes + memtable_bytes() + queue_bytes();
  const size_t left = taken >= budget_ ? 0 : budget_ - taken;
  return std::clamp(left, std::min(kLeastCache, block_cache_bytes_),
                    block_cache_bytes_);
}

absl::Status MemoryBudget::Admit(size_t index_bytes) const {
  if (budget_ == 0) return absl::OkStatus();
  const size_t need =
      index_bytes + memtable_bytes() + queue_bytes() + kLeastCache;
  if (need <= budget_) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "the database needs ", need, " bytes of memory, ", index_bytes,
      " of them for its index, and may take ", budget_,
      " (Options::memory_budget_bytes); raise it, or use fewer bits or "
      "originals kCodesOnly"));
}

}  // namespace corkscrew
