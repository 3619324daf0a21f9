// Compresses a matrix of vectors eightfold and searches it in its compressed
// form. Needs the quantizer alone: link corkscrewdb::quant.
//
//   compress_npy VECTORS.npy CODES

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "corkscrew/metric.h"
#include "corkscrew/quantizer.h"

namespace {

using corkscrew::CodeScalars;
using corkscrew::Metric;
using corkscrew::Quantizer;

struct Matrix {
  size_t rows = 0;
  size_t dim = 0;
  std::vector<float> values;  // [rows, dim]
};

// Reads a two-dimensional array of little-endian float32 in C order, as
// numpy.save() writes it. False if `path` holds something else.
bool ReadNpy(const char* path, Matrix* matrix) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  constexpr size_t kStart = 10;  // Magic, version, length of the header.
  if (bytes.size() < kStart || bytes.compare(0, 7, "\x93NUMPY\x01") != 0) {
    return false;
  }
  const size_t header =
      static_cast<uint8_t>(bytes[8]) +
      (static_cast<size_t>(static_cast<uint8_t>(bytes[9])) << 8);
  if (header > bytes.size() - kStart) return false;
  const std::string text = bytes.substr(kStart, header);
  if (text.find("'<f4'") == std::string::npos) return false;
  if (text.find("'fortran_order': False") == std::string::npos) return false;
  const size_t shape = text.find("'shape': (");
  if (shape == std::string::npos ||
      std::sscanf(text.c_str() + shape, "'shape': (%zu, %zu)", &matrix->rows,
                  &matrix->dim) != 2) {
    return false;
  }
  const size_t left = (bytes.size() - kStart - header) / sizeof(float);
  if (matrix->dim == 0 || matrix->rows > left / matrix->dim) return false;
  matrix->values.resize(matrix->rows * matrix->dim);
  std::memcpy(matrix->values.data(), bytes.data() + kStart + header,
              matrix->values.size() * sizeof(float));
  return true;
}

int Run(const char* from, const char* to) {
  Matrix matrix;
  if (!ReadNpy(from, &matrix)) {
    std::fprintf(stderr, "%s: want a float32 matrix of numpy.save()\n", from);
    return 1;
  }
  // Everything about a quantizer follows from these: nothing is trained, and
  // whoever makes one with the same values reads the codes.
  const auto quantizer = Quantizer::Create({.dim = matrix.dim, .bits = 4});
  if (!quantizer.ok()) {
    std::fprintf(stderr, "%s\n", quantizer.status().ToString().c_str());
    return 1;
  }
  std::vector<uint8_t> codes(matrix.rows * quantizer->code_bytes());
  std::vector<CodeScalars> scalars(matrix.rows);
  const auto encoded =
      quantizer->EncodeBatch(matrix.values, absl::MakeSpan(codes),
                             absl::MakeSpan(scalars), {.threads = 4});
  if (!encoded.ok()) {
    std::fprintf(stderr, "%s: %s\n", from, encoded.ToString().c_str());
    return 1;
  }
  // One after the other in a form that says what it is.
  std::ofstream file(to, std::ios::binary);
  for (size_t row = 0; row < matrix.rows; ++row) {
    const absl::Span<const uint8_t> code(&codes[row * quantizer->code_bytes()],
                                         quantizer->code_bytes());
    file << SerializeCode(*quantizer, code, scalars[row]);
  }
  if (!file.flush()) {
    std::fprintf(stderr, "%s: can not be written\n", to);
    return 1;
  }
  std::printf("%zu vectors of %zu bytes became codes of %zu\n", matrix.rows,
              matrix.dim * sizeof(float),
              quantizer->code_bytes() + sizeof(CodeScalars));

  // The vectors most like the first one, by their codes.
  const auto query =
      quantizer->Prepare(absl::MakeConstSpan(matrix.values).first(matrix.dim));
  if (!query.ok()) return 1;
  std::vector<float> scores(matrix.rows);
  quantizer->Score(*query, Metric::kCosine, codes, scalars,
                   absl::MakeSpan(scores));
  std::vector<size_t> best(matrix.rows);
  std::iota(best.begin(), best.end(), size_t{0});
  std::stable_sort(best.begin(), best.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  best.resize(std::min<size_t>(best.size(), 3));
  for (const size_t row : best) std::printf("%zu %.4f\n", row, scores[row]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: compress_npy VECTORS.npy CODES\n");
    return 2;
  }
  return Run(argv[1], argv[2]);
}
