#ifndef CORKSCREW_DB_FORGOTTEN_RECORDS_H_
#define CORKSCREW_DB_FORGOTTEN_RECORDS_H_

// Records whose older versions are hidden from searches at every moment,
// because they were purged.

#include <algorithm>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "corkscrew/record.h"

namespace corkscrew {

// Versions of `id` born before `until`.
struct Forgotten {
  absl::string_view id = {};
  Lamport until = 0;
};

// Thread-safe.
class ForgottenRecords {
 public:
  // Never changed once readers can see it.
  struct Table {
    absl::flat_hash_map<std::string, Lamport> until = {};
    Lamport latest = 0;  // Versions born from here on are never hidden.

    bool Has(absl::string_view id, Lamport born) const {
      const auto found = until.find(id);
      return found != until.end() && born < found->second;
    }
  };

  // Null while there are none.
  std::shared_ptr<const Table> table() const {
    MutexLock lock(&mutex_);
    return table_;
  }

  // O(those that there are).
  void Add(absl::Span<const Forgotten> records) {
    if (records.empty()) return;
    MutexLock lock(&mutex_);
    auto next = std::make_shared<Table>(table_ != nullptr ? *table_ : Table());
    for (const Forgotten& record : records) {
      Lamport& until = next->until[record.id];
      until = std::max(until, record.until);
      next->latest = std::max(next->latest, record.until);
    }
    table_ = std::move(next);
  }

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const Table> table_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_FORGOTTEN_RECORDS_H_
