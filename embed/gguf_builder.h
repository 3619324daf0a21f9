#ifndef CORKSCREW_EMBED_GGUF_BUILDER_H_
#define CORKSCREW_EMBED_GGUF_BUILDER_H_

// For tests only: writes small GGUF files, well-formed unless told otherwise.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "embed/gguf.h"

namespace corkscrew::testing {

// Appends the little-endian bytes of an integer or float.
template <typename T>
void AppendLittle(std::string* to, T value) {
  to->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Values and tensors come in the order they were added. Single-threaded.
class GgufBuilder {
 public:
  uint32_t version = 3;
  // Tensors start at multiples of it. Written as general.alignment if not 32.
  uint64_t alignment = 32;

  GgufBuilder& Uint32(absl::string_view key, uint32_t value);
  GgufBuilder& Float32(absl::string_view key, float value);
  GgufBuilder& Bool(absl::string_view key, bool value);
  GgufBuilder& String(absl::string_view key, absl::string_view value);
  GgufBuilder& Strings(absl::string_view key,
                       const std::vector<std::string>& values);
  // A value of any type: `bytes` is its encoding.
  GgufBuilder& Raw(absl::string_view key, uint32_t type,
                   absl::string_view bytes);

  // `data` is as long as `shape` and `type` ask for, unless a test wants a
  // malformed file.
  GgufBuilder& Tensor(absl::string_view name, GgmlType type,
                      std::vector<uint64_t> shape, absl::string_view data);
  GgufBuilder& Floats(absl::string_view name, std::vector<uint64_t> shape,
                      const std::vector<float>& data);

  std::string Build() const;

 private:
  struct TensorInfo {
    std::string name;
    GgmlType type = GgmlType::kF32;
    std::vector<uint64_t> shape;
    std::string data;
  };
  std::vector<std::string> values_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace corkscrew::testing

#endif  // CORKSCREW_EMBED_GGUF_BUILDER_H_
