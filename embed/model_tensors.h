#ifndef CORKSCREW_EMBED_MODEL_TENSORS_H_
#define CORKSCREW_EMBED_MODEL_TENSORS_H_

// What a model takes out of its GGUF file: tensors by exact name and shape, and
// required keys. Everything is checked to be there, of a type that can be
// decoded, and free of NaN and infinity. Errors name the file and the tensor or
// key.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "embed/gguf.h"

namespace corkscrew {

// Single-threaded.
class ModelTensors {
 public:
  // `file` is borrowed.
  explicit ModelTensors(const GgufFile& file) : file_(file) {}

  // Returns the tensor called `name` of shape [in, out]; `out` = 1 is a vector.
  // Borrowed from the file.
  //   InvalidArgument  missing, another shape (names both), NaN or infinity
  //   Unimplemented    a type that can not be decoded
  absl::StatusOr<const GgufTensor*> Matrix(absl::string_view name, size_t in,
                                           size_t out);

  // The same for a table of any number of rows, at least one.
  absl::StatusOr<const GgufTensor*> Table(absl::string_view name, size_t in);

  // The values of the vector called `name` [n], followed by zeros up to
  // `padded` >= n. Errors as Matrix().
  absl::StatusOr<std::vector<float>> Vector(absl::string_view name, size_t n,
                                            size_t padded);

  // The same for `n` matrices [in, out] in one tensor [in, out, n], one by one.
  absl::StatusOr<std::vector<GgufTensor>> Matrices(absl::string_view name,
                                                   size_t in, size_t out,
                                                   size_t n);

  bool Has(absl::string_view name) const { return file_.Find(name) != nullptr; }

  // All tensors returned so far.
  absl::Span<const GgufTensor* const> used() const { return used_; }

 private:
  std::string Describe(absl::string_view name) const;
  absl::StatusOr<const GgufTensor*> Take(const GgufTensor* tensor);

  const GgufFile& file_;
  std::vector<const GgufTensor*> used_;
};

// The value of `key`, which must be within [least, most].
//   InvalidArgument  missing, of another type, or outside
absl::StatusOr<size_t> RequiredUint(const GgufFile& file, absl::string_view key,
                                    uint64_t least, uint64_t most);

// Whether all values are finite. `tensor` is of a type that CanDequantize().
bool AllFinite(const GgufTensor& tensor);

// Writes row `row` of `tensor` to `out` [row_values()].
void ReadRow(const GgufTensor& tensor, size_t row, float* out);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MODEL_TENSORS_H_
