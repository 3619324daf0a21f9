#include "embed/gguf_value.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace corkscrew {
namespace {

struct TypeRow {
  absl::string_view name;
  size_t bytes;
};

constexpr TypeRow kTypes[kGgufValueTypes] = {
    {"uint8", 1},  {"int8", 1},    {"uint16", 2}, {"int16", 2},  {"uint32", 4},
    {"int32", 4},  {"float32", 4}, {"bool", 1},   {"string", 8}, {"array", 12},
    {"uint64", 8}, {"int64", 8},   {"float64", 8}};

}  // namespace

bool IsInteger(GgufValueType type) {
  switch (type) {
    case GgufValueType::kUint8:
    case GgufValueType::kInt8:
    case GgufValueType::kUint16:
    case GgufValueType::kInt16:
    case GgufValueType::kUint32:
    case GgufValueType::kInt32:
    case GgufValueType::kUint64:
    case GgufValueType::kInt64:
      return true;
    default:
      return false;
  }
}

absl::string_view NameOf(GgufValueType type) {
  return kTypes[static_cast<uint32_t>(type)].name;
}

size_t BytesOf(GgufValueType type) {
  return kTypes[static_cast<uint32_t>(type)].bytes;
}

std::string Quoted(absl::string_view name) {
  constexpr size_t kShown = 80;
  return absl::StrCat("\"", absl::CHexEscape(name.substr(0, kShown)),
                      name.size() > kShown ? "...\"" : "\"");
}

std::string GgufValue::TypeName() const {
  return absl::StrCat(is_array ? "array of " : "", NameOf(type));
}

bool GgufValue::LoadInteger(size_t index, int64_t* out) const {
  switch (type) {
    case GgufValueType::kUint8:
      *out = Load<uint8_t>(index);
      return true;
    case GgufValueType::kInt8:
      *out = Load<int8_t>(index);
      return true;
    case GgufValueType::kUint16:
      *out = Load<uint16_t>(index);
      return true;
    case GgufValueType::kInt16:
      *out = Load<int16_t>(index);
      return true;
    case GgufValueType::kUint32:
      *out = Load<uint32_t>(index);
      return true;
    case GgufValueType::kInt32:
      *out = Load<int32_t>(index);
      return true;
    case GgufValueType::kInt64:
      *out = Load<int64_t>(index);
      return true;
    case GgufValueType::kUint64: {
      const auto wide = Load<uint64_t>(index);
      *out = static_cast<int64_t>(wide);
      return wide <= uint64_t{std::numeric_limits<int64_t>::max()};
    }
    default:
      return false;
  }
}

}  // namespace corkscrew
