#ifndef CORKSCREW_EMBED_GGUF_VALUE_H_
#define CORKSCREW_EMBED_GGUF_VALUE_H_

// A named value of a GGUF file, as it lies in the file.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"

namespace corkscrew {

// Types of values, by their numbers in the file.
enum class GgufValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};
inline constexpr uint32_t kGgufValueTypes = 13;

bool IsInteger(GgufValueType type);
absl::string_view NameOf(GgufValueType type);
// Bytes of one value in the file; the fewest for strings and arrays.
size_t BytesOf(GgufValueType type);

// A name from the file in quotes, safe to print and of bounded length.
std::string Quoted(absl::string_view name);

// Its bytes were checked when the file was parsed: fixed-width elements, or
// `count` strings, in an array each with its u64 length before it. Borrows the
// bytes of the file.
struct GgufValue {
  absl::string_view key;
  GgufValueType type = GgufValueType::kUint8;  // Of the elements of an array.
  bool is_array = false;
  uint64_t count = 1;
  absl::string_view bytes;

  // "array of uint32".
  std::string TypeName() const;

  // Element `index`; T is as wide as the type.
  template <typename T>
  T Load(size_t index = 0) const {
    T value;
    std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
    return value;
  }

  // Reads element `index` of an integer type. False if the type is another or
  // the element is above the largest int64_t.
  [[nodiscard]] bool LoadInteger(size_t index, int64_t* out) const;
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_GGUF_VALUE_H_
