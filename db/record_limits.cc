#include "db/record_limits.h"

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "corkscrew/limits.h"
#include "corkscrew/metric.h"
#include "quant/rescore.h"

namespace corkscrew {
namespace {

// What the quantizer takes; below kMinNorm a code holds no direction.
constexpr double kMaxNorm = 0x1p60;
constexpr double kMinNorm = 0x1p-60;

// U+0000..U+001F and U+007F..U+009F; `text` is valid UTF-8.
bool HasControlCharacter(absl::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte < 0x20 || byte == 0x7F) return true;
    // U+0080..U+009F are C2 80..C2 9F.
    if (byte == 0xC2 && static_cast<uint8_t>(text[i + 1]) < 0xA0) return true;
  }
  return false;
}

absl::Status CheckName(absl::string_view what, absl::string_view name,
                       size_t most) {
  if (name.empty() || name.size() > most) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " has ", name.size(), " bytes, want 1 to ", most));
  }
  if (!IsValidUtf8(name)) {
    return absl::InvalidArgumentError(absl::StrCat(
        what, " \"", absl::CHexEscape(name), "\" is not valid UTF-8"));
  }
  if (HasControlCharacter(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " \"", absl::CHexEscape(name),
                     "\" contains a control character"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckId(absl::string_view id) {
  return CheckName("id", id, kMaxIdBytes);
}

absl::Status CheckIds(absl::Span<const absl::string_view> ids, size_t most) {
  if (ids.size() > most) {
    return absl::ResourceExhaustedError(absl::StrCat(
        ids.size(), " ids in one call, at most ", most, " are allowed"));
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    const absl::Status status = CheckId(ids[i]);
    if (!status.ok()) {
      return absl::Status(status.code(),
                          absl::StrCat("item ", i, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckText(absl::string_view text) {
  if (text.size() > kMaxTextBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "text has ", text.size(), " bytes, at most ", kMaxTextBytes));
  }
  if (!IsValidUtf8(text)) {
    return absl::InvalidArgumentError("text is not valid UTF-8");
  }
  return absl::OkStatus();
}

absl::Status CheckVector(absl::Span<const float> vector, size_t dim,
                         Metric metric) {
  if (vector.size() != dim) {
    return absl::InvalidArgumentError(
        absl::StrCat("vector has ", vector.size(), " coordinates, want ", dim));
  }
  // The quantizer's own sum, so that it refuses nothing after this. Squares of
  // floats do not overflow it.
  const double length = LengthsOf(vector).n;
  for (size_t i = 0; !std::isfinite(length) && i < vector.size(); ++i) {
    if (!std::isfinite(vector[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat("coordinate ", i, " of the vector is ", vector[i]));
    }
  }
  if (length < kMinNorm && metric == Metric::kCosine) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the vector has length ", length,
        ", metric cosine wants at least 2^-60: it has no direction"));
  }
  if (length > kMaxNorm) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the vector has length ", length, ", at most 2^60 is allowed"));
  }
  return absl::OkStatus();
}

absl::Status CheckCollectionName(absl::string_view name) {
  CORKSCREW_RETURN_IF_ERROR(
      CheckName("collection name", name, kMaxCollectionNameBytes));
  if (name.front() == '_') {
    return absl::InvalidArgumentError(absl::StrCat(
        "collection name \"", name, "\" starts with '_', which is reserved"));
  }
  return absl::OkStatus();
}

absl::Status CheckTagName(absl::string_view name) {
  CORKSCREW_RETURN_IF_ERROR(
      CheckName("tag name", name, kMaxCollectionNameBytes));
  if (name.front() == '_') {
    return absl::InvalidArgumentError(absl::StrCat(
        "tag name \"", name, "\" starts with '_', which is reserved"));
  }
  return absl::OkStatus();
}

absl::Status CheckRequestId(absl::string_view request_id) {
  if (request_id.size() > kMaxRequestIdBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("request id has ", request_id.size(), " bytes, at most ",
                     kMaxRequestIdBytes));
  }
  if (!IsValidUtf8(request_id)) {
    return absl::InvalidArgumentError("request id is not valid UTF-8");
  }
  return absl::OkStatus();
}

}  // namespace corkscrew
