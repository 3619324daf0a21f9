// Fuzzes lines of input: a record that parses is within the limits, and what is
// printed of it parses to the same record.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/utf8.h"
#include "corkscrew/limits.h"
#include "corkscrew/record.h"
#include "server/json_lines.h"
#include "server/json_writer.h"
#include "server/output.h"

namespace corkscrew {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void Check(absl::string_view line) {
  (void)ParseQueryLine(line);
  (void)ParseMetadata(line);
  const absl::StatusOr<Record> record = ParseRecordLine(line);
  if (!record.ok()) {
    Require(!record.status().message().empty());
    return;
  }
  Require(IsValidUtf8(record->id) && IsValidUtf8(record->text));
  Require(record->vector.size() <= kMaxDim);
  Require(record->metadata.size() <= kMaxMetadataKeys);
  StoredRecord stored;
  stored.record = *record;
  JsonWriter json;
  WriteRecord(stored, json);
  const absl::StatusOr<Record> again = ParseRecordLine(json.text());
  Require(again.ok());
  Require(again->id == record->id && again->text == record->text);
  Require(again->vector == record->vector);
  Require(again->metadata == record->metadata);
}

}  // namespace
}  // namespace corkscrew

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  corkscrew::Check(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
