#include "embed/gguf.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/cursor.h"
#include "base/status_macros.h"
#include "embed/gguf_parser.h"
#include "embed/gguf_value.h"
#include "embed/model_file.h"

namespace corkscrew {
struct GgufFile::Rep {
  std::string name;
  std::string bytes;                // What all views below point into.
  std::vector<GgufValue> values;    // By key.
  std::vector<GgufTensor> tensors;  // By name.

  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", what));
  }

  const GgufValue* FindValue(absl::string_view key) const {
    const auto found =
        std::lower_bound(values.begin(), values.end(), key,
                         [](const GgufValue& value, absl::string_view k) {
                           return value.key < k;
                         });
    return found != values.end() && found->key == key ? &*found : nullptr;
  }

  // The value of `key` if it is one of the wanted shape; `want` names the type
  // in the error.
  absl::StatusOr<const GgufValue*> Get(absl::string_view key, bool is_array,
                                       bool (*has_type)(GgufValueType),
                                       absl::string_view want) const {
    const GgufValue* value = FindValue(key);
    if (value == nullptr) {
      return absl::NotFoundError(
          absl::StrCat(name, ": key ", Quoted(key), " is missing"));
    }
    if (value->is_array != is_array || !has_type(value->type)) {
      return Error(absl::StrCat("key ", Quoted(key), " is of type ",
                                value->TypeName(), ", want ", want));
    }
    return value;
  }
};

GgufFile::GgufFile(std::unique_ptr<const Rep> rep) : rep_(std::move(rep)) {}

GgufFile::~GgufFile() = default;

absl::StatusOr<std::shared_ptr<const GgufFile>> GgufFile::Open(
    absl::string_view path) {
  CORKSCREW_ASSIGN_OR_RETURN(std::string bytes, ReadModelFile(path));
  return Parse(std::move(bytes), path);
}

absl::StatusOr<std::shared_ptr<const GgufFile>> GgufFile::Parse(
    std::string bytes, absl::string_view name) {
  auto rep = std::make_unique<Rep>();
  rep->name = std::string(name);
  rep->bytes = std::move(bytes);
  CORKSCREW_RETURN_IF_ERROR(
      ParseGguf(rep->name, rep->bytes, &rep->values, &rep->tensors));
  return std::shared_ptr<const GgufFile>(new GgufFile(std::move(rep)));
}

const std::string& GgufFile::name() const { return rep_->name; }

absl::StatusOr<uint64_t> GgufFile::Uint(absl::string_view key) const {
  CORKSCREW_ASSIGN_OR_RETURN(
      const GgufValue* value,
      rep_->Get(key, /*is_array=*/false, IsInteger, "an integer"));
  if (value->type == GgufValueType::kUint64) return value->Load<uint64_t>();
  int64_t number = 0;
  if (!value->LoadInteger(0, &number) || number < 0) {
    return rep_->Error(
        absl::StrCat("key ", Quoted(key), " is ", number, ", want at least 0"));
  }
  return static_cast<uint64_t>(number);
}

absl::StatusOr<double> GgufFile::Float(absl::string_view key) const {
  CORKSCREW_ASSIGN_OR_RETURN(const GgufValue* value,
                             rep_->Get(
                                 key, /*is_array=*/false,
                                 [](GgufValueType type) {
                                   return type == GgufValueType::kFloat32 ||
                                          type == GgufValueType::kFloat64;
                                 },
                                 "float32 or float64"));
  if (value->type == GgufValueType::kFloat32) return value->Load<float>();
  return value->Load<double>();
}

absl::StatusOr<bool> GgufFile::Bool(absl::string_view key) const {
  CORKSCREW_ASSIGN_OR_RETURN(
      const GgufValue* value,
      rep_->Get(
          key, /*is_array=*/false,
          [](GgufValueType type) { return type == GgufValueType::kBool; },
          "bool"));
  return value->bytes[0] != 0;
}

absl::StatusOr<absl::string_view> GgufFile::String(
    absl::string_view key) const {
  CORKSCREW_ASSIGN_OR_RETURN(
      const GgufValue* value,
      rep_->Get(
          key, /*is_array=*/false,
          [](GgufValueType type) { return type == GgufValueType::kString; },
          "string"));
  return value->bytes;
}

absl::StatusOr<std::vector<absl::string_view>> GgufFile::Strings(
    absl::string_view key) const {
  CORKSCREW_ASSIGN_OR_RETURN(
      const GgufValue* value,
      rep_->Get(
          key, /*is_array=*/true,
          [](GgufValueType type) { return type == GgufValueType::kString; },
          "array of string"));
  std::vector<absl::string_view> strings(value->count);
  Cursor cursor(value->bytes);
  for (absl::string_view& text : strings) {
    uint64_t length = 0;
    if (!cursor.ReadLittle(&length) || !cursor.ReadBytes(length, &text)) {
      return absl::InternalError(
          absl::StrCat(rep_->name, ": strings of ", Quoted(key), " changed"));
    }
  }
  return strings;
}

absl::StatusOr<std::vector<float>> GgufFile::Floats(
    absl::string_view key) const {
  CORKSCREW_ASSIGN_OR_RETURN(
      const GgufValue* value,
      rep_->Get(
          key, /*is_array=*/true,
          [](GgufValueType type) { return type == GgufValueType::kFloat32; },
          "array of float32"));
  std::vector<float> floats(value->count);
  if (!floats.empty()) {
    std::memcpy(floats.data(), value->bytes.data(), value->bytes.size());
  }
  return floats;
}

absl::StatusOr<std::vector<int64_t>> GgufFile::Ints(
    absl::string_view key) const {
  CORKSCREW_ASSIGN_OR_RETURN(
      const GgufValue* value,
      rep_->Get(key, /*is_array=*/true, IsInteger, "array of integers"));
  std::vector<int64_t> ints(value->count);
  for (size_t i = 0; i < ints.size(); ++i) {
    if (!value->LoadInteger(i, &ints[i])) {
      return rep_->Error(
          absl::StrCat("key ", Quoted(key), " holds ", value->Load<uint64_t>(i),
                       ", want at most ", std::numeric_limits<int64_t>::max()));
    }
  }
  return ints;
}

bool GgufFile::Has(absl::string_view key) const {
  return rep_->FindValue(key) != nullptr;
}

absl::Span<const GgufValue> GgufFile::values() const { return rep_->values; }

absl::Span<const GgufTensor> GgufFile::tensors() const { return rep_->tensors; }

const GgufTensor* GgufFile::Find(absl::string_view name) const {
  const auto found =
      std::lower_bound(rep_->tensors.begin(), rep_->tensors.end(), name,
                       [](const GgufTensor& tensor, absl::string_view n) {
                         return tensor.name < n;
                       });
  return found != rep_->tensors.end() && found->name == name ? &*found
                                                             : nullptr;
}

}  // namespace corkscrew
