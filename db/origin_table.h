#ifndef CORKSCREW_DB_ORIGIN_TABLE_H_
#define CORKSCREW_DB_ORIGIN_TABLE_H_

// The dictionary of origins: small local numbers for (replica, incarnation).

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "db/rows.h"

namespace corkscrew {

// Thread-safe. Numbers are dense from 0 and only grow.
class OriginTable {
 public:
  // Appends `origin` as the next number, which is returned.
  uint32_t Add(const Origin& origin) {
    MutexLock lock(&mutex_);
    origins_.push_back(origin);
    return static_cast<uint32_t>(origins_.size() - 1);
  }

  // The origin with this number, or nullopt.
  std::optional<Origin> Get(uint32_t number) const {
    MutexLock lock(&mutex_);
    if (number >= origins_.size()) return std::nullopt;
    return origins_[number];
  }

  // The number of `origin`, or nullopt.
  std::optional<uint32_t> Find(const Origin& origin) const {
    MutexLock lock(&mutex_);
    for (size_t i = 0; i < origins_.size(); ++i) {
      if (origins_[i] == origin) return static_cast<uint32_t>(i);
    }
    return std::nullopt;
  }

  uint32_t size() const {
    MutexLock lock(&mutex_);
    return static_cast<uint32_t>(origins_.size());
  }

 private:
  mutable Mutex mutex_;
  std::vector<Origin> origins_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_ORIGIN_TABLE_H_
