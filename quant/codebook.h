#ifndef CORKSCREW_QUANT_CODEBOOK_H_
#define CORKSCREW_QUANT_CODEBOOK_H_

// The codebooks of the TQ specification (docs/quantizer.md, 2.9): Lloyd-Max
// levels of N(0, 1) as integer tables. Part of the format.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace corkscrew {

// A list of levels symmetric about 0. Level k stands for levels[k] * unit /
// 2^23 standard deviations of a coordinate.
struct Codebook {
  std::vector<int16_t> levels;  // [1 << bits], ascending, none is 0.
  int64_t unit = 0;
};

// Returns codebook `id` (1 Lloyd-Max, 2 uniform) of `bits` 1..8 (8 for id 2).
Codebook MakeCodebook(int id, int bits);

// Returns the fixed-point thresholds between the levels, [levels - 1],
// ascending: the code of v is the number of thresholds <= v.
std::vector<int32_t> Thresholds(const Codebook& codebook, size_t dim);

// Returns the levels in fixed point, [levels].
std::vector<int32_t> FixedPointLevels(const Codebook& codebook, size_t dim);

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_CODEBOOK_H_
