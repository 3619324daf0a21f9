#ifndef CORKSCREW_SERVER_PERCENTILE_H_
#define CORKSCREW_SERVER_PERCENTILE_H_

// Of measured times.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace corkscrew {

// The value at `p` of 0..1 of the sorted values, of which there is at least
// one.
inline double Percentile(std::vector<double> values, double p) {
  std::sort(values.begin(), values.end());
  const double at = p * static_cast<double>(values.size() - 1);
  return values[static_cast<size_t>(std::lround(at))];
}

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_PERCENTILE_H_
