#include "base/sha256_pair.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"
#include "base/hash.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace corkscrew {

#if defined(__x86_64__)
namespace {

#define CORKSCREW_SHA __attribute__((target("sha,sse4.1,ssse3")))
#define CORKSCREW_SHA_INLINE \
  __attribute__((target("sha,sse4.1,ssse3"), always_inline)) inline

constexpr size_t kBlock = 64;

// FIPS 180-4, 4.2.2.
alignas(16) constexpr std::array<uint32_t, 64> kRounds = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// One message: the eight words of the hash as the instructions want them, and
// the last 16 words of the schedule.
struct Lane {
  __m128i abef;
  __m128i cdgh;
  __m128i words[4];
};

CORKSCREW_SHA_INLINE __m128i SwapWords(__m128i bytes) {
  return _mm_shuffle_epi8(
      bytes, _mm_set_epi64x(0x0C0D0E0F08090A0B, 0x0405060700010203));
}

CORKSCREW_SHA_INLINE void Load(const uint8_t* block, Lane& lane) {
  for (size_t i = 0; i < 4; ++i) {
    __m128i bytes;
    std::memcpy(&bytes, block + 16 * i, sizeof(bytes));
    lane.words[i] = SwapWords(bytes);
  }
}

// Four rounds with the words at kAt, in whose place come those 16 later.
template <size_t kAt>
CORKSCREW_SHA_INLINE void FourRounds(__m128i constants, bool schedule,
                                     Lane& lane) {
  const __m128i sums = _mm_add_epi32(lane.words[kAt], constants);
  lane.cdgh = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, sums);
  lane.abef = _mm_sha256rnds2_epu32(lane.abef, lane.cdgh,
                                    _mm_shuffle_epi32(sums, 0x0E));
  if (!schedule) return;
  const __m128i one = lane.words[(kAt + 1) % 4];
  const __m128i two = lane.words[(kAt + 2) % 4];
  const __m128i three = lane.words[(kAt + 3) % 4];
  lane.words[kAt] = _mm_sha256msg2_epu32(
      _mm_add_epi32(_mm_sha256msg1_epu32(lane.words[kAt], one),
                    _mm_alignr_epi8(three, two, 4)),
      three);
}

template <size_t kAt>
CORKSCREW_SHA_INLINE void FourRoundsOfBoth(size_t round, Lane& a, Lane& b) {
  const __m128i constants = _mm_load_si128(
      reinterpret_cast<const __m128i*>(&kRounds[round + 4 * kAt]));
  const bool schedule = round < 48;
  FourRounds<kAt>(constants, schedule, a);
  FourRounds<kAt>(constants, schedule, b);
}

CORKSCREW_SHA void AddBlocks(const uint8_t* a, const uint8_t* b, size_t blocks,
                             Lane* lane_a, Lane* lane_b) {
  Lane x = *lane_a, y = *lane_b;
  for (; blocks > 0; --blocks, a += kBlock, b += kBlock) {
    const __m128i x_abef = x.abef, x_cdgh = x.cdgh;
    const __m128i y_abef = y.abef, y_cdgh = y.cdgh;
    Load(a, x);
    Load(b, y);
    for (size_t round = 0; round < 64; round += 16) {
      FourRoundsOfBoth<0>(round, x, y);
      FourRoundsOfBoth<1>(round, x, y);
      FourRoundsOfBoth<2>(round, x, y);
      FourRoundsOfBoth<3>(round, x, y);
    }
    x.abef = _mm_add_epi32(x.abef, x_abef);
    x.cdgh = _mm_add_epi32(x.cdgh, x_cdgh);
    y.abef = _mm_add_epi32(y.abef, y_abef);
    y.cdgh = _mm_add_epi32(y.cdgh, y_cdgh);
  }
  *lane_a = x;
  *lane_b = y;
}

CORKSCREW_SHA Lane Begin() {
  Lane lane;
  // FIPS 180-4, 5.3.3: a to h are 6a09e667 to 5be0cd19.
  lane.abef = _mm_set_epi32(0x6a09e667, static_cast<int>(0xbb67ae85),
                            0x510e527f, static_cast<int>(0x9b05688c));
  lane.cdgh = _mm_set_epi32(0x3c6ef372, static_cast<int>(0xa54ff53a),
                            0x1f83d9ab, 0x5be0cd19);
  return lane;
}

CORKSCREW_SHA Sha256Digest End(const Lane& lane) {
  // From a b e f and c d g h, the first one highest.
  const __m128i abcd = _mm_unpackhi_epi64(lane.cdgh, lane.abef);
  const __m128i efgh = _mm_unpacklo_epi64(lane.cdgh, lane.abef);
  const __m128i backwards =
      _mm_set_epi64x(0x0001020304050607, 0x08090A0B0C0D0E0F);
  Sha256Digest digest;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(digest.data()),
                   _mm_shuffle_epi8(abcd, backwards));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(digest.data() + 16),
                   _mm_shuffle_epi8(efgh, backwards));
  return digest;
}

// The bytes behind the whole blocks of a message and its padding. Returns their
// blocks, one or two.
size_t MakeTail(absl::string_view bytes,
                std::array<uint8_t, 2 * kBlock>* tail) {
  tail->fill(0);
  const size_t left = bytes.size() % kBlock;
  if (left > 0) {
    std::memcpy(tail->data(), bytes.data() + bytes.size() - left, left);
  }
  (*tail)[left] = 0x80;
  const size_t blocks = left + 1 + sizeof(uint64_t) <= kBlock ? 1 : 2;
  const uint64_t bits = __builtin_bswap64(uint64_t{bytes.size()} * 8);
  std::memcpy(tail->data() + blocks * kBlock - sizeof(bits), &bits,
              sizeof(bits));
  return blocks;
}

bool HasInstructions() {
  static const bool kHas = [] {
    uint32_t eax, ebx, ecx, edx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
    return (ebx & bit_SHA) != 0 && __builtin_cpu_supports("ssse3") != 0 &&
           __builtin_cpu_supports("sse4.1") != 0;
  }();
  return kHas;
}

void HashBoth(absl::string_view a, absl::string_view b, Sha256Digest* of_a,
              Sha256Digest* of_b) {
  Lane x = Begin(), y = Begin();
  AddBlocks(reinterpret_cast<const uint8_t*>(a.data()),
            reinterpret_cast<const uint8_t*>(b.data()), a.size() / kBlock, &x,
            &y);
  std::array<uint8_t, 2 * kBlock> tail_a, tail_b;
  const size_t blocks = MakeTail(a, &tail_a);
  MakeTail(b, &tail_b);
  AddBlocks(tail_a.data(), tail_b.data(), blocks, &x, &y);
  *of_a = End(x);
  *of_b = End(y);
}

}  // namespace
#endif  // defined(__x86_64__)

void Sha256Pair(absl::string_view a, absl::string_view b, Sha256Digest* of_a,
                Sha256Digest* of_b) {
#if defined(__x86_64__)
  if (a.size() == b.size() && HasInstructions()) {
    return HashBoth(a, b, of_a, of_b);
  }
#endif
  *of_a = Sha256(a);
  *of_b = Sha256(b);
}

}  // namespace corkscrew
