// CRC-32C by slicing-by-8 (Kounavis and Berry, "A Systematic Approach to
// Building High Performance Software-Based CRC Generators", 2005), and by the
// instruction of SSE 4.2.

#include "base/crc32c.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"

namespace corkscrew {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;  // Castagnoli, reflected.

using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables MakeTables() {
  Tables tables = {};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) ? kPolynomial : 0);
    }
    tables[0][i] = crc;
  }
  for (size_t i = 0; i < 256; ++i) {
    for (size_t t = 1; t < 8; ++t) {
      const uint32_t previous = tables[t - 1][i];
      tables[t][i] = (previous >> 8) ^ tables[0][previous & 0xFF];
    }
  }
  return tables;
}
constexpr Tables kTables = MakeTables();

#if defined(__x86_64__)
// The instruction takes three cycles but one can begin in each: three lanes of
// bytes are summed side by side.
constexpr size_t kLane = 128;

// x^exponent mod the polynomial, reflected.
constexpr uint32_t PowerOfX(size_t exponent) {
  uint32_t power = uint32_t{1} << 31;
  for (; exponent > 0; --exponent) {
    power = (power >> 1) ^ ((power & 1) ? kPolynomial : 0);
  }
  return power;
}

// The sum `state` as it is after kZeros more bytes of 0 (Gopal et al., "Fast
// CRC Computation for iSCSI Polynomial Using CRC32 Instruction", 2011): the
// product without carries has one bit less than its 64, and the instruction
// multiplies with x^32.
template <size_t kZeros>
__attribute__((target("sse4.2,pclmul"))) uint64_t Advance(uint64_t state) {
  constexpr uint32_t kFactor = PowerOfX(8 * kZeros - 33);
  const __m128i product =
      _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<int64_t>(state)),
                           _mm_cvtsi64_si128(int64_t{kFactor}), 0);
  return _mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(product)));
}

__attribute__((target("sse4.2"))) uint64_t SumWord(uint64_t state,
                                                   const char* data) {
  uint64_t word;
  std::memcpy(&word, data, sizeof(word));
  return _mm_crc32_u64(state, word);
}

__attribute__((target("sse4.2,pclmul"))) uint32_t ExtendSse42(
    uint32_t crc, absl::string_view bytes) {
  uint64_t state = ~crc;
  const char* data = bytes.data();
  size_t size = bytes.size();
  for (; size >= 3 * kLane; data += 3 * kLane, size -= 3 * kLane) {
    uint64_t second = 0, third = 0;
    for (size_t i = 0; i < kLane; i += 8) {
      state = SumWord(state, data + i);
      second = SumWord(second, data + kLane + i);
      third = SumWord(third, data + 2 * kLane + i);
    }
    state = Advance<2 * kLane>(state) ^ Advance<kLane>(second) ^ third;
  }
  for (; size >= 8; data += 8, size -= 8) state = SumWord(state, data);
  auto narrow = static_cast<uint32_t>(state);
  for (; size > 0; ++data, --size) {
    narrow = _mm_crc32_u8(narrow, static_cast<uint8_t>(*data));
  }
  return ~narrow;
}
#endif

}  // namespace

uint32_t ExtendCrc32cPortable(uint32_t crc, absl::string_view bytes) {
  crc = ~crc;
  const char* data = bytes.data();
  size_t size = bytes.size();
  for (; size >= 8; data += 8, size -= 8) {
    std::array<uint8_t, 8> b;
    std::memcpy(b.data(), data, 8);
    crc = kTables[7][b[0] ^ (crc & 0xFF)] ^
          kTables[6][b[1] ^ ((crc >> 8) & 0xFF)] ^
          kTables[5][b[2] ^ ((crc >> 16) & 0xFF)] ^
          kTables[4][b[3] ^ (crc >> 24)] ^ kTables[3][b[4]] ^ kTables[2][b[5]] ^
          kTables[1][b[6]] ^ kTables[0][b[7]];
  }
  for (; size > 0; ++data, --size) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint8_t>(*data)) & 0xFF];
  }
  return ~crc;
}

uint32_t ExtendCrc32c(uint32_t crc, absl::string_view bytes) {
#if defined(__x86_64__)
  static const bool kHasSse42 = __builtin_cpu_supports("sse4.2") != 0 &&
                                __builtin_cpu_supports("pclmul") != 0;
  if (kHasSse42) return ExtendSse42(crc, bytes);
#endif
  return ExtendCrc32cPortable(crc, bytes);
}

}  // namespace corkscrew
