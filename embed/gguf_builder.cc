#include "embed/gguf_builder.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "embed/gguf.h"

namespace corkscrew::testing {
namespace {

void AppendString(std::string* to, absl::string_view text) {
  AppendLittle<uint64_t>(to, text.size());
  to->append(text.data(), text.size());
}

std::string EncodeValue(absl::string_view key, uint32_t type,
                        absl::string_view bytes) {
  std::string value;
  AppendString(&value, key);
  AppendLittle<uint32_t>(&value, type);
  value.append(bytes.data(), bytes.size());
  return value;
}

template <typename T>
std::string Encoded(T value) {
  std::string bytes;
  AppendLittle<T>(&bytes, value);
  return bytes;
}

void Pad(std::string* to, uint64_t alignment) {
  while (to->size() % alignment != 0) to->push_back('\0');
}

}  // namespace

GgufBuilder& GgufBuilder::Uint32(absl::string_view key, uint32_t value) {
  return Raw(key, 4, Encoded(value));
}

GgufBuilder& GgufBuilder::Float32(absl::string_view key, float value) {
  return Raw(key, 6, Encoded(value));
}

GgufBuilder& GgufBuilder::Bool(absl::string_view key, bool value) {
  return Raw(key, 7, Encoded<uint8_t>(value ? 1 : 0));
}

GgufBuilder& GgufBuilder::String(absl::string_view key,
                                 absl::string_view value) {
  std::string bytes;
  AppendString(&bytes, value);
  return Raw(key, 8, bytes);
}

GgufBuilder& GgufBuilder::Strings(absl::string_view key,
                                  const std::vector<std::string>& values) {
  std::string bytes;
  AppendLittle<uint32_t>(&bytes, 8);
  AppendLittle<uint64_t>(&bytes, values.size());
  for (const std::string& value : values) AppendString(&bytes, value);
  return Raw(key, 9, bytes);
}

GgufBuilder& GgufBuilder::Raw(absl::string_view key, uint32_t type,
                              absl::string_view bytes) {
  values_.push_back(EncodeValue(key, type, bytes));
  return *this;
}

GgufBuilder& GgufBuilder::Tensor(absl::string_view name, GgmlType type,
                                 std::vector<uint64_t> shape,
                                 absl::string_view data) {
  tensors_.push_back(
      {std::string(name), type, std::move(shape), std::string(data)});
  return *this;
}

GgufBuilder& GgufBuilder::Floats(absl::string_view name,
                                 std::vector<uint64_t> shape,
                                 const std::vector<float>& data) {
  return Tensor(name, GgmlType::kF32, std::move(shape),
                absl::string_view(reinterpret_cast<const char*>(data.data()),
                                  data.size() * sizeof(float)));
}

std::string GgufBuilder::Build() const {
  std::vector<std::string> values = values_;
  if (alignment != 32) {
    values.push_back(EncodeValue("general.alignment", 4,
                                 Encoded(static_cast<uint32_t>(alignment))));
  }
  std::string file = "GGUF";
  AppendLittle<uint32_t>(&file, version);
  AppendLittle<uint64_t>(&file, tensors_.size());
  AppendLittle<uint64_t>(&file, values.size());
  for (const std::string& value : values) file += value;
  std::string data;
  for (const TensorInfo& tensor : tensors_) {
    Pad(&data, alignment);
    AppendString(&file, tensor.name);
    AppendLittle<uint32_t>(&file, static_cast<uint32_t>(tensor.shape.size()));
    for (const uint64_t extent : tensor.shape) AppendLittle(&file, extent);
    AppendLittle<uint32_t>(&file, static_cast<uint32_t>(tensor.type));
    AppendLittle<uint64_t>(&file, data.size());
    data += tensor.data;
  }
  Pad(&file, alignment);
  return file + data;
}

}  // namespace corkscrew::testing
