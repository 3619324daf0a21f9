#include "db/metadata_row.h"

// A row is, for each key in order: u32 key bytes, u32 value bytes, key, u8 type
// (the index in Value), value. A list is u32 strings, then u32 length and bytes
// of each.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>
#include <variant>
#include <vector>

#include "db/filter.h"

namespace corkscrew {
namespace {

template <typename T>
void Append(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}
void AppendSized(const std::string& bytes, std::string* out) {
  Append(static_cast<uint32_t>(bytes.size()), out);
  out->append(bytes);
}

template <typename T>
T Load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

std::string ValueBytes(const Value& value) {
  std::string out(1, static_cast<char>(value.index()));
  std::visit(
      [&out](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string>) {
          out.append(v);
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          Append(static_cast<uint32_t>(v.size()), &out);
          for (const std::string& item : v) AppendSized(item, &out);
        } else {
          Append(v, &out);
        }
      },
      value);
  return out;
}

ValueView ViewOf(absl::string_view bytes) {
  const char* const at = bytes.data() + 1;
  switch (bytes[0]) {
    case 0:
      return Load<bool>(at);
    case 1:
      return Load<int64_t>(at);
    case 2:
      return Load<double>(at);
    case 3:
      return bytes.substr(1);
    default:
      return PackedStrings{Load<uint32_t>(at), at + sizeof(uint32_t)};
  }
}

std::optional<ValueView> Find(absl::string_view row, absl::string_view key) {
  const char* at = row.data();
  const char* const end = at + row.size();
  while (at != end) {
    const auto key_bytes = Load<uint32_t>(at);
    const auto value_bytes = Load<uint32_t>(at + 4);
    at += 8;
    if (absl::string_view(at, key_bytes) == key) {
      return ViewOf(absl::string_view(at + key_bytes, value_bytes));
    }
    at += key_bytes + value_bytes;
  }
  return std::nullopt;
}

}  // namespace

std::string MetadataRow(const Metadata& metadata) {
  std::string row;
  for (const auto& [key, value] : metadata) {
    const std::string bytes = ValueBytes(value);
    Append(static_cast<uint32_t>(key.size()), &row);
    Append(static_cast<uint32_t>(bytes.size()), &row);
    row.append(key);
    row.append(bytes);
  }
  return row;
}

bool MatchesRow(const Filter& filter, absl::string_view row) {
  return MatchesFields(filter,
                       [row](absl::string_view key) { return Find(row, key); });
}

}  // namespace corkscrew
