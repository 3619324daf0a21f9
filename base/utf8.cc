#include "base/utf8.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace corkscrew {

bool IsValidUtf8(absl::string_view bytes) {
  const auto* at = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  while (left > 0) {
    // Most text is ASCII: eight bytes per step.
    if (left >= 8) {
      uint64_t word;
      std::memcpy(&word, at, 8);
      if ((word & 0x8080808080808080) == 0) {
        at += 8;
        left -= 8;
        continue;
      }
    }
    const uint8_t lead = at[0];
    if (lead < 0x80) {
      ++at;
      --left;
      continue;
    }
    // Table 3-7: the lead byte fixes the length and the range of the second
    // byte; the others are 80..BF.
    size_t size;
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
      size = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      size = 3;
      if (lead == 0xE0) low = 0xA0;
      if (lead == 0xED) high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      size = 4;
      if (lead == 0xF0) low = 0x90;
      if (lead == 0xF4) high = 0x8F;
    } else {
      return false;
    }
    if (left < size || at[1] < low || at[1] > high) return false;
    for (size_t i = 2; i < size; ++i) {
      if ((at[i] & 0xC0) != 0x80) return false;
    }
    at += size;
    left -= size;
  }
  return true;
}

}  // namespace corkscrew
