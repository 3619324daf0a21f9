#ifndef CORKSCREW_SERVER_JSON_LINES_H_
#define CORKSCREW_SERVER_JSON_LINES_H_

// Records and queries as lines of JSON. Every line is hostile: its length, the
// depth of its brackets and the size of its vector are bounded before anything
// is built from it.

#include <cstddef>
#include <cstdint>
#include <istream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/metadata.h"
#include "corkscrew/record.h"

namespace corkscrew {

// Longest line that is read. The largest legal record fits: 1 MiB of text at
// six bytes per escaped byte, a vector of kMaxDim numbers and metadata.
inline constexpr size_t kMaxLineBytes = size_t{8} << 20;

// Reads lines with bounded memory. Single-threaded. Borrows the stream.
class LineReader {
 public:
  explicit LineReader(std::istream& in) : in_(in) {}

  // Reads the next line without its end ("\n" or "\r\n"). False at the end of
  // the input. A line above kMaxLineBytes comes back empty with too_long().
  bool Next(std::string& line);

  uint64_t line_number() const {
    return line_number_;
  }  // Of that line, from 1.
  uint64_t bytes_read() const { return bytes_read_; }
  bool too_long() const { return too_long_; }

 private:
  std::istream& in_;
  uint64_t line_number_ = 0;
  uint64_t bytes_read_ = 0;
  bool too_long_ = false;
};

// A record as a line shows it, with what `list` and `history` print beside it.
struct RecordLine : Record {
  int64_t expires_ms = 0;  // See RecordView; 0: never.
  bool deleted = false;    // A tombstone: only the id counts.
  Lamport lamport = 0;     // 0: the line has none.
};

// Parses a record: {"id": string, "text": string and/or "vector": [numbers],
// "metadata": {key: bool | number | string | [strings]}, "expires_ms": integer,
// "deleted": bool, "lamport": integer}. "vector": null and "metadata": null are
// as if absent. Other keys that the command line prints ("score", "wall_ms")
// are ignored, so that what was listed can be imported; any other key is an
// error. A number without fraction and exponent is an int64.
//   InvalidArgument  malformed JSON, a key twice, another type, an integer
//                    outside int64, a vector longer than kMaxDim; names the
//                    key or the byte
absl::StatusOr<RecordLine> ParseRecordLine(absl::string_view line);

// A search from a queries file.
struct QueryLine {
  std::string id = {};
  std::string text = {};           // One of these two
  std::vector<float> vector = {};  // is not empty.
};

// Parses {"id": string, "text": string | "vector": [numbers]}.
//   InvalidArgument  as above; neither or both of text and vector
absl::StatusOr<QueryLine> ParseQueryLine(absl::string_view line);

// Parses the value of "metadata" above, as --metadata takes it.
absl::StatusOr<Metadata> ParseMetadata(absl::string_view json);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_JSON_LINES_H_
