#ifndef CORKSCREW_BASE_RANDOM_H_
#define CORKSCREW_BASE_RANDOM_H_

#include <cstdint>

namespace corkscrew {

// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). The same seed gives the same
// integers and uniforms on every platform; the standard distributions do not
// promise that. Normals agree to the last bits of the C library's logarithm and
// cosine, so nothing persistent may depend on them. Single-threaded.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next();   // All 64-bit values, equally likely.
  double Uniform();  // In (0, 1]: its logarithm is finite.
  double Normal();   // N(0, 1).

 private:
  uint64_t state_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_BASE_RANDOM_H_
