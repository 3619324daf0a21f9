#ifndef CORKSCREW_QUANT_SPLITMIX_H_
#define CORKSCREW_QUANT_SPLITMIX_H_

// The random numbers of the TQ specification (docs/quantizer.md, 2.3 to 2.5):
// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) and the derivation of seeds.
// Part of the format.

#include <cstdint>
#include <initializer_list>

namespace corkscrew {

// The finalizer of SplitMix64: a bijection of 64-bit values.
constexpr uint64_t Mix64(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// Single-threaded.
class SplitMix64 {
 public:
  explicit constexpr SplitMix64(uint64_t seed) : state_(seed) {}

  constexpr uint64_t Next() { return Mix64(state_ += kIncrement); }

  // Returns an unbiased integer in [0, `n`), n >= 1: multiply-high with
  // rejection (Lemire, arXiv:1805.10941).
  constexpr uint32_t Bounded(uint32_t n) {
    uint64_t product = (Next() >> 32) * n;
    if (static_cast<uint32_t>(product) < n) {
      const uint32_t threshold = (0 - n) % n;
      while (static_cast<uint32_t>(product) < threshold) {
        product = (Next() >> 32) * n;
      }
    }
    return static_cast<uint32_t>(product >> 32);
  }

  static constexpr uint64_t kIncrement = 0x9E3779B97F4A7C15;

 private:
  uint64_t state_;
};

// What a derived seed is for: eight ASCII characters, little-endian.
enum class SeedTag : uint64_t {
  kPermutation = 0x6D7265702E317174,        // "tq1.perm"
  kSigns = 0x6E6769732E317174,              // "tq1.sign"
  kSketchPermutation = 0x6D7270712E317174,  // "tq1.qprm"
  kSketchSigns = 0x6E6773712E317174,        // "tq1.qsgn"
};

constexpr uint64_t DeriveSeed(uint64_t seed, SeedTag tag, uint64_t dim,
                              uint64_t round) {
  uint64_t h = seed;
  for (const uint64_t word : {static_cast<uint64_t>(tag), dim, round}) {
    h = Mix64((h ^ word) + SplitMix64::kIncrement);
  }
  return h;
}

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_SPLITMIX_H_
