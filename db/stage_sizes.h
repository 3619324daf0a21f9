#ifndef CORKSCREW_DB_STAGE_SIZES_H_
#define CORKSCREW_DB_STAGE_SIZES_H_

// How many slots each stage of a search keeps (docs/quantizer.md, 1.2): integer
// arithmetic on what is equal on every machine, so that results are.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "quant/scan_layout.h"

namespace corkscrew {

struct StageSizes {
  size_t prefix = 0;  // After the prefix of the sign plane: all that tie with
                      // the last one are kept, too.
  size_t sign = 0;    // After the sign plane; ties as above.
  size_t full = 0;    // After the full code; of ties, ids decide.
};

// The largest r with r^2 <= n.
constexpr size_t IntegerRoot(size_t n) {
  size_t root = 0;
  for (size_t bit = size_t{1} << 31; bit > 0; bit /= 2) {
    if (root + bit <= n / (root + bit)) root += bit;
  }
  return root;
}

// Of a search for the `k` best of `eligible` slots. `rescored`: there is a
// rescore column.
inline StageSizes SizesOf(const ScanLayout& layout, size_t k, float oversample,
                          bool rescored, size_t eligible) {
  StageSizes sizes;
  const auto sampled = static_cast<size_t>(
      std::ceil(double{oversample} * static_cast<double>(k)));
  sizes.full = rescored ? sampled : k;
  // The order of the sign plane is rough: the more so the fewer signs there are
  // and the more slots are between two neighbours; that of the prefix, which
  // has about as many signs in all dimensions, more so. Chosen with
  // bench/stage_recall.cc.
  const size_t root = IntegerRoot(eligible);
  const size_t rough = (384 + layout.dim - 1) / layout.dim;
  sizes.sign = rough * (3 * sampled + root / 4);
  // What is lost in codes alone is not made up for by oversampling.
  sizes.prefix =
      std::max(16 * sampled + (rescored ? 10 : 12) * root, sizes.sign);
  if (layout.rest_bytes == 0) sizes.sign = sizes.prefix;  // The same plane.
  return sizes;
}

}  // namespace corkscrew

#endif  // CORKSCREW_DB_STAGE_SIZES_H_
