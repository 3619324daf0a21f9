#include "db/metadata_value.h"

#include <cassert>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/cursor.h"

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
          AppendList(&v, out);
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
      return ReadList(value);
  }
}

void AppendList(const ValueView& list, std::string* out) {
  if (const auto* packed = std::get_if<PackedStrings>(&list)) {
    const char* end = packed->bytes;
    for (size_t i = 0; i < packed->size; ++i) {
      end += sizeof(uint32_t) + Load<uint32_t>({end, sizeof(uint32_t)});
    }
    Append(static_cast<uint32_t>(packed->size), out);
    out->append(packed->bytes, static_cast<size_t>(end - packed->bytes));
    return;
  }
  const auto& strings = *std::get<const std::vector<std::string>*>(list);
  Append(static_cast<uint32_t>(strings.size()), out);
  for (const std::string& string : strings) {
    Append(static_cast<uint32_t>(string.size()), out);
    out->append(string);
  }
}

PackedStrings ReadList(absl::string_view bytes) {
  Cursor cursor(bytes);
  uint32_t count;
  if (!cursor.ReadLittle(&count)) return {0, bytes.data()};
  const PackedStrings list{count, bytes.data() + cursor.position()};
  for (; count > 0; --count) {
    uint32_t size;
    if (!cursor.ReadLittle(&size) || !cursor.Skip(size)) {
      return {0, bytes.data()};
    }
  }
  return list;
}

}  // namespace corkscrew
