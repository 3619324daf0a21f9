#ifndef CORKSCREW_EMBED_SAFETENSORS_H_
#define CORKSCREW_EMBED_SAFETENSORS_H_

// Reader of safetensors files (github huggingface/safetensors): a length, a
// JSON object that names tensors, their bytes. The bytes are untrusted: every
// length and place is checked before it is used.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace corkscrew {

// Row-major. Views point into the file.
struct SafeTensor {
  std::string name;
  std::string type;  // "F32", "F16", "BF16", "I64", ...
  std::vector<uint64_t> shape;
  uint64_t elements = 0;
  absl::string_view data;  // Exactly the bytes of the tensor.
};

// Immutable. Thread-safe. Owns the bytes of the file.
class SafetensorsFile {
 public:
  //   InvalidArgument  malformed; names the file `name` and the tensor
  static absl::StatusOr<std::shared_ptr<const SafetensorsFile>> Parse(
      std::string bytes, absl::string_view name);

  const std::string& name() const { return name_; }
  // Ascending by name.
  absl::Span<const SafeTensor> tensors() const { return tensors_; }
  // The tensor called `name`, or null.
  const SafeTensor* Find(absl::string_view name) const;

 private:
  SafetensorsFile(std::string bytes, absl::string_view name)
      : bytes_(std::move(bytes)), name_(name) {}
  absl::Status Read();
  absl::Status CheckPlaces(size_t data_bytes) const;

  const std::string bytes_;
  const std::string name_;
  std::vector<SafeTensor> tensors_;
};

// Appends the values of a tensor of type F32, F16 or BF16 to `out`.
//   Unimplemented  another type
absl::Status AppendFloats(const SafeTensor& tensor, std::vector<float>* out);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_SAFETENSORS_H_
