#include "db/metadata_row.h"

// A row is, for each key in order: u32 key bytes, u32 value bytes, key, u8 type
// (the index in Value), value. A list is u32 strings, then u32 length and bytes
// of each.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/cursor.h"
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

// Whether `bytes` are strings as in a list, each with its size.
bool AreStrings(absl::string_view bytes, uint32_t count) {
  Cursor cursor(bytes);
  for (; count > 0; --count) {
    uint32_t size;
    if (!cursor.ReadLittle(&size) || !cursor.Skip(size)) return false;
  }
  return cursor.done();
}

std::optional<ValueView> ViewOf(absl::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  const absl::string_view value = bytes.substr(1);
  Cursor cursor(value);
  switch (bytes[0]) {
    case 0:
      if (value.size() != 1) return std::nullopt;
      return value[0] != 0;
    case 1: {
      int64_t integer;
      if (!cursor.ReadLittle(&integer) || !cursor.done()) return std::nullopt;
      return integer;
    }
    case 2: {
      double number;
      if (!cursor.ReadLittle(&number) || !cursor.done()) return std::nullopt;
      return number;
    }
    case 3:
      return value;
    case 4: {
      uint32_t count;
      if (!cursor.ReadLittle(&count)) return std::nullopt;
      const absl::string_view strings = value.substr(cursor.position());
      if (!AreStrings(strings, count)) return std::nullopt;
      return PackedStrings{count, strings.data()};
    }
    default:
      return std::nullopt;
  }
}

std::optional<ValueView> Find(absl::string_view row, absl::string_view key) {
  Cursor cursor(row);
  uint32_t key_bytes;
  uint32_t value_bytes;
  absl::string_view found;
  absl::string_view value;
  while (cursor.ReadLittle(&key_bytes) && cursor.ReadLittle(&value_bytes) &&
         cursor.ReadBytes(key_bytes, &found) &&
         cursor.ReadBytes(value_bytes, &value)) {
    if (found == key) return ViewOf(value);
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
