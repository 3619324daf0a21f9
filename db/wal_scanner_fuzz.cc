// Fuzzes the readers of logs and manifests. The first byte chooses: the bytes
// as a log, as a manifest, or as a script of records and what is done to them,
// because a fuzzer does not find checksums.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/cursor.h"
#include "db/log_reader.h"
#include "db/manifest_reader.h"
#include "db/wal_scanner.h"

namespace corkscrew {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void CheckLog(absl::string_view bytes) {
  const WalScan scan = ScanWalFiles({{1, "1.log", bytes}}, 0);
  Require(scan.offset <= bytes.size());
  Require(scan.dropped_bytes <= bytes.size());
  Require((scan.verdict == WalVerdict::kClean) == scan.file.empty());
}

// Records of given sizes, read back one by one; then one byte is changed.
void CheckScript(absl::string_view script) {
  Cursor cursor(script);
  uint16_t where = 0;
  uint8_t change = 0;
  (void)cursor.ReadLittle(&where);
  (void)cursor.ReadLittle(&change);
  std::string log;
  std::vector<std::string> records;
  uint16_t size = 0;
  while (records.size() < 20 && cursor.ReadLittle(&size)) {
    absl::string_view start = script.substr(cursor.position()).substr(0, 12);
    std::string record(start);
    record.resize(record.size() + size);
    AppendLogRecord(record, &log);
    records.push_back(record);
  }
  LogReader reader(log, 0);
  absl::string_view record;
  for (const std::string& want : records) {
    Require(reader.Next(&record) == LogReader::Result::kRecord);
    Require(record == want);
  }
  Require(reader.Next(&record) == LogReader::Result::kEnd);
  (void)ReadManifestLogs(log);
  if (log.empty()) return;
  log[where % log.size()] ^= static_cast<char>(change);
  CheckLog(log);
}

}  // namespace
}  // namespace corkscrew

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view bytes(reinterpret_cast<const char*>(data + 1),
                                size - 1);
  switch (data[0] % 4) {
    case 0:
      corkscrew::CheckLog(bytes);
      break;
    case 1:
      (void)corkscrew::ReadManifestLogs(bytes);
      break;
    case 2: {
      std::string log;  // One edit.
      corkscrew::AppendLogRecord(bytes, &log);
      (void)corkscrew::ReadManifestLogs(log);
      break;
    }
    default:
      corkscrew::CheckScript(bytes);
  }
  return 0;
}
