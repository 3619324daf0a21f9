// Fuzzes .npy files: every row that the header promises is read, or the end of
// the file is reported.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/npy_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::istringstream in(std::string(reinterpret_cast<const char*>(data), size));
  absl::StatusOr<corkscrew::NpyReader> reader = corkscrew::NpyReader::Open(in);
  if (!reader.ok()) return 0;
  const corkscrew::NpyHeader& header = reader->header();
  std::vector<float> row(header.dim);
  uint64_t rows = 0;
  while (rows < header.rows && reader->ReadRow(absl::MakeSpan(row)).ok()) {
    ++rows;
  }
  if (rows * header.dim * header.value_bytes > size) std::abort();
  return 0;
}
