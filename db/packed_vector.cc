#include "db/packed_vector.h"

#include <algorithm>
#include <array>
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
  // Side by side: each is a chain of its own.
  std::array<uint32_t, 4> largest = {};
  for (size_t i = 0; i < vector.size(); ++i) {
    const auto bits = std::bit_cast<uint32_t>(vector[i]);
    largest[i % 4] = std::max(largest[i % 4], bits & 0x7F800000);
  }
  return *std::max_element(largest.begin(), largest.end()) >> 23;
}

size_t FixedBytes(size_t dim) {
  return kHeadBytes + kLowBytes * dim + (dim + 1) / 2;
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
  uint8_t* rests = head + kHeadBytes;
  uint8_t* const below = rests + kLowBytes * dim;
  uint8_t* exponents = head + fixed;
  const uint8_t* const end = head + most;
  bool fits = true;  // There was room for the exponents.
  // Writes a coordinate and returns its four bits.
  const auto pack = [&](float x) {
    const auto bits = std::bit_cast<uint32_t>(x);
    const uint32_t rest = RestOf(bits);
    // Four bytes, of which the next coordinate takes the last one.
    std::memcpy(rests, &rest, sizeof(rest));
    rests += kLowBytes;
    const uint32_t exponent = ExponentOf(bits);
    const uint32_t nibble = top - exponent;
    if (nibble < kElsewhere) return nibble;
    fits = fits && exponents != end;
    if (fits) *exponents++ = static_cast<uint8_t>(exponent);
    return kElsewhere;
  };
  uint8_t first_pair = 0;  // What the last rest overwrites.
  for (size_t i = 0; i < dim; i += 2) {
    const uint32_t first = pack(vector[i]);
    const uint32_t second = i + 1 < dim ? pack(vector[i + 1]) : 0;
    below[i / 2] = static_cast<uint8_t>(first | second << 4);
    if (i == 0) first_pair = below[0];
  }
  below[0] = first_pair;
  if (!fits) {
    out->clear();
    return false;
  }
  out->resize(static_cast<size_t>(exponents - head));
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
