#include "embed/vector_cut.h"

#include <cmath>
#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/utf8.h"

namespace corkscrew {
namespace {

constexpr size_t kMaxPromptBytes = size_t{64} << 10;

}  // namespace

absl::StatusOr<VectorCut> VectorCut::Create(absl::string_view name, size_t full,
                                            size_t wanted, bool centre) {
  if (wanted > full) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": dim is ", wanted,
                                                   ", want at most ", full,
                                                   ", what the model has"));
  }
  const bool cut = wanted != 0 && wanted < full;
  return VectorCut(full, cut ? wanted : full, cut && centre);
}

std::string VectorCut::SpaceName() const {
  if (dim_ == full_) return "l2";
  return absl::StrCat(centre_ ? "centre," : "", "first:", dim_, ",l2");
}

bool VectorCut::Apply(const float* row, float* out) const {
  double mean = 0;
  if (centre_) {
    for (size_t i = 0; i < full_; ++i) mean += double{row[i]};
    mean /= static_cast<double>(full_);
  }
  double squares = 0;
  for (size_t i = 0; i < dim_; ++i) {
    const double value = double{row[i]} - mean;
    squares += value * value;
  }
  if (!std::isfinite(squares) || !std::isfinite(mean)) return false;
  // Left away or not, no coordinate may be the sign of unusable weights.
  for (size_t i = dim_; i < full_; ++i) {
    if (!std::isfinite(row[i])) return false;
  }
  const double scale = squares == 0 ? 0 : 1 / std::sqrt(squares);
  for (size_t i = 0; i < dim_; ++i) {
    out[i] = static_cast<float>((double{row[i]} - mean) * scale);
  }
  return true;
}

absl::Status CheckPrompts(absl::string_view query, absl::string_view document) {
  for (const absl::string_view prompt : {query, document}) {
    if (prompt.size() > kMaxPromptBytes || !IsValidUtf8(prompt)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a prompt of ", prompt.size(), " bytes, want valid UTF-8 of at most ",
          kMaxPromptBytes, " bytes"));
    }
  }
  return absl::OkStatus();
}

}  // namespace corkscrew
