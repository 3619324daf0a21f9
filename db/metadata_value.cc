#include "db/metadata_value.h"

#include <cassert>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <variant>
#include <vector>

namespace corkscrew {
namespace {

template <typename T>
void Append(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
T Load(absl::string_view bytes) {
  assert(bytes.size() == sizeof(T));
  T value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

}  // namespace

void AppendTypedValue(const Value& value, std::string* out) {
  out->push_back(static_cast<char>(value.index()));
  std::visit(
      [out](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string>) {
          out->append(v);
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          Append(static_cast<uint32_t>(v.size()), out);
          for (const std::string& string : v) {
            Append(static_cast<uint32_t>(string.size()), out);
            out->append(string);
          }
        } else if constexpr (std::is_same_v<T, double>) {
          Append(v == 0 ? 0.0 : v, out);
        } else {
          Append(v, out);
        }
      },
      value);
}

ValueView ReadTypedValue(absl::string_view bytes) {
  const absl::string_view value = bytes.substr(1);
  switch (bytes[0]) {
    case 0:
      return value[0] != 0;
    case 1:
      return Load<int64_t>(value);
    case 2:
      return Load<double>(value);
    case 3:
      return value;
    default:
      return PackedStrings{Load<uint32_t>(value.substr(0, sizeof(uint32_t))),
                           value.data() + sizeof(uint32_t)};
  }
}

}  // namespace corkscrew
