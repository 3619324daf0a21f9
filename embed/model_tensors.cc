#include "embed/model_tensors.h"

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "embed/ggml_types.h"
#include "embed/gguf.h"

namespace corkscrew {
namespace {

std::string ShapeOf(const GgufTensor& tensor) {
  std::string shape = "[";
  for (int i = 0; i < tensor.dims; ++i) {
    absl::StrAppend(&shape, i == 0 ? "" : ", ", tensor.shape[i]);
  }
  return shape + "]";
}

std::string ShapeOf(size_t in, size_t out) {
  return out == 1 ? absl::StrCat("[", in, "]")
                  : absl::StrCat("[", in, ", ", out, "]");
}

template <typename T>
T Load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

// Whether no 16-bit float at the `count` first positions of each block of
// `step` bytes has all bits of `exponent` set.
bool ScalesAreFinite(absl::string_view data, size_t step, size_t count,
                     uint16_t exponent) {
  for (size_t at = 0; at < data.size(); at += step) {
    for (size_t i = 0; i < count; ++i) {
      const auto bits = Load<uint16_t>(data.data() + at + 2 * i);
      if ((bits & exponent) == exponent) return false;
    }
  }
  return true;
}

}  // namespace

// Looks at scales only where values are integers
// times a scale: they stay far below the largest float32.
bool AllFinite(const GgufTensor& tensor) {
  constexpr uint16_t kF16Exponent = 0x7c00;
  constexpr uint16_t kBF16Exponent = 0x7f80;
  constexpr uint32_t kF32Exponent = 0x7f800000;
  const size_t block = BlockOf(tensor.type).bytes;
  switch (tensor.type) {
    case GgmlType::kF32:
      for (size_t at = 0; at < tensor.data.size(); at += 4) {
        const auto bits = Load<uint32_t>(tensor.data.data() + at);
        if ((bits & kF32Exponent) == kF32Exponent) return false;
      }
      return true;
    case GgmlType::kF16:
      return ScalesAreFinite(tensor.data, 2, 1, kF16Exponent);
    case GgmlType::kBF16:
      return ScalesAreFinite(tensor.data, 2, 1, kBF16Exponent);
    case GgmlType::kQ4_0:
    case GgmlType::kQ5_0:
    case GgmlType::kQ8_0:
    case GgmlType::kIQ4_NL:
      return ScalesAreFinite(tensor.data, block, 1, kF16Exponent);
    case GgmlType::kQ4_1:
    case GgmlType::kQ5_1:
      return ScalesAreFinite(tensor.data, block, 2, kF16Exponent);
    default:
      break;
  }
  std::vector<float> row(tensor.row_values());
  for (size_t i = 0; i < tensor.rows(); ++i) {
    ReadRow(tensor, i, row.data());
    for (const float value : row) {
      if ((Load<uint32_t>(reinterpret_cast<const char*>(&value)) &
           kF32Exponent) == kF32Exponent) {
        return false;
      }
    }
  }
  return true;
}

std::string ModelTensors::Describe(absl::string_view name) const {
  return absl::StrCat(file_.name(), ": tensor \"", name, "\"");
}

absl::StatusOr<const GgufTensor*> ModelTensors::Take(const GgufTensor* tensor) {
  if (!CanDequantize(tensor->type)) {
    return absl::UnimplementedError(absl::StrCat(
        Describe(tensor->name), " has type ", NameOf(tensor->type),
        ", supported are F32, F16, BF16 and the usual block types"));
  }
  if (!AllFinite(*tensor)) {
    return absl::InvalidArgumentError(absl::StrCat(
        Describe(tensor->name), " has values that are NaN or infinite"));
  }
  used_.push_back(tensor);
  return tensor;
}

absl::StatusOr<const GgufTensor*> ModelTensors::Matrix(absl::string_view name,
                                                       size_t in, size_t out) {
  const GgufTensor* tensor = file_.Find(name);
  if (tensor == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        Describe(name), " is missing, want shape ", ShapeOf(in, out)));
  }
  if (tensor->shape != std::array<uint64_t, 4>{in, out, 1, 1}) {
    return absl::InvalidArgumentError(
        absl::StrCat(Describe(name), " has shape ", ShapeOf(*tensor), ", want ",
                     ShapeOf(in, out)));
  }
  return Take(tensor);
}

absl::StatusOr<std::vector<GgufTensor>> ModelTensors::Matrices(
    absl::string_view name, size_t in, size_t out, size_t n) {
  const GgufTensor* tensor = file_.Find(name);
  if (tensor == nullptr ||
      tensor->shape != std::array<uint64_t, 4>{in, out, n, 1}) {
    return absl::InvalidArgumentError(absl::StrCat(
        Describe(name),
        tensor == nullptr ? " is missing"
                          : absl::StrCat(" has shape ", ShapeOf(*tensor)),
        ", want shape [", in, ", ", out, ", ", n, "]"));
  }
  CORKSCREW_ASSIGN_OR_RETURN(tensor, Take(tensor));
  const size_t bytes = tensor->data.size() / n;
  std::vector<GgufTensor> matrices(n, *tensor);
  for (size_t i = 0; i < n; ++i) {
    matrices[i].shape = {in, out, 1, 1};
    matrices[i].dims = 2;
    matrices[i].data = tensor->data.substr(i * bytes, bytes);
  }
  return matrices;
}

absl::StatusOr<const GgufTensor*> ModelTensors::Table(absl::string_view name,
                                                      size_t in) {
  const GgufTensor* tensor = file_.Find(name);
  if (tensor == nullptr || tensor->shape[0] != in || tensor->rows() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        Describe(name),
        tensor == nullptr ? " is missing"
                          : absl::StrCat(" has shape ", ShapeOf(*tensor)),
        ", want shape [", in, ", 1 or more]"));
  }
  return Take(tensor);
}

absl::StatusOr<std::vector<float>> ModelTensors::Vector(absl::string_view name,
                                                        size_t n,
                                                        size_t padded) {
  assert(padded >= n);
  CORKSCREW_ASSIGN_OR_RETURN(const GgufTensor* tensor, Matrix(name, n, 1));
  std::vector<float> values(padded);
  ReadRow(*tensor, 0, values.data());
  return values;
}

absl::StatusOr<size_t> RequiredUint(const GgufFile& file, absl::string_view key,
                                    uint64_t least, uint64_t most) {
  const absl::StatusOr<uint64_t> value = file.Uint(key);
  // A model without the key is malformed, it is not that something is absent.
  if (absl::IsNotFound(value.status())) {
    return absl::InvalidArgumentError(value.status().message());
  }
  CORKSCREW_RETURN_IF_ERROR(value.status());
  if (*value < least || *value > most) {
    return absl::InvalidArgumentError(absl::StrCat(file.name(), ": key \"", key,
                                                   "\" is ", *value, ", want ",
                                                   least, " to ", most));
  }
  return *value;
}

void ReadRow(const GgufTensor& tensor, size_t row, float* out) {
  const size_t bytes = tensor.data.size() / tensor.rows();
  DequantizeRow(tensor.type, tensor.data.data() + row * bytes,
                tensor.row_values(), out);
}

}  // namespace corkscrew
