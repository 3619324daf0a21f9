#include "quant/query_grid.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "quant/code_format.h"
#include "quant/encode.h"
#include "quant/rescore.h"

namespace corkscrew {
namespace {

constexpr double kQueryGrid = 127;  // Class S8.

// Writes the query integers of `rotated` to `values` and returns the largest
// magnitude in `rotated`. `spare` has its size.
int32_t ToIntegers(absl::Span<const int32_t> rotated, absl::Span<int32_t> spare,
                   std::vector<int8_t>* values) {
  int32_t largest = 0;
  for (const int32_t r : rotated) largest = std::max(largest, std::abs(r));
  values->resize(rotated.size());
  if (largest == 0) {
    std::fill(values->begin(), values->end(), int8_t{0});
    return 0;
  }
  ScaleAndRound(rotated.data(), rotated.size(),
                kQueryGrid / static_cast<double>(largest), spare.data());
  std::transform(spare.begin(), spare.end(), values->begin(),
                 [](int32_t q) { return static_cast<int8_t>(q); });
  return largest;
}

}  // namespace

absl::StatusOr<double> ToFixedPoint(absl::Span<const float> vector,
                                    absl::Span<int32_t> v,
                                    double* squared_norm) {
  *squared_norm = Dot8(vector, vector);
  const double norm = std::sqrt(*squared_norm);
  if (!std::isfinite(norm)) {
    for (size_t i = 0; i < vector.size(); ++i) {
      if (!std::isfinite(vector[i])) {
        return absl::InvalidArgumentError(absl::StrCat(
            "coordinate ", i, " is ", vector[i], ", want a finite number"));
      }
    }
  }
  if (norm > kMaxNorm) {
    return absl::InvalidArgumentError(absl::StrCat(
        "vector has length ", norm, ", want at most 2^60; scale it down"));
  }
  if (norm < kMinNorm) {
    std::fill(v.begin(), v.end(), 0);
    return 0.0;
  }
  ScaleAndRound(vector.data(), vector.size(), kFixedOne / norm, v.data());
  return norm;
}

absl::Status MakeQueryGrid(absl::Span<const float> query,
                           const Rotation& rotation, const Rotation* sketch,
                           QueryGrid* grid) {
  assert(query.size() == rotation.dim());
  grid->rotated.resize(query.size());
  grid->spare.resize(query.size());
  const absl::Span<int32_t> v = absl::MakeSpan(grid->rotated);
  const absl::Span<int32_t> spare = absl::MakeSpan(grid->spare);
  double squared_norm;
  CORKSCREW_ASSIGN_OR_RETURN(grid->norm, ToFixedPoint(query, v, &squared_norm));
  const double norm = grid->norm;
  grid->units = {};
  grid->units.norm2 = static_cast<float>(norm * norm);
  rotation.Forward(v, spare);
  const double largest = ToIntegers(v, spare, &grid->values);
  grid->units.dot =
      static_cast<float>((norm * largest) / (kQueryGrid * kFixedOne));
  grid->units.cosine = static_cast<float>(largest / (kQueryGrid * kFixedOne));
  grid->sketch.clear();
  if (sketch != nullptr) {
    sketch->Forward(v, spare);
    const double sketch_largest = ToIntegers(v, spare, &grid->sketch);
    grid->units.sketch =
        static_cast<float>((norm * sketch_largest) / (kQueryGrid * kFixedOne));
  }
  return absl::OkStatus();
}

}  // namespace corkscrew
