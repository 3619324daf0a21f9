#ifndef CORKSCREW_QUANT_BIT_PLANES_H_
#define CORKSCREW_QUANT_BIT_PLANES_H_

// Some coordinates at a time between bytes (one per coordinate) or codes of
// four bits, and planes (one bit per coordinate).

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

// Exchanges two bits of the numbers of the 64 bits: those at `places`, where
// the lower one is 1 and the upper one 0, change place with those `distance`
// above them.
inline uint64_t SwapBits(uint64_t x, uint64_t places, int distance) {
  const uint64_t changed = (x ^ x >> distance) & places;
  return x ^ changed ^ changed << distance;
}

// From sixteen codes of four bits to four planes of sixteen: bit b of code i
// becomes bit 16 b + i. Number i3 i2 i1 i0 b1 b0 becomes b1 b0 i3 i2 i1 i0.
inline uint64_t PlanesOfFourBits(uint64_t codes) {
  codes = SwapBits(codes, 0x00000000CCCCCCCC, 30);
  codes = SwapBits(codes, 0x0000AAAA0000AAAA, 15);
  codes = SwapBits(codes, 0x00CC00CC00CC00CC, 6);
  return SwapBits(codes, 0x0A0A0A0A0A0A0A0A, 3);
}

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_BIT_PLANES_H_
