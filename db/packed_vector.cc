#include "db/packed_vector.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/cursor.h"
#include "corkscrew/limits.h"

namespace corkscrew {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the low three bytes of a float come first");

constexpr size_t kHeadBytes = 3;
constexpr size_t kLowBytes = 3;
// In four bits: the exponent is somewhere behind.
constexpr uint32_t kElsewhere = 15;

uint32_t ExponentOf(uint32_t bits) { return bits >> 23 & 0xFF; }

// Sign and fraction, in three bytes.
uint32_t RestOf(uint32_t bits) {
  return (bits & 0x7FFFFF) | (bits >> 8 & 0x800000);
}
uint32_t BitsOf(uint32_t rest, uint32_t exponent) {
  return (rest & 0x7FFFFF) | (rest & 0x800000) << 8 | exponent << 23;
}

uint32_t LargestExponent(absl::Span<const float> vector) {
  const auto exponent = [&](size_t i) {
    return std::bit_cast<uint32_t>(vector[i]) & 0x7F800000;
  };
  // Side by side: each is a chain of its own, in a register.
  uint32_t a = 0, b = 0, c = 0, d = 0;
  size_t i = 0;
  for (; i + 4 <= vector.size(); i += 4) {
    a = std::max(a, exponent(i));
    b = std::max(b, exponent(i + 1));
    c = std::max(c, exponent(i + 2));
    d = std::max(d, exponent(i + 3));
  }
  for (; i < vector.size(); ++i) a = std::max(a, exponent(i));
  return std::max({a, b, c, d}) >> 23;
}

size_t FixedBytes(size_t dim) {
  return kHeadBytes + kLowBytes * dim + (dim + 1) / 2;
}

// Writes the rests of `vector`, and the four bits of each as if all exponents
// were near `top`. Returns whether they are.
bool PackNear(absl::Span<const float> vector, uint32_t top, uint8_t* rests,
              uint8_t* below) {
  // Two coordinates in one word: what is done to one is done to both.
  constexpr uint64_t kBoth = 0x0000000100000001;
  const uint64_t tops = top * kBoth;
  uint64_t furthest = 0;  // Has bits above the four if one is far.
  size_t i = 0;
  // Six bytes are written as eight, so not the last ones.
  for (; i + 2 < vector.size(); i += 2) {
    uint64_t bits;
    std::memcpy(&bits, &vector[i], sizeof(bits));
    const uint64_t rest =
        (bits & 0x7FFFFF * kBoth) | (bits >> 8 & 0x800000 * kBoth);
    const uint64_t packed = (rest & 0xFFFFFF) | (rest >> 8 & 0xFFFFFF000000);
    std::memcpy(rests + kLowBytes * i, &packed, sizeof(packed));
    const uint64_t nibbles = tops - (bits >> 23 & 0xFF * kBoth);
    furthest |= nibbles + kBoth;
    below[i / 2] = static_cast<uint8_t>(nibbles | nibbles >> 28);
  }
  below[i / 2] = 0;
  for (; i < vector.size(); ++i) {
    const auto bits = std::bit_cast<uint32_t>(vector[i]);
    const uint32_t rest = RestOf(bits);
    std::memcpy(rests + kLowBytes * i, &rest, kLowBytes);
    const uint32_t nibble = top - ExponentOf(bits);
    furthest |= nibble + 1;
    below[i / 2] |= static_cast<uint8_t>(nibble << i % 2 * 4);
  }
  return (furthest & ~(0xF * kBoth)) == 0;
}

// Writes the four bits of each coordinate, and the exponents that they do not
// tell to `exponents`, which has room for `most`. Returns how many there are,
// or 0 if there is too little room.
size_t PackFar(absl::Span<const float> vector, uint32_t top, size_t most,
               uint8_t* below, uint8_t* exponents) {
  size_t count = 0;
  std::fill_n(below, (vector.size() + 1) / 2, uint8_t{0});
  for (size_t i = 0; i < vector.size(); ++i) {
    const uint32_t exponent = ExponentOf(std::bit_cast<uint32_t>(vector[i]));
    const uint32_t nibble = std::min(top - exponent, kElsewhere);
    below[i / 2] |= static_cast<uint8_t>(nibble << i % 2 * 4);
    if (nibble != kElsewhere) continue;
    if (count == most) return 0;
    exponents[count++] = static_cast<uint8_t>(exponent);
  }
  return count;
}

}  // namespace

bool PackVector(absl::Span<const float> vector, std::string* out) {
  out->clear();
  const size_t dim = vector.size();
  if (dim == 0 || dim > kMaxDim) return false;
  const uint32_t top = LargestExponent(vector);
  const size_t fixed = FixedBytes(dim);
  const size_t most = dim * sizeof(float) - 1;
  if (fixed > most) return false;
  out->resize(most);
  auto* const head = reinterpret_cast<uint8_t*>(out->data());
  head[0] = static_cast<uint8_t>(dim >> 8);
  head[1] = static_cast<uint8_t>(dim);
  head[2] = static_cast<uint8_t>(top);
  uint8_t* const rests = head + kHeadBytes;
  uint8_t* const below = rests + kLowBytes * dim;
  size_t size = fixed;
  if (!PackNear(vector, top, rests, below)) {
    const size_t far = PackFar(vector, top, most - fixed, below, head + fixed);
    if (far == 0) {
      out->clear();
      return false;
    }
    size += far;
  }
  out->resize(size);
  return true;
}

size_t PackedDim(absl::string_view bytes) {
  Cursor cursor(bytes);
  uint16_t dim;
  const bool is_packed =
      cursor.ReadBig(&dim) && dim <= kMaxDim && bytes.size() >= FixedBytes(dim);
  return is_packed ? dim : 0;
}

bool UnpackVector(absl::string_view bytes, absl::Span<float> vector) {
  const size_t dim = vector.size();
  if (dim == 0 || PackedDim(bytes) != dim ||
      bytes.size() >= dim * sizeof(float)) {
    return false;
  }
  const auto* const head = reinterpret_cast<const uint8_t*>(bytes.data());
  const uint32_t top = head[2];
  const uint8_t* const rests = head + kHeadBytes;
  const uint8_t* const below = rests + kLowBytes * dim;
  const uint8_t* exponents = head + FixedBytes(dim);
  const uint8_t* const end = head + bytes.size();
  bool has_top = false;
  for (size_t i = 0; i < dim; ++i) {
    const uint32_t nibble = below[i / 2] >> i % 2 * 4 & 0xF;
    uint32_t exponent;
    if (nibble == kElsewhere) {
      if (exponents == end) return false;
      exponent = *exponents++;
      if (exponent + kElsewhere > top) return false;
    } else {
      if (nibble > top) return false;
      exponent = top - nibble;
      has_top |= nibble == 0;
    }
    // The bytes of the exponents are behind: four can be read.
    uint32_t rest;
    std::memcpy(&rest, rests + kLowBytes * i, sizeof(rest));
    vector[i] = std::bit_cast<float>(BitsOf(rest & 0xFFFFFF, exponent));
  }
  return has_top && exponents == end &&
         (dim % 2 == 0 || below[dim / 2] >> 4 == 0);
}

}  // namespace corkscrew
