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

// The largest r with r^power <= n.
constexpr size_t IntegerRoot(size_t n, int power) {
  size_t root = 0;
  for (size_t bit = size_t{1} << (63 / power); bit > 0; bit /= 2) {
    const size_t next = root + bit;
    size_t left = n;  // n divided by next, power - 1 times.
    for (int i = 1; i < power; ++i) left /= next;
    if (next <= left) root = next;
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
  // and the more slots are between two neighbours.
  const size_t rough = (384 + layout.dim - 1) / layout.dim;
  sizes.sign = rough * (4 * sampled + 2 * IntegerRoot(eligible, 2));
  const size_t root = IntegerRoot(eligible, 3);
  sizes.prefix = layout.rest_bytes == 0
                     ? sizes.sign  // The prefix is the sign plane.
                     : std::max(4 * sizes.sign, 1000 + 2 * root * root);
  return sizes;
}

}  // namespace corkscrew

#endif  // CORKSCREW_DB_STAGE_SIZES_H_
