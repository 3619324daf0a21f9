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
uint64_t PackGroup(uint64_t x, int bits) {
  x = (x & kEven8) | ((x & ~kEven8) >> (8 - bits));
  x = (x & kEven16) | ((x & ~kEven16) >> (16 - 2 * bits));
  return (x & kEven32) | ((x & ~kEven32) >> (32 - 4 * bits));
}

uint64_t UnpackGroup(uint64_t x, int bits) {
  const uint64_t four = (uint64_t{1} << (4 * bits)) - 1;
  x = (x & four) | ((x & ~four) << (32 - 4 * bits));
  const uint64_t two = ((uint64_t{1} << (2 * bits)) - 1) * 0x0000000100000001;
  x = (x & two) | ((x & ~two) << (16 - 2 * bits));
  const uint64_t one = ((uint64_t{1} << bits) - 1) * 0x0001000100010001;
  return (x & one) | ((x & ~one) << (8 - bits));
}

}  // namespace

void PackBits(absl::Span<const uint8_t> values, int bits,
              absl::Span<uint8_t> packed) {
  assert(packed.size() == PackedBytes(values.size(), bits));
  const size_t group_bytes = static_cast<size_t>(bits);
  size_t from = 0;
  size_t to = 0;
  for (; from + kGroup <= values.size(); from += kGroup, to += group_bytes) {
    uint64_t x;
    std::memcpy(&x, values.data() + from, kGroup);
    x = PackGroup(x, bits);
    std::memcpy(packed.data() + to, &x, group_bytes);
  }
  if (from < values.size()) {
    uint64_t x = 0;
    std::memcpy(&x, values.data() + from, values.size() - from);
    x = PackGroup(x, bits);
    std::memcpy(packed.data() + to, &x, packed.size() - to);
  }
}

void UnpackBits(absl::Span<const uint8_t> packed, int bits,
                absl::Span<uint8_t> values) {
  assert(packed.size() == PackedBytes(values.size(), bits));
  const size_t group_bytes = static_cast<size_t>(bits);
  size_t from = 0;
  size_t to = 0;
  for (; to + kGroup <= values.size(); from += group_bytes, to += kGroup) {
    uint64_t x = 0;
    std::memcpy(&x, packed.data() + from, group_bytes);
    x = UnpackGroup(x, bits);
    std::memcpy(values.data() + to, &x, kGroup);
  }
  if (to < values.size()) {
    uint64_t x = 0;
    std::memcpy(&x, packed.data() + from, packed.size() - from);
    x = UnpackGroup(x, bits);
    std::memcpy(values.data() + to, &x, values.size() - to);
  }
}

bool UnusedBitsAreZero(absl::Span<const uint8_t> packed, size_t n, int bits) {
  assert(packed.size() == PackedBytes(n, bits));
  const size_t used = n * static_cast<size_t>(bits) % 8;
  return used == 0 || packed.back() >> used == 0;
}

}  // namespace corkscrew
