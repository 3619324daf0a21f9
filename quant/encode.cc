#include "quant/encode.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "quant/codebook.h"

// Compiles the -inl.h file below once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/encode.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h:
#include "quant/encode-inl.h"

#if HWY_ONCE
namespace corkscrew {

HWY_EXPORT(ScaleAndRoundFloat);
HWY_EXPORT(ScaleAndRoundInt32);
HWY_EXPORT(FindCodes);

void ScaleAndRound(const float* from, size_t n, double factor, int32_t* to) {
  HWY_DYNAMIC_DISPATCH(ScaleAndRoundFloat)(from, n, factor, to);
}

void ScaleAndRound(const int32_t* from, size_t n, double factor, int32_t* to) {
  HWY_DYNAMIC_DISPATCH(ScaleAndRoundInt32)(from, n, factor, to);
}

CodeFinder::CodeFinder(const Codebook& codebook, size_t dim) {
  tables_.bits = std::countr_zero(codebook.levels.size());
  for (const int32_t t : Thresholds(codebook, dim)) {
    tables_.below.push_back(t - 1);
  }
  tables_.levels.assign(codebook.levels.begin(), codebook.levels.end());
  const int first_bits = std::min(tables_.bits, 4);
  const size_t stride = size_t{1} << (tables_.bits - first_bits);
  for (int bit = 0; bit < first_bits; ++bit) {
    const size_t step = size_t{1} << bit;
    for (size_t i = 0; i + step < size_t{1} << first_bits; i += 2 * step) {
      tables_.middle[bit][i] = tables_.below[(i + step) * stride - 1];
    }
  }
  if (tables_.bits <= 4) {
    tables_.offset = tables_.levels.back();
    for (size_t k = 0; k < tables_.levels.size(); ++k) {
      tables_.bytes[k] =
          static_cast<uint8_t>(tables_.levels[k] + tables_.offset);
    }
  }
}

int64_t CodeFinder::Find(const int32_t* v, size_t n, uint8_t* codes) const {
  return HWY_DYNAMIC_DISPATCH(FindCodes)(tables_, v, n, codes);
}

}  // namespace corkscrew
#endif  // HWY_ONCE
