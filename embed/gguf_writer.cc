#include "embed/gguf_writer.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "embed/gguf.h"
#include "embed/gguf_value.h"

namespace corkscrew {
namespace {

constexpr uint32_t kVersion = 3;
constexpr size_t kAlignment = 32;

template <typename T>
void Append(std::string* to, T value) {
  to->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void AppendString(std::string* to, absl::string_view text) {
  Append<uint64_t>(to, text.size());
  to->append(text.data(), text.size());
}

template <typename T>
absl::string_view BytesOf(const T* values, size_t count) {
  return {reinterpret_cast<const char*>(values), count * sizeof(T)};
}

size_t Padded(size_t size) {
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

void GgufWriter::Put(absl::string_view key, GgufValueType type,
                     absl::string_view bytes) {
  std::string value;
  Append(&value, static_cast<uint32_t>(type));
  value.append(bytes.data(), bytes.size());
  values_[std::string(key)] = std::move(value);
}

void GgufWriter::PutArray(absl::string_view key, GgufValueType type,
                          uint64_t count, absl::string_view bytes) {
  std::string value;
  Append(&value, static_cast<uint32_t>(type));
  Append(&value, count);
  value.append(bytes.data(), bytes.size());
  Put(key, GgufValueType::kArray, value);
}

void GgufWriter::Copy(const GgufValue& value) {
  if (value.key == "general.alignment") return;
  if (value.is_array) {
    PutArray(value.key, value.type, value.count, value.bytes);
  } else if (value.type == GgufValueType::kString) {
    String(value.key, value.bytes);
  } else {
    Put(value.key, value.type, value.bytes);
  }
}

void GgufWriter::Uint(absl::string_view key, uint32_t value) {
  Put(key, GgufValueType::kUint32, BytesOf(&value, 1));
}

void GgufWriter::Float(absl::string_view key, float value) {
  Put(key, GgufValueType::kFloat32, BytesOf(&value, 1));
}

void GgufWriter::Bool(absl::string_view key, bool value) {
  const char byte = value ? 1 : 0;
  Put(key, GgufValueType::kBool, {&byte, 1});
}

void GgufWriter::String(absl::string_view key, absl::string_view value) {
  std::string bytes;
  AppendString(&bytes, value);
  Put(key, GgufValueType::kString, bytes);
}

void GgufWriter::Strings(absl::string_view key,
                         absl::Span<const std::string> values) {
  std::string bytes;
  for (const std::string& value : values) AppendString(&bytes, value);
  PutArray(key, GgufValueType::kString, values.size(), bytes);
}

void GgufWriter::Floats(absl::string_view key, absl::Span<const float> values) {
  PutArray(key, GgufValueType::kFloat32, values.size(),
           BytesOf(values.data(), values.size()));
}

void GgufWriter::Ints(absl::string_view key, absl::Span<const int32_t> values) {
  PutArray(key, GgufValueType::kInt32, values.size(),
           BytesOf(values.data(), values.size()));
}

void GgufWriter::Bytes(absl::string_view key, absl::string_view values) {
  PutArray(key, GgufValueType::kUint8, values.size(), values);
}

void GgufWriter::Tensor(absl::string_view name, GgmlType type,
                        absl::Span<const uint64_t> shape, std::string data) {
  TensorEntry& tensor = tensors_[std::string(name)];
  tensor.type = type;
  tensor.shape.assign(shape.begin(), shape.end());
  tensor.owned = std::move(data);
  tensor.borrowed = "";
}

void GgufWriter::TensorView(const GgufTensor& tensor) {
  TensorEntry& entry = tensors_[std::string(tensor.name)];
  entry.type = tensor.type;
  entry.shape.assign(tensor.shape.begin(), tensor.shape.begin() + tensor.dims);
  entry.owned.clear();
  entry.borrowed = tensor.data;
}

std::string GgufWriter::Write() const {
  std::string file = "GGUF";
  Append(&file, kVersion);
  Append<uint64_t>(&file, tensors_.size());
  Append<uint64_t>(&file, values_.size());
  for (const auto& [key, value] : values_) {
    AppendString(&file, key);
    file += value;
  }
  size_t offset = 0;
  for (const auto& [name, tensor] : tensors_) {
    AppendString(&file, name);
    Append(&file, static_cast<uint32_t>(tensor.shape.size()));
    for (const uint64_t extent : tensor.shape) Append(&file, extent);
    Append(&file, static_cast<uint32_t>(tensor.type));
    Append<uint64_t>(&file, offset);
    offset += Padded(tensor.data().size());
  }
  file.reserve(Padded(file.size()) + offset);
  for (const auto& [name, tensor] : tensors_) {
    file.resize(Padded(file.size()));
    const absl::string_view data = tensor.data();
    file.append(data.data(), data.size());
  }
  file.resize(Padded(file.size()));
  return file;
}

}  // namespace corkscrew
