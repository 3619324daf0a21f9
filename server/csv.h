#ifndef CORKSCREW_SERVER_CSV_H_
#define CORKSCREW_SERVER_CSV_H_

// Comma-separated values (RFC 4180): fields in double quotes may hold commas,
// line ends and doubled quotes; lines end in CRLF or LF.

#include <cstdint>
#include <istream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

// Reads records with memory for one, of at most kMaxLineBytes. Single-threaded.
// Borrows the stream.
class CsvReader {
 public:
  explicit CsvReader(std::istream& in) : in_(in) {}

  // Reads the next record. False at the end.
  //   InvalidArgument  a quote in an unquoted field or behind a closing one, no
  //                    closing quote, a record above kMaxLineBytes; the next
  //                    call goes on with the next line
  absl::StatusOr<bool> Next(std::vector<std::string>& fields);

  // The line on which that record started, from 1.
  uint64_t line_number() const { return line_number_; }
  uint64_t bytes_read() const { return bytes_read_; }

 private:
  int Take();

  std::istream& in_;
  uint64_t line_number_ = 0;
  uint64_t line_ends_ = 0;  // Seen so far.
  uint64_t bytes_read_ = 0;
};

// Appends `value`, quoted if it has to be.
void AppendCsvField(absl::string_view value, std::string& out);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_CSV_H_
