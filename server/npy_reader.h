#ifndef CORKSCREW_SERVER_NPY_READER_H_
#define CORKSCREW_SERVER_NPY_READER_H_

// Reads vectors from NumPy's .npy files (format versions 1 to 3, NEP 1):
// little-endian float32 or float64, C order, shape (n, dim) or (dim,).

#include <cstddef>
#include <cstdint>
#include <istream>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace corkscrew {

// What the header of a file says.
struct NpyHeader {
  uint64_t rows = 0;
  size_t dim = 0;          // 1..kMaxNpyDim.
  size_t value_bytes = 0;  // 4 or 8.
};

inline constexpr size_t kMaxNpyDim = 65535;  // The quantizer's limit.

// Parses the text of a header, the dictionary behind the length field.
//   InvalidArgument  not such a dictionary, a key missing or twice, another
//                    type, order or shape; names it
absl::StatusOr<NpyHeader> ParseNpyDictionary(absl::string_view text);

// Reads the rows one after another, with memory for one. Single-threaded.
// Borrows the stream.
class NpyReader {
 public:
  // Reads the header.
  //   InvalidArgument  as above, or not a .npy file, or cut
  static absl::StatusOr<NpyReader> Open(std::istream& in);

  const NpyHeader& header() const { return header_; }

  // Reads the next row into `row` [dim]; float64 is rounded to float32. Call
  // header().rows times.
  //   InvalidArgument  the file ends early; names the row
  absl::Status ReadRow(absl::Span<float> row);

 private:
  NpyReader(std::istream& in, const NpyHeader& header)
      : in_(&in), header_(header), bytes_(header.dim * header.value_bytes) {}

  std::istream* in_;
  NpyHeader header_;
  std::vector<char> bytes_;  // Of one row, as in the file.
  uint64_t next_row_ = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_NPY_READER_H_
