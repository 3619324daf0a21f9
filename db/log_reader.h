#ifndef CORKSCREW_DB_LOG_READER_H_
#define CORKSCREW_DB_LOG_READER_H_

// Reads the framing that RocksDB gives its logs and manifests: blocks of 32
// KiB; in them fragments of crc32c u32 (masked), size u16, type u8, and for
// recyclable types the number of the log u32, all little-endian; a record is
// one fragment or several in turn. Unlike RocksDB's own reader it never skips
// what it can not read.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace corkscrew {

// Single-threaded. Borrows the bytes of the file.
class LogReader {
 public:
  enum class Result {
    kRecord,
    kEnd,     // The file ends behind the last record.
    kDamage,  // What is at offset() is not a record; what() says why not.
  };

  // Reads `bytes` from `offset` on, where a record should begin. `log_number`
  // is the number in the name of the file.
  LogReader(absl::string_view bytes, uint64_t log_number, size_t offset = 0)
      : bytes_(bytes),
        log_number_(static_cast<uint32_t>(log_number)),
        next_(offset) {}

  // Reads the next record, which is valid until the next call. After kEnd and
  // kDamage nothing follows.
  Result Next(absl::string_view* record);

  // Where the record or the damage that was found last begins.
  size_t offset() const { return offset_; }
  // Behind the record that was found last.
  size_t next_offset() const { return next_; }
  absl::string_view what() const { return what_; }

  // Whether a fragment that begins a record and is whole may start at `offset`
  // (only its checksum is not looked at). *payload is what it holds.
  static bool MayBegin(absl::string_view bytes, size_t offset,
                       absl::string_view* payload);

 private:
  Result Damage(absl::string_view what);

  const absl::string_view bytes_;
  const uint32_t log_number_;
  size_t next_;
  size_t offset_ = 0;
  absl::string_view what_ = "";
  std::string scratch_;  // Of a record in several fragments.
};

// Appends `record` to `log` as a writer of such a log does. For tests.
void AppendLogRecord(absl::string_view record, std::string* log);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_LOG_READER_H_
