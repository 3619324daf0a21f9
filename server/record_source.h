#ifndef CORKSCREW_SERVER_RECORD_SOURCE_H_
#define CORKSCREW_SERVER_RECORD_SOURCE_H_

// Records to import, from files of several formats, one after another with
// bounded memory. All bytes are hostile.

#include <cstddef>
#include <cstdint>
#include <istream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/json_lines.h"

namespace corkscrew {

// One record, or why it is none.
struct SourceItem {
  RecordLine record = {};
  absl::Status error = absl::OkStatus();  // Not OK: leave it out.
  uint64_t number = 0;  // Of its line from 1, or of its row from 0.
  size_t bytes = 0;     // That it takes, about.
};

// Single-threaded. Borrows its streams.
class RecordSource {
 public:
  virtual ~RecordSource() = default;

  // Reads the next record. False at the end.
  //   InvalidArgument  what follows can not be read either
  virtual absl::StatusOr<bool> Next(SourceItem& item) = 0;

  virtual uint64_t bytes_read() const = 0;
  virtual absl::string_view unit() const = 0;  // "line" or "row".
};

enum class RecordFormat { kJsonLines, kCsv, kNpy, kFvecs };

// By the suffix of a file name: .csv, .npy, .fvecs; others hold lines of JSON.
RecordFormat FormatOf(absl::string_view file);

// Lines of ParseRecordLine(). Empty lines are passed over.
std::unique_ptr<RecordSource> JsonLinesSource(std::istream& in);

// CSV (RFC 4180) whose first record names the columns: "id"; "text"; "vector"
// (a JSON list) or "vector_0", "vector_1", ...; "metadata" (a JSON object);
// "expires_ms". Columns that the command line prints ("lamport", "wall_ms",
// "score", "deleted") are ignored. Every other column is metadata: NAME holds
// strings, NAME:TYPE with int, double, bool or strings (a JSON list) values of
// that type. An empty cell is nothing.
//   InvalidArgument  no header, no "id", a column twice, missing coordinates
absl::StatusOr<std::unique_ptr<RecordSource>> CsvSource(std::istream& in);

// Vectors of a .npy file (npy_reader.h). `ids`, which may be null, has the id
// of each row on a line of its own; without it, the id is the number of the
// row from 0.
//   InvalidArgument  not such a file
absl::StatusOr<std::unique_ptr<RecordSource>> NpySource(std::istream& in,
                                                        std::istream* ids);

// Vectors of an .fvecs file: per row a little-endian int32 number of
// coordinates, the same in all rows, and float32 coordinates. Ids as above.
std::unique_ptr<RecordSource> FvecsSource(std::istream& in, std::istream* ids);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_RECORD_SOURCE_H_
