#ifndef CORKSCREW_DB_RESCORE_ROW_H_
#define CORKSCREW_DB_RESCORE_ROW_H_

// A row of the rescore column: a vector in 16-bit fixed point with what scores
// and their bounds need, in one piece, so that a candidate costs few cache
// lines. Its bytes are part of the format of segments.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "quant/rescore.h"

namespace corkscrew {

// Borrows the factors.
struct RescoreRow {
  absl::Span<const int16_t> factors;  // [dim]
  FixedPoint fixed;
  double n2 = 0;  // dot8 of the original with itself.
};

// n2 and that of the values, float64; scale and error, float32; then the
// factors, little-endian.
inline constexpr size_t kRescoreHead = 2 * sizeof(double) + 2 * sizeof(float);

constexpr size_t RescoreRowBytes(size_t dim) {
  return kRescoreHead + dim * sizeof(int16_t);
}

// Writes the row of `original` [dim] to `to` [RescoreRowBytes(dim)], which is
// aligned to two bytes.
inline void WriteRescoreRow(absl::Span<const float> original, char* to) {
  const FixedPoint fixed = RoundToFixed(
      original,
      {reinterpret_cast<int16_t*>(to + kRescoreHead), original.size()});
  const double n2 = LengthsOf(original).n2;
  std::memcpy(to, &n2, 8);
  std::memcpy(to + 8, &fixed.n2, 8);
  std::memcpy(to + 16, &fixed.scale, 4);
  std::memcpy(to + 20, &fixed.error, 4);
}

// Reads what WriteRescoreRow() wrote. Any bytes of that size may be read.
inline RescoreRow ReadRescoreRow(absl::string_view bytes) {
  RescoreRow row;
  std::memcpy(&row.n2, bytes.data(), 8);
  std::memcpy(&row.fixed.n2, bytes.data() + 8, 8);
  std::memcpy(&row.fixed.scale, bytes.data() + 16, 4);
  std::memcpy(&row.fixed.error, bytes.data() + 20, 4);
  row.factors = {reinterpret_cast<const int16_t*>(bytes.data() + kRescoreHead),
                 (bytes.size() - kRescoreHead) / sizeof(int16_t)};
  return row;
}

}  // namespace corkscrew

#endif  // CORKSCREW_DB_RESCORE_ROW_H_
