#ifndef CORKSCREW_DB_MEMORY_BUDGET_H_
#define CORKSCREW_DB_MEMORY_BUDGET_H_

// How Options::memory_budget_bytes is shared: the index takes what the data
// needs, memtables and queues have a fixed share, caches get the rest.

#include <cstddef>

#include "absl/status/status.h"

namespace corkscrew {

// Immutable.
class MemoryBudget {
 public:
  // `budget` 0: no limit.
  MemoryBudget(size_t budget, size_t block_cache_bytes)
      : budget_(budget), block_cache_bytes_(block_cache_bytes) {}

  size_t memtable_bytes() const;  // Of all families, those being flushed too.
  size_t queue_bytes() const;     // Of writes that wait.

  // What the block cache may hold beside an index of so many bytes.
  size_t BlockCacheBytes(size_t index_bytes) const;

  // Whether the index, now of `index_bytes`, may grow.
  //   ResourceExhausted  no; names budget and need
  absl::Status Admit(size_t index_bytes) const;

 private:
  // An eighth of the budget, but no more than `most`.
  size_t Share(size_t most) const;

  const size_t budget_;
  const size_t block_cache_bytes_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_MEMORY_BUDGET_H_
