#ifndef CORKSCREW_DB_ENCODE_H_
#define CORKSCREW_DB_ENCODE_H_

// Appends the integers of docs/storage_format.md; base/cursor.h reads them.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace corkscrew {

static_assert(std::endian::native == std::endian::little,
              "AppendBig() swaps the bytes of every integer");

// Appends `value` in sizeof(T) big-endian bytes. T is an unsigned integer.
template <typename T>
void AppendBig(T value, std::string* out) {
  static_assert(T(0) < T(-1), "unsigned integers only");
  if constexpr (sizeof(T) == 1) {
    out->push_back(static_cast<char>(value));
  } else {
    if constexpr (sizeof(T) == 2) value = __builtin_bswap16(value);
    if constexpr (sizeof(T) == 4) value = __builtin_bswap32(value);
    if constexpr (sizeof(T) == 8) value = __builtin_bswap64(value);
    out->append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
}

// Appends unsigned LEB128 in its shortest form.
inline void AppendVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) {
    out->push_back(static_cast<char>(value | 0x80));
  }
  out->push_back(static_cast<char>(value));
}

inline void AppendBytes(absl::string_view bytes, std::string* out) {
  out->append(bytes.data(), bytes.size());
}

// A view of the bytes of an array-like object.
template <typename Bytes>
absl::string_view BytesOf(const Bytes& bytes) {
  static_assert(sizeof(*bytes.data()) == 1);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace corkscrew

#endif  // CORKSCREW_DB_ENCODE_H_
