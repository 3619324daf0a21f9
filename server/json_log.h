#ifndef CORKSCREW_SERVER_JSON_LOG_H_
#define CORKSCREW_SERVER_JSON_LOG_H_

// The log of a node: one JSON object per line with "ts" (RFC 3339, UTC),
// "level", "event" (stable names) and what the event has. Never the text,
// vectors or ids of users.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <ostream>
#include <string>
#include <utility>
#include <variant>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace corkscrew {

// Thread-safe. Borrows the stream.
class JsonLog {
 public:
  using Field =
      std::pair<absl::string_view, std::variant<absl::string_view, int64_t>>;

  JsonLog(std::ostream& out, std::function<absl::Time()> now)
      : now_(std::move(now)), out_(out) {}

  void Info(absl::string_view event, std::initializer_list<Field> fields = {});
  void Error(absl::string_view event, std::initializer_list<Field> fields = {});

 private:
  void Write(absl::string_view level, absl::string_view event,
             std::initializer_list<Field> fields) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::function<absl::Time()> now_;
  Mutex mutex_;
  std::ostream& out_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_JSON_LOG_H_
