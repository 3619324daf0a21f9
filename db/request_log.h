#ifndef CORKSCREW_DB_REQUEST_LOG_H_
#define CORKSCREW_DB_REQUEST_LOG_H_

// Keeps the number and age of request rows bounded.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "db/store.h"

namespace corkscrew {

// How long a request id is remembered. Part of what WriteOptions promises.
inline constexpr int64_t kRequestTtlMs = int64_t{24} * 3600 * 1000;
inline constexpr size_t kMaxRequestRows = 1'000'000;

// Belongs to the commit leader. Single-threaded.
class RequestLog {
 public:
  explicit RequestLog(size_t max_rows = kMaxRequestRows)
      : max_rows_(max_rows) {}

  // Reads which rows there are.
  absl::Status Load(const Store& store);

  // Remembers a row that is being written.
  void Add(int64_t wall_ms, std::string key) {
    rows_.emplace(wall_ms, std::move(key));
  }

  // Adds to `batch` the removal of at most `most` rows that are too old at
  // `now_ms` or too many.
  void Prune(int64_t now_ms, size_t most, WriteBatch* batch);

  size_t size() const { return rows_.size(); }

 private:
  using Row = std::pair<int64_t, std::string>;  // wall_ms, key.

  const size_t max_rows_;
  // Oldest first. Clocks may jump back, so this is not a plain queue.
  std::priority_queue<Row, std::vector<Row>, std::greater<>> rows_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_REQUEST_LOG_H_
