#ifndef CORKSCREW_BASE_CURSOR_H_
#define CORKSCREW_BASE_CURSOR_H_

// A bounded reader over untrusted bytes. Reading past the end fails and leaves
// the cursor where it was; nothing is ever read outside the given bytes.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"

namespace corkscrew {

static_assert(std::endian::native == std::endian::little,
              "the little-endian readers below copy bytes as they are");

// Single-threaded. Borrows the bytes.
class Cursor {
 public:
  explicit Cursor(absl::string_view bytes) : bytes_(bytes) {}

  size_t remaining() const { return bytes_.size() - position_; }
  size_t position() const { return position_; }
  bool done() const { return remaining() == 0; }

  // Reads the next `size` bytes as a view of the input.
  [[nodiscard]] bool ReadBytes(uint64_t size, absl::string_view* out) {
    if (size > remaining()) return false;
    *out = bytes_.substr(position_, size);
    position_ += size;
    return true;
  }
  [[nodiscard]] bool Skip(uint64_t size) {
    if (size > remaining()) return false;
    position_ += size;
    return true;
  }

  // Reads a little-endian integer or float of the width of T.
  template <typename T>
  [[nodiscard]] bool ReadLittle(T* out) {
    if (sizeof(T) > remaining()) return false;
    std::memcpy(out, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return true;
  }
  // Reads a big-endian unsigned integer of the width of T.
  template <typename T>
  [[nodiscard]] bool ReadBig(T* out) {
    if (sizeof(T) > remaining()) return false;
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) {
      value = static_cast<T>((uint64_t{value} << 8) |
                             static_cast<uint8_t>(bytes_[position_ + i]));
    }
    position_ += sizeof(T);
    *out = value;
    return true;
  }
  // Reads an unsigned LEB128 integer. Fails on more than 64 bits and on an
  // encoding that is longer than needed, so that each value has one form.
  [[nodiscard]] bool ReadVarint(uint64_t* out) {
    uint64_t value = 0;
    for (size_t i = 0; i < 10; ++i) {
      if (position_ + i >= bytes_.size()) return false;
      const auto byte = static_cast<uint8_t>(bytes_[position_ + i]);
      if (i == 9 && byte > 1) return false;
      value |= uint64_t{byte & 0x7Fu} << (7 * i);
      if ((byte & 0x80) == 0) {
        if (i > 0 && byte == 0) return false;
        position_ += i + 1;
        *out = value;
        return true;
      }
    }
    return false;
  }

 private:
  absl::string_view bytes_;
  size_t position_ = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_BASE_CURSOR_H_
