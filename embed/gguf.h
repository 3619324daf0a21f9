#ifndef CORKSCREW_EMBED_GGUF_H_
#define CORKSCREW_EMBED_GGUF_H_

// Reader of the GGUF container, versions 2 and 3 (ggml, docs/gguf.md): named
// values and named tensors. Knows nothing of models. The bytes are untrusted:
// every count, length and offset is checked against the file before it is used
// or anything is allocated for it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace corkscrew {

struct GgufValue;  // embed/gguf_value.h

// Element types of tensors, by their numbers in the file.
enum class GgmlType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kBF16 = 30,
};

// One tensor of a file. Views point into the GgufFile.
struct GgufTensor {
  absl::string_view name;
  GgmlType type = GgmlType::kF32;
  // shape[0] is the innermost dimension: a matrix [in, out] has `out` rows of
  // `in` contiguous values. Unused dimensions are 1.
  std::array<uint64_t, 4> shape = {1, 1, 1, 1};
  int dims = 0;
  absl::string_view data;  // Exactly the bytes of the tensor.

  uint64_t row_values() const { return shape[0]; }
  uint64_t rows() const { return shape[1] * shape[2] * shape[3]; }
};

// Immutable. Thread-safe. Owns the bytes of the file.
class GgufFile {
 public:
  // Reads the whole file into memory.
  //   NotFound         no such file
  //   InvalidArgument  malformed; names the file and the offending part
  //   Unimplemented    a version or tensor type not supported
  static absl::StatusOr<std::shared_ptr<const GgufFile>> Open(
      absl::string_view path);
  // The same from memory; `name` is used in errors.
  static absl::StatusOr<std::shared_ptr<const GgufFile>> Parse(
      std::string bytes, absl::string_view name);

  ~GgufFile();

  const std::string& name() const;

  // The value of `key`.
  //   NotFound         no such key
  //   InvalidArgument  it has another type, or does not fit (negative or too
  //                    large for Uint); names both
  absl::StatusOr<uint64_t> Uint(absl::string_view key) const;
  absl::StatusOr<double> Float(absl::string_view key) const;  // f32 or f64.
  absl::StatusOr<bool> Bool(absl::string_view key) const;
  absl::StatusOr<absl::string_view> String(absl::string_view key) const;
  absl::StatusOr<std::vector<absl::string_view>> Strings(
      absl::string_view key) const;
  absl::StatusOr<std::vector<float>> Floats(absl::string_view key) const;
  absl::StatusOr<std::vector<int64_t>> Ints(absl::string_view key) const;
  bool Has(absl::string_view key) const;

  // All values, by key.
  absl::Span<const GgufValue> values() const;

  // All tensors, by name.
  absl::Span<const GgufTensor> tensors() const;
  // The tensor called `name`, or null.
  const GgufTensor* Find(absl::string_view name) const;

 private:
  struct Rep;
  explicit GgufFile(std::unique_ptr<const Rep> rep);
  std::unique_ptr<const Rep> rep_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_GGUF_H_
