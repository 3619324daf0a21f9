#include "quant/packing.h"

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/types/span.h"

namespace corkscrew {
namespace {

static_assert(std::endian::native == std::endian::little,
              "a group of eight values is handled as one integer");

// Eight values of `bits` bits are exactly `bits` bytes: groups are independent.
constexpr size_t kGroup = 8;

// Masks of the even bytes, 16-bit and 32-bit parts of a word.
constexpr uint64_t kEven8 = 0x00FF00FF00FF00FF;
constexpr uint64_t kEven16 = 0x0000FFFF0000FFFF;
constexpr uint64_t kEven32 = 0x00000000FFFFFFFF;

// Closes the gaps between the eight bytes of `x`, in pairs, fours and eights.
template <int kBits>
uint64_t PackGroup(uint64_t x) {
  x = (x & kEven8) | ((x & ~kEven8) >> (8 - kBits));
  x = (x & kEven16) | ((x & ~kEven16) >> (16 - 2 * kBits));
  return (x & kEven32) | ((x & ~kEven32) >> (32 - 4 * kBits));
}

template <int kBits>
uint64_t UnpackGroup(uint64_t x) {
  constexpr uint64_t kFour = (uint64_t{1} << (4 * kBits)) - 1;
  x = (x & kFour) | ((x & (kFour << 4 * kBits)) << (32 - 4 * kBits));
  constexpr uint64_t kTwo =
      ((uint64_t{1} << (2 * kBits)) - 1) * 0x0000000100000001;
  x = (x & kTwo) | ((x & (kTwo << 2 * kBits)) << (16 - 2 * kBits));
  constexpr uint64_t kOne = ((uint64_t{1} << kBits) - 1) * 0x0001000100010001;
  return (x & kOne) | ((x & (kOne << kBits)) << (8 - kBits));
}

// The width is a constant so that copies of a group are single instructions.
template <int kBits>
void Pack(const uint8_t* values, size_t n, uint8_t* packed) {
  uint64_t x;
  for (; n >= kGroup; n -= kGroup, values += kGroup, packed += kBits) {
    std::memcpy(&x, values, kGroup);
    x = PackGroup<kBits>(x);
    std::memcpy(packed, &x, kBits);
  }
  if (n == 0) return;
  x = 0;
  std::memcpy(&x, values, n);
  x = PackGroup<kBits>(x);
  std::memcpy(packed, &x, PackedBytes(n, kBits));
}

template <int kBits>
void Unpack(const uint8_t* packed, size_t n, uint8_t* values) {
  uint64_t x = 0;
  for (; n >= kGroup; n -= kGroup, values += kGroup, packed += kBits) {
    std::memcpy(&x, packed, kBits);
    const uint64_t group = UnpackGroup<kBits>(x);
    std::memcpy(values, &group, kGroup);
  }
  if (n == 0) return;
  x = 0;
  std::memcpy(&x, packed, PackedBytes(n, kBits));
  x = UnpackGroup<kBits>(x);
  std::memcpy(values, &x, n);
}

}  // namespace

void PackBits(absl::Span<const uint8_t> values, int bits,
              absl::Span<uint8_t> packed) {
  assert(packed.size() == PackedBytes(values.size(), bits));
  switch (bits) {
    case 1:
      return Pack<1>(values.data(), values.size(), packed.data());
    case 2:
      return Pack<2>(values.data(), values.size(), packed.data());
    case 3:
      return Pack<3>(values.data(), values.size(), packed.data());
    case 4:
      return Pack<4>(values.data(), values.size(), packed.data());
    case 5:
      return Pack<5>(values.data(), values.size(), packed.data());
    case 6:
      return Pack<6>(values.data(), values.size(), packed.data());
    case 7:
      return Pack<7>(values.data(), values.size(), packed.data());
    default:
      return Pack<8>(values.data(), values.size(), packed.data());
  }
}

void UnpackBits(absl::Span<const uint8_t> packed, int bits,
                absl::Span<uint8_t> values) {
  assert(packed.size() == PackedBytes(values.size(), bits));
  switch (bits) {
    case 1:
      return Unpack<1>(packed.data(), values.size(), values.data());
    case 2:
      return Unpack<2>(packed.data(), values.size(), values.data());
    case 3:
      return Unpack<3>(packed.data(), values.size(), values.data());
    case 4:
      return Unpack<4>(packed.data(), values.size(), values.data());
    case 5:
      return Unpack<5>(packed.data(), values.size(), values.data());
    case 6:
      return Unpack<6>(packed.data(), values.size(), values.data());
    case 7:
      return Unpack<7>(packed.data(), values.size(), values.data());
    default:
      return Unpack<8>(packed.data(), values.size(), values.data());
  }
}

bool UnusedBitsAreZero(absl::Span<const uint8_t> packed, size_t n, int bits) {
  assert(packed.size() == PackedBytes(n, bits));
  const size_t used = n * static_cast<size_t>(bits) % 8;
  return used == 0 || packed.back() >> used == 0;
}

}  // namespace corkscrew
