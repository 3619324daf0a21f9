#include "server/json_log.h"

#include <cstdint>
#include <initializer_list>
#include <variant>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "server/json_writer.h"

namespace corkscrew {

void JsonLog::Info(absl::string_view event,
                   std::initializer_list<Field> fields) {
  Write("info", event, fields);
}

void JsonLog::Error(absl::string_view event,
                    std::initializer_list<Field> fields) {
  Write("error", event, fields);
}

void JsonLog::Write(absl::string_view level, absl::string_view event,
                    std::initializer_list<Field> fields) {
  JsonWriter json;
  json.BeginObject();
  json.Key("ts").String(
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", now_(), absl::UTCTimeZone()));
  json.Key("level").String(level);
  json.Key("event").String(event);
  for (const auto& [key, value] : fields) {
    json.Key(key);
    if (const auto* number = std::get_if<int64_t>(&value)) {
      json.Integer(*number);
    } else {
      json.String(std::get<absl::string_view>(value));
    }
  }
  json.EndObject();
  MutexLock lock(&mutex_);
  out_ << json.text() << '\n';
  out_.flush();
}

}  // namespace corkscrew
