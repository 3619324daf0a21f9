#include "embed/quantize_row.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "embed/ggml_types.h"
#include "embed/gguf.h"

namespace corkscrew {
namespace {

constexpr size_t kBlock = 32;
constexpr size_t kHalf = kBlock / 2;

constexpr GgmlType kTypes[] = {
    GgmlType::kF32,  GgmlType::kF16,  GgmlType::kBF16, GgmlType::kQ8_0,
    GgmlType::kQ4_0, GgmlType::kQ4_1, GgmlType::kQ5_0, GgmlType::kQ5_1};

template <typename T>
void Append(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// To the nearest, ties to even; above the largest is infinity.
uint16_t ToF16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // A multiple of 2^-24: the addition rounds.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(shifted) -
                                        std::bit_cast<uint32_t>(0.5f));
  }
  const uint32_t odd = (magnitude >> 13) & 1;
  return sign |
         static_cast<uint16_t>((magnitude - 0x38000000 + 0xfff + odd) >> 13);
}

uint16_t ToBF16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

void AppendQ8(const float* x, std::string* out) {
  float most = 0;
  for (size_t i = 0; i < kBlock; ++i) most = std::max(most, std::fabs(x[i]));
  const float d = most / 127;
  const float inverse = d != 0 ? 1 / d : 0;
  Append(out, ToF16(d));
  for (size_t i = 0; i < kBlock; ++i) {
    Append(out, static_cast<int8_t>(std::round(x[i] * inverse)));
  }
}

// The value of the largest magnitude, with its sign.
float Extreme(const float* x) {
  float extreme = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  return extreme;
}

// Levels of a block: x is about (level + first) * d or level * d + m.
struct Levels {
  uint8_t level[kBlock];
};

Levels Symmetric(const float* x, float d, float offset, int most) {
  const float inverse = d != 0 ? 1 / d : 0;
  Levels levels;
  for (size_t i = 0; i < kBlock; ++i) {
    const auto level = static_cast<int8_t>(x[i] * inverse + offset);
    levels.level[i] =
        static_cast<uint8_t>(std::min(most, static_cast<int>(level)));
  }
  return levels;
}

Levels FromLeast(const float* x, float d, float least, int most) {
  const float inverse = d != 0 ? 1 / d : 0;
  Levels levels;
  for (size_t i = 0; i < kBlock; ++i) {
    const auto level =
        static_cast<int>(std::floor((x[i] - least) * inverse + 0.5f));
    levels.level[i] = static_cast<uint8_t>(std::min(most, level));
  }
  return levels;
}

void AppendNibbles(const Levels& levels, std::string* out) {
  for (size_t i = 0; i < kHalf; ++i) {
    Append(out, static_cast<uint8_t>((levels.level[i] & 15) |
                                     ((levels.level[i + kHalf] & 15) << 4)));
  }
}

void AppendFifthBits(const Levels& levels, std::string* out) {
  uint32_t bits = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    bits |= static_cast<uint32_t>(levels.level[i] >> 4) << i;
  }
  Append(out, bits);
}

void AppendBlock(GgmlType type, const float* x, std::string* out) {
  if (type == GgmlType::kQ8_0) return AppendQ8(x, out);
  if (type == GgmlType::kQ4_0 || type == GgmlType::kQ5_0) {
    const int levels = type == GgmlType::kQ4_0 ? 8 : 16;
    const float d = Extreme(x) / static_cast<float>(-levels);
    const Levels codes =
        Symmetric(x, d, static_cast<float>(levels) + 0.5f, 2 * levels - 1);
    Append(out, ToF16(d));
    if (type == GgmlType::kQ5_0) AppendFifthBits(codes, out);
    return AppendNibbles(codes, out);
  }
  const auto [least, greatest] = std::minmax_element(x, x + kBlock);
  const int most = type == GgmlType::kQ4_1 ? 15 : 31;
  const float d = (*greatest - *least) / static_cast<float>(most);
  const Levels codes = FromLeast(x, d, *least, most);
  Append(out, ToF16(d));
  Append(out, ToF16(*least));
  if (type == GgmlType::kQ5_1) AppendFifthBits(codes, out);
  AppendNibbles(codes, out);
}

}  // namespace

bool CanQuantize(GgmlType type) {
  return std::find(std::begin(kTypes), std::end(kTypes), type) !=
         std::end(kTypes);
}

absl::StatusOr<GgmlType> QuantizedTypeCalled(absl::string_view name) {
  std::string names;
  for (const GgmlType type : kTypes) {
    const std::string known = absl::AsciiStrToLower(NameOf(type));
    if (known == name) return type;
    absl::StrAppend(&names, names.empty() ? "" : ", ", known);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("type \"", name, "\": want one of ", names));
}

void QuantizeRow(GgmlType type, const float* values, size_t n,
                 std::string* out) {
  assert(CanQuantize(type) && n % BlockOf(type).values == 0);
  switch (type) {
    case GgmlType::kF32:
      out->append(reinterpret_cast<const char*>(values), n * sizeof(float));
      return;
    case GgmlType::kF16:
      for (size_t i = 0; i < n; ++i) Append(out, ToF16(values[i]));
      return;
    case GgmlType::kBF16:
      for (size_t i = 0; i < n; ++i) Append(out, ToBF16(values[i]));
      return;
    default:
      for (size_t i = 0; i < n; i += kBlock) AppendBlock(type, values + i, out);
  }
}

}  // namespace corkscrew
