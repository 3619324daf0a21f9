#ifndef CORKSCREW_QUANT_BIT_PLANES_H_
#define CORKSCREW_QUANT_BIT_PLANES_H_

// Eight coordinates at a time between bytes (one per coordinate) and planes
// (one bit per coordinate).

#include <bit>
#include <cstdint>

namespace corkscrew {

static_assert(std::endian::native == std::endian::little,
              "a group of eight coordinates is handled as one integer");

inline constexpr uint64_t kLowBitOfBytes = 0x0101010101010101;

// Bit `bit` of each of the eight bytes: that of byte i becomes bit i.
inline uint8_t GatherBit(uint64_t bytes, int bit) {
  return static_cast<uint8_t>(
      (((bytes >> bit) & kLowBitOfBytes) * 0x0102040810204080) >> 56);
}

// The inverse: bit i of `bits` becomes bit 0 of byte i.
inline uint64_t SpreadBits(uint8_t bits) {
  const uint64_t apart = (bits * kLowBitOfBytes) & 0x8040201008040201;
  return ((apart + 0x7F7F7F7F7F7F7F7F) >> 7) & kLowBitOfBytes;
}

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_BIT_PLANES_H_
