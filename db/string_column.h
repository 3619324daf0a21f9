#ifndef CORKSCREW_DB_STRING_COLUMN_H_
#define CORKSCREW_DB_STRING_COLUMN_H_

// Strings of a segment: where each ends, then the strings, one after the other.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"

namespace corkscrew {

// The i-th of little-endian integers of `width` bytes; 0: all are 0.
inline uint64_t LoadUnsigned(const char* bytes, uint8_t width, size_t i) {
  static_assert(std::endian::native == std::endian::little);
  uint64_t value = 0;
  if (width != 0) std::memcpy(&value, bytes + i * width, width);
  return value;
}

// Borrows its bytes. Whatever they are, reading is bounded.
struct StringColumn {
  uint32_t size = 0;
  uint8_t end_width = 0;
  const char* ends = nullptr;  // [size]
  absl::string_view bytes;

  // Empty if there is no such string.
  absl::string_view Get(uint64_t i) const {
    if (i >= size) return {};
    const uint64_t begin = i == 0 ? 0 : LoadUnsigned(ends, end_width, i - 1);
    const uint64_t end = LoadUnsigned(ends, end_width, i);
    if (begin > end || end > bytes.size()) return {};
    return bytes.substr(begin, end - begin);
  }
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_STRING_COLUMN_H_
