#include "embed/safetensors.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/cursor.h"
#include "base/status_macros.h"
#include "embed/ggml_types.h"
#include "embed/gguf.h"
#include "embed/gguf_value.h"
#include "embed/json_text.h"
#include "nlohmann/json.hpp"

namespace corkscrew {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = uint64_t{64} << 20;
constexpr size_t kMaxRank = 8;

// Bytes per element; 0 for an unknown type.
uint64_t BytesOf(absl::string_view type) {
  if (type == "F64" || type == "I64" || type == "U64") return 8;
  if (type == "F32" || type == "I32" || type == "U32") return 4;
  if (type == "F16" || type == "BF16" || type == "I16" || type == "U16") {
    return 2;
  }
  if (type == "I8" || type == "U8" || type == "BOOL") return 1;
  return 0;
}

bool ReadUint(const Json& json, uint64_t* out) {
  if (!json.is_number_unsigned()) return false;
  *out = json.get<uint64_t>();
  return true;
}

// Reads one entry of the header. False if it is malformed.
bool ReadTensor(const Json& json, absl::string_view data, SafeTensor* tensor) {
  if (!json.is_object() || json.size() != 3 || !json.contains("dtype") ||
      !json["dtype"].is_string() || !json.contains("shape") ||
      !json["shape"].is_array() || json["shape"].size() > kMaxRank ||
      !json.contains("data_offsets") || !json["data_offsets"].is_array() ||
      json["data_offsets"].size() != 2) {
    return false;
  }
  tensor->type = json["dtype"].get<std::string>();
  tensor->elements = 1;
  for (const Json& extent : json["shape"]) {
    uint64_t value = 0;
    if (!ReadUint(extent, &value) ||
        __builtin_mul_overflow(tensor->elements, value, &tensor->elements)) {
      return false;
    }
    tensor->shape.push_back(value);
  }
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t bytes = 0;
  if (!ReadUint(json["data_offsets"][0], &begin) ||
      !ReadUint(json["data_offsets"][1], &end) || begin > end ||
      end > data.size() || BytesOf(tensor->type) == 0 ||
      __builtin_mul_overflow(tensor->elements, BytesOf(tensor->type), &bytes) ||
      bytes != end - begin) {
    return false;
  }
  tensor->data = data.substr(begin, bytes);
  return true;
}

}  // namespace

absl::Status SafetensorsFile::Read() {
  const auto error = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(name_, ": ", what));
  };
  Cursor cursor(bytes_);
  uint64_t size = 0;
  absl::string_view header;
  if (!cursor.ReadLittle(&size) || size > kMaxHeaderBytes ||
      !cursor.ReadBytes(size, &header)) {
    return error(absl::StrCat("is no safetensors file: a header of ", size,
                              " bytes in a file of ", bytes_.size(),
                              ", want at most ", kMaxHeaderBytes));
  }
  absl::string_view data;
  if (!cursor.ReadBytes(cursor.remaining(), &data)) return error("is cut");
  const Json json = ParseJson(header);
  if (!json.is_object()) return error("has a header that is no JSON object");
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__") continue;
    SafeTensor tensor;
    tensor.name = name;
    if (!ReadTensor(value, data, &tensor)) {
      return error(absl::StrCat(
          "tensor ", Quoted(name),
          ": type, shape and place do not fit together or the file, which has ",
          data.size(), " bytes of data"));
    }
    tensors_.push_back(std::move(tensor));  // Ascending, as JSON objects are.
  }
  return CheckPlaces(data.size());
}

absl::Status SafetensorsFile::CheckPlaces(size_t data_bytes) const {
  std::vector<const SafeTensor*> order;
  for (const SafeTensor& tensor : tensors_) {
    if (!tensor.data.empty()) order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(),
            [](const SafeTensor* a, const SafeTensor* b) {
              return a->data.data() < b->data.data();
            });
  size_t end = 0;
  const char* const begin = bytes_.data() + bytes_.size() - data_bytes;
  for (const SafeTensor* tensor : order) {
    const auto at = static_cast<size_t>(tensor->data.data() - begin);
    if (at < end) {
      return absl::InvalidArgumentError(
          absl::StrCat(name_, ": tensor ", Quoted(tensor->name), " at ", at,
                       " overlaps what ends at ", end));
    }
    end = at + tensor->data.size();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const SafetensorsFile>> SafetensorsFile::Parse(
    std::string bytes, absl::string_view name) {
  std::shared_ptr<SafetensorsFile> file(
      new SafetensorsFile(std::move(bytes), name));
  CORKSCREW_RETURN_IF_ERROR(file->Read());
  return file;
}

const SafeTensor* SafetensorsFile::Find(absl::string_view name) const {
  const auto found =
      std::lower_bound(tensors_.begin(), tensors_.end(), name,
                       [](const SafeTensor& tensor, absl::string_view n) {
                         return tensor.name < n;
                       });
  return found != tensors_.end() && found->name == name ? &*found : nullptr;
}

absl::Status AppendFloats(const SafeTensor& tensor, std::vector<float>* out) {
  GgmlType type = GgmlType::kF32;
  if (tensor.type == "F16") {
    type = GgmlType::kF16;
  } else if (tensor.type == "BF16") {
    type = GgmlType::kBF16;
  } else if (tensor.type != "F32") {
    return absl::UnimplementedError(
        absl::StrCat("tensor ", Quoted(tensor.name), " has type ", tensor.type,
                     ", supported are F32, F16 and BF16"));
  }
  const size_t before = out->size();
  out->resize(before + tensor.elements);
  DequantizeRow(type, tensor.data.data(), tensor.elements,
                out->data() + before);
  return absl::OkStatus();
}

}  // namespace corkscrew
