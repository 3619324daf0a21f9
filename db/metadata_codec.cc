#include "db/metadata_codec.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/cursor.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "corkscrew/limits.h"
#include "db/encode.h"

namespace corkscrew {
namespace {

// Part of the format.
enum Type : uint8_t {
  kBool = 1,
  kInt64 = 2,
  kDouble = 3,
  kString = 4,
  kList = 5,
};

void AppendString(absl::string_view text, std::string* out) {
  AppendVarint(text.size(), out);
  AppendBytes(text, out);
}

// Appends type and value. Returns what is wrong with it, or nothing.
class ValueAppender {
 public:
  explicit ValueAppender(std::string* out) : out_(*out) {}

  const char* operator()(bool value) {
    out_.push_back(kBool);
    out_.push_back(value ? 1 : 0);
    return nullptr;
  }
  const char* operator()(int64_t value) {
    out_.push_back(kInt64);
    AppendBig(static_cast<uint64_t>(value), &out_);
    return nullptr;
  }
  const char* operator()(double value) {
    if (!std::isfinite(value)) return "is NaN or infinite";
    out_.push_back(kDouble);
    if (value == 0) value = 0;  // One form: without the sign.
    AppendBig(std::bit_cast<uint64_t>(value), &out_);
    return nullptr;
  }
  const char* operator()(const std::string& value) {
    if (!IsValidUtf8(value)) return "is not valid UTF-8";
    out_.push_back(kString);
    AppendString(value, &out_);
    return nullptr;
  }
  const char* operator()(const std::vector<std::string>& value) {
    out_.push_back(kList);
    AppendVarint(value.size(), &out_);
    for (const std::string& item : value) {
      if (!IsValidUtf8(item)) return "has a string that is not valid UTF-8";
      AppendString(item, &out_);
    }
    return nullptr;
  }

 private:
  std::string& out_;
};

bool ReadString(Cursor* cursor, std::string* out) {
  uint64_t size;
  absl::string_view text;
  if (!cursor->ReadVarint(&size) || !cursor->ReadBytes(size, &text)) {
    return false;
  }
  *out = std::string(text);
  return IsValidUtf8(text);
}

bool ReadList(Cursor* cursor, std::vector<std::string>* out) {
  uint64_t count;
  // Each string takes a byte at least: no count above what is left.
  if (!cursor->ReadVarint(&count) || count > cursor->remaining()) return false;
  out->resize(count);
  for (std::string& item : *out) {
    if (!ReadString(cursor, &item)) return false;
  }
  return true;
}

bool ReadValue(Cursor* cursor, Value* out) {
  uint8_t type;
  if (!cursor->ReadBig(&type)) return false;
  switch (type) {
    case kBool: {
      uint8_t value;
      if (!cursor->ReadBig(&value) || value > 1) return false;
      *out = value == 1;
      return true;
    }
    case kInt64: {
      uint64_t bits;
      if (!cursor->ReadBig(&bits)) return false;
      *out = static_cast<int64_t>(bits);
      return true;
    }
    case kDouble: {
      uint64_t bits;
      if (!cursor->ReadBig(&bits)) return false;
      const auto value = std::bit_cast<double>(bits);
      *out = value;
      return std::isfinite(value) && (value != 0 || bits == 0);
    }
    case kString:
      *out = std::string();
      return ReadString(cursor, &std::get<std::string>(*out));
    case kList:
      *out = std::vector<std::string>();
      return ReadList(cursor, &std::get<std::vector<std::string>>(*out));
    default:
      return false;
  }
}

}  // namespace

absl::StatusOr<std::string> EncodeMetadata(const Metadata& metadata) {
  if (metadata.size() > kMaxMetadataKeys) {
    return absl::InvalidArgumentError(
        absl::StrCat("metadata has ", metadata.size(), " keys, at most ",
                     kMaxMetadataKeys, " are allowed"));
  }
  std::string out;
  AppendVarint(metadata.size(), &out);
  for (const auto& [key, value] : metadata) {
    if (key.empty()) {
      return absl::InvalidArgumentError("metadata has an empty key");
    }
    if (!IsValidUtf8(key)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "metadata key \"", absl::CHexEscape(key), "\" is not valid UTF-8"));
    }
    AppendString(key, &out);
    if (const char* problem = std::visit(ValueAppender(&out), value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("metadata value of \"", key, "\" ", problem));
    }
  }
  if (out.size() > kMaxMetadataBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("metadata takes ", out.size(), " bytes, at most ",
                     kMaxMetadataBytes, " are allowed"));
  }
  return out;
}

absl::StatusOr<Metadata> DecodeMetadata(absl::string_view bytes) {
  const absl::Status malformed =
      absl::DataLossError("metadata is not in canonical form");
  Cursor cursor(bytes);
  uint64_t count;
  if (bytes.size() > kMaxMetadataBytes || !cursor.ReadVarint(&count) ||
      count > kMaxMetadataKeys) {
    return malformed;
  }
  Metadata metadata;
  std::string key;
  for (uint64_t i = 0; i < count; ++i) {
    Value value;
    if (!ReadString(&cursor, &key) || key.empty() ||
        (!metadata.empty() && key <= metadata.rbegin()->first) ||
        !ReadValue(&cursor, &value)) {
      return malformed;
    }
    metadata.emplace_hint(metadata.end(), key, std::move(value));
  }
  if (!cursor.done()) return malformed;
  return metadata;
}

}  // namespace corkscrew
