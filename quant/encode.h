#ifndef CORKSCREW_QUANT_ENCODE_H_
#define CORKSCREW_QUANT_ENCODE_H_

// The element-wise steps of an encoding (docs/quantizer.md, 2.8, 2.9, 2.13):
// scaling to integers and finding codes. Single-rounded double operations and
// integers: results are equal on every CPU.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "quant/codebook.h"

namespace corkscrew {

// Kernels work on whole vectors: arrays are this many elements longer than what
// they hold, rounded up to a multiple of it.
constexpr size_t kEncodePadding = 16;

constexpr size_t EncodePadded(size_t n) {
  return (n + kEncodePadding - 1) / kEncodePadding * kEncodePadding;
}

// Sets to[i] to rint(from[i] * factor), which must fit in int32. `from` [n],
// `to` [n].
void ScaleAndRound(const float* from, size_t n, double factor, int32_t* to);
void ScaleAndRound(const int32_t* from, size_t n, double factor, int32_t* to);

// Finds codes by their thresholds. Immutable: thread-safe.
class CodeFinder {
 public:
  CodeFinder(const Codebook& codebook, size_t dim);

  // Sets codes[i] to the code of v[i] and returns the sum of v[i] times its
  // level, exactly. `v`, `codes` [EncodePadded(n)]; v is 0 from n on, codes
  // become unspecified there.
  int64_t Find(const int32_t* v, size_t n, uint8_t* codes) const;

  // For the kernels.
  struct Tables {
    int bits = 0;
    // The greatest value below each threshold: v >= T is v > T - 1, for which
    // every CPU has an instruction.
    std::vector<int32_t> below;   // [levels - 1]
    std::vector<int32_t> levels;  // [1 << bits]
    // For the first bits of a code, at most four: the value of `below` that
    // decides bit `bit` of them, by the bits above.
    int32_t middle[4][16] = {};  // [bit, first bits]
    // Up to 4 bits: level + offset as a byte.
    alignas(16) uint8_t bytes[16] = {};
    int32_t offset = 0;
  };

 private:
  Tables tables_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_ENCODE_H_
