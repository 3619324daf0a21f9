// Fuzzes CSV: every record ends, and what is written of its fields reads back.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/csv.h"
#include "server/record_source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::istringstream in(text);
  corkscrew::CsvReader reader(in);
  std::vector<std::string> fields;
  for (size_t records = 0;; ++records) {
    if (records > size + 1) std::abort();
    const absl::StatusOr<bool> more = reader.Next(fields);
    if (!more.ok()) continue;
    if (!*more) break;
    std::string line;
    for (size_t i = 0; i < fields.size(); ++i) {
      if (i > 0) line.push_back(',');
      corkscrew::AppendCsvField(fields[i], line);
    }
    line.push_back('\n');
    std::istringstream again(line);
    corkscrew::CsvReader second(again);
    std::vector<std::string> copy;
    if (!second.Next(copy).ok() || copy != fields) std::abort();
  }
  std::istringstream records(text);
  absl::StatusOr<std::unique_ptr<corkscrew::RecordSource>> source =
      corkscrew::CsvSource(records);
  if (!source.ok()) return 0;
  corkscrew::SourceItem item;
  for (;;) {
    const absl::StatusOr<bool> more = (*source)->Next(item);
    if (!more.ok()) std::abort();
    if (!*more) return 0;
    if (item.error.ok() && item.record.id.empty()) std::abort();
  }
}
