#include "embed/gguf_parser.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/cursor.h"
#include "base/status_macros.h"
#include "embed/ggml_types.h"
#include "embed/gguf.h"
#include "embed/gguf_value.h"

namespace corkscrew {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint64_t kMaxKeyBytes = 65535;
constexpr uint64_t kMaxTensorNameBytes = 64;
constexpr uint64_t kMaxDims = 4;
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMinAlignment = 8;
constexpr uint64_t kMaxAlignment = 4096;

bool CheckedMul(uint64_t a, uint64_t b, uint64_t* product) {
  return !__builtin_mul_overflow(a, b, product);
}

// Walks the container once, front to back.
class Parser {
 public:
  Parser(absl::string_view name, absl::string_view bytes)
      : name_(name), file_bytes_(bytes.size()), cursor_(bytes) {}

  absl::Status Parse(std::vector<GgufValue>* values,
                     std::vector<GgufTensor>* tensors) {
    uint64_t tensor_count = 0;
    CORKSCREW_RETURN_IF_ERROR(ReadHeader(&tensor_count));
    CORKSCREW_RETURN_IF_ERROR(ReadValues(values));
    CORKSCREW_RETURN_IF_ERROR(ReadTensorInfos(tensor_count, tensors));
    return PlaceTensors(tensors);
  }

 private:
  // Where the bytes of a tensor are, relative to the start of the data.
  struct Extent {
    uint64_t offset = 0;
    uint64_t bytes = 0;
  };

  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ": ", what));
  }
  absl::Status CutShort(absl::string_view where) const {
    return Error(absl::StrCat("ends in ", where, " at byte ",
                              cursor_.position(), " of ", file_bytes_));
  }

  absl::Status ReadHeader(uint64_t* tensor_count);
  absl::Status ReadValues(std::vector<GgufValue>* values);
  absl::Status ReadValue(GgufValue* value);
  absl::Status ReadElements(GgufValue* value);
  absl::Status CheckBools(const GgufValue& value) const;
  absl::Status SetAlignment(const std::vector<GgufValue>& values);
  absl::Status ReadTensorInfos(uint64_t count,
                               std::vector<GgufTensor>* tensors);
  absl::Status ReadTensorInfo(GgufTensor* tensor, Extent* extent);
  absl::Status MeasureTensor(const GgufTensor& tensor, uint64_t* bytes) const;
  absl::Status PlaceTensors(std::vector<GgufTensor>* tensors);

  absl::string_view name_;
  uint64_t file_bytes_;
  Cursor cursor_;
  uint64_t value_count_ = 0;
  uint64_t alignment_ = kDefaultAlignment;
  std::vector<Extent> extents_;  // Of the tensors, in file order.
};

absl::Status Parser::ReadHeader(uint64_t* tensor_count) {
  uint32_t magic = 0;
  if (!cursor_.ReadLittle(&magic) || magic != kMagic) {
    return Error("is not a GGUF file: does not start with \"GGUF\"");
  }
  uint32_t version = 0;
  if (!cursor_.ReadLittle(&version)) return CutShort("the header");
  if (version != 2 && version != 3) {
    const bool big_endian =
        version == 0x02000000 || version == 0x03000000;  // Swapped 2 or 3.
    return absl::UnimplementedError(absl::StrCat(
        name_, ": GGUF ",
        big_endian ? std::string("in big-endian byte order")
                   : absl::StrCat("version ", version),
        " is not supported, want version 2 or 3, little-endian; convert the "
        "model again with a current converter"));
  }
  if (!cursor_.ReadLittle(tensor_count) || !cursor_.ReadLittle(&value_count_)) {
    return CutShort("the header");
  }
  return absl::OkStatus();
}

absl::Status Parser::ReadValues(std::vector<GgufValue>* values) {
  constexpr uint64_t kLeastBytes = 8 + 1 + 4 + 1;  // Length, key, type, value.
  if (value_count_ > cursor_.remaining() / kLeastBytes) {
    return Error(absl::StrCat("claims ", value_count_, " values, but only ",
                              cursor_.remaining(), " bytes follow"));
  }
  values->reserve(value_count_);
  for (uint64_t i = 0; i < value_count_; ++i) {
    CORKSCREW_RETURN_IF_ERROR(ReadValue(&values->emplace_back()));
  }
  std::sort(
      values->begin(), values->end(),
      [](const GgufValue& a, const GgufValue& b) { return a.key < b.key; });
  const auto twice = std::adjacent_find(
      values->begin(), values->end(),
      [](const GgufValue& a, const GgufValue& b) { return a.key == b.key; });
  if (twice != values->end()) {
    return Error(absl::StrCat("key ", Quoted(twice->key), " appears twice"));
  }
  return SetAlignment(*values);
}

absl::Status Parser::ReadValue(GgufValue* value) {
  uint64_t key_bytes = 0;
  if (!cursor_.ReadLittle(&key_bytes)) return CutShort("a key");
  if (key_bytes == 0 || key_bytes > kMaxKeyBytes) {
    return Error(absl::StrCat("a key has ", key_bytes, " bytes, want 1..",
                              kMaxKeyBytes));
  }
  uint32_t type = 0;
  if (!cursor_.ReadBytes(key_bytes, &value->key) ||
      !cursor_.ReadLittle(&type)) {
    return CutShort("a key");
  }
  if (type == static_cast<uint32_t>(GgufValueType::kArray)) {
    value->is_array = true;
    if (!cursor_.ReadLittle(&type) || !cursor_.ReadLittle(&value->count)) {
      return CutShort(absl::StrCat("the array ", Quoted(value->key)));
    }
    if (type == static_cast<uint32_t>(GgufValueType::kArray)) {
      return Error(
          absl::StrCat("key ", Quoted(value->key), " is an array of arrays"));
    }
  }
  if (type >= kGgufValueTypes) {
    return Error(absl::StrCat("key ", Quoted(value->key),
                              " has the unknown value type ", type));
  }
  value->type = static_cast<GgufValueType>(type);
  return ReadElements(value);
}

absl::Status Parser::ReadElements(GgufValue* value) {
  const size_t element_bytes = BytesOf(value->type);
  if (value->count > cursor_.remaining() / element_bytes) {
    return Error(absl::StrCat("key ", Quoted(value->key), " claims ",
                              value->count, " values of type ",
                              NameOf(value->type), ", but only ",
                              cursor_.remaining(), " bytes follow"));
  }
  if (value->type != GgufValueType::kString) {
    if (!cursor_.ReadBytes(value->count * element_bytes, &value->bytes)) {
      return CutShort(Quoted(value->key));
    }
    return value->type == GgufValueType::kBool ? CheckBools(*value)
                                               : absl::OkStatus();
  }
  const Cursor start = cursor_;
  absl::string_view text;
  for (uint64_t i = 0; i < value->count; ++i) {
    uint64_t length = 0;
    if (!cursor_.ReadLittle(&length) || !cursor_.ReadBytes(length, &text)) {
      return CutShort(absl::StrCat("string ", i, " of ", Quoted(value->key)));
    }
  }
  if (!value->is_array) {
    value->bytes = text;
    return absl::OkStatus();
  }
  Cursor strings = start;
  if (!strings.ReadBytes(cursor_.position() - start.position(),
                         &value->bytes)) {
    return CutShort(Quoted(value->key));
  }
  return absl::OkStatus();
}

absl::Status Parser::CheckBools(const GgufValue& value) const {
  for (const char byte : value.bytes) {
    if (byte != 0 && byte != 1) {
      return Error(absl::StrCat("key ", Quoted(value.key), " holds the bool ",
                                static_cast<uint8_t>(byte), ", want 0 or 1"));
    }
  }
  return absl::OkStatus();
}

absl::Status Parser::SetAlignment(const std::vector<GgufValue>& values) {
  for (const GgufValue& value : values) {
    if (value.key != "general.alignment") continue;
    int64_t alignment = 0;
    if (value.is_array || !value.LoadInteger(0, &alignment) ||
        alignment < static_cast<int64_t>(kMinAlignment) ||
        alignment > static_cast<int64_t>(kMaxAlignment) ||
        !std::has_single_bit(static_cast<uint64_t>(alignment))) {
      return Error(absl::StrCat(
          "key \"general.alignment\" is ",
          value.is_array || !IsInteger(value.type) ? value.TypeName()
                                                   : absl::StrCat(alignment),
          ", want a power of two in ", kMinAlignment, "..", kMaxAlignment));
    }
    alignment_ = static_cast<uint64_t>(alignment);
  }
  return absl::OkStatus();
}

absl::Status Parser::ReadTensorInfos(uint64_t count,
                                     std::vector<GgufTensor>* tensors) {
  constexpr uint64_t kLeastBytes = 8 + 1 + 4 + 4 + 8;  // No dimension.
  if (count > cursor_.remaining() / kLeastBytes) {
    return Error(absl::StrCat("claims ", count, " tensors, but only ",
                              cursor_.remaining(), " bytes follow"));
  }
  tensors->reserve(count);
  extents_.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    CORKSCREW_RETURN_IF_ERROR(
        ReadTensorInfo(&tensors->emplace_back(), &extents_.emplace_back()));
  }
  return absl::OkStatus();
}

absl::Status Parser::ReadTensorInfo(GgufTensor* tensor, Extent* extent) {
  uint64_t name_bytes = 0;
  if (!cursor_.ReadLittle(&name_bytes)) return CutShort("a tensor's name");
  if (name_bytes == 0 || name_bytes > kMaxTensorNameBytes) {
    return Error(absl::StrCat("a tensor's name has ", name_bytes,
                              " bytes, want 1..", kMaxTensorNameBytes));
  }
  uint32_t dims = 0;
  if (!cursor_.ReadBytes(name_bytes, &tensor->name) ||
      !cursor_.ReadLittle(&dims)) {
    return CutShort("a tensor's name");
  }
  if (dims > kMaxDims) {
    return Error(absl::StrCat("tensor ", Quoted(tensor->name), " has ", dims,
                              " dimensions, want at most ", kMaxDims));
  }
  tensor->dims = static_cast<int>(dims);
  uint32_t type = 0;
  for (uint32_t i = 0; i < dims; ++i) {
    if (!cursor_.ReadLittle(&tensor->shape[i])) {
      return CutShort(absl::StrCat("tensor ", Quoted(tensor->name)));
    }
  }
  if (!cursor_.ReadLittle(&type) || !cursor_.ReadLittle(&extent->offset)) {
    return CutShort(absl::StrCat("tensor ", Quoted(tensor->name)));
  }
  tensor->type = static_cast<GgmlType>(type);
  return MeasureTensor(*tensor, &extent->bytes);
}

absl::Status Parser::MeasureTensor(const GgufTensor& tensor,
                                   uint64_t* bytes) const {
  const GgmlBlock block = BlockOf(tensor.type);
  if (block.values == 0) {
    return absl::UnimplementedError(
        absl::StrCat(name_, ": tensor ", Quoted(tensor.name), " has the ",
                     NameOf(tensor.type),
                     ", which is not supported; use a file in F16, "
                     "Q8_0 or Q4_0"));
  }
  uint64_t values = 1;
  for (const uint64_t extent : tensor.shape) {
    if (extent == 0 || !CheckedMul(values, extent, &values)) {
      return Error(absl::StrCat("tensor ", Quoted(tensor.name),
                                " has an impossible dimension of ", extent));
    }
  }
  if (tensor.shape[0] % block.values != 0) {
    return Error(absl::StrCat("tensor ", Quoted(tensor.name), " has rows of ",
                              tensor.shape[0], " values, want a multiple of ",
                              block.values, " for ", NameOf(tensor.type)));
  }
  if (!CheckedMul(values / block.values, block.bytes, bytes)) {
    return Error(absl::StrCat("tensor ", Quoted(tensor.name), " has ", values,
                              " values, more than any file holds"));
  }
  return absl::OkStatus();
}

absl::Status Parser::PlaceTensors(std::vector<GgufTensor>* tensors) {
  if (tensors->empty()) return absl::OkStatus();
  const uint64_t padding =
      (alignment_ - cursor_.position() % alignment_) % alignment_;
  if (!cursor_.Skip(padding)) return CutShort("the padding before the data");
  const Cursor data = cursor_;
  for (size_t i = 0; i < tensors->size(); ++i) {
    GgufTensor& tensor = (*tensors)[i];
    const Extent extent = extents_[i];
    if (extent.offset % alignment_ != 0) {
      return Error(absl::StrCat("tensor ", Quoted(tensor.name),
                                " starts at offset ", extent.offset,
                                ", want a multiple of ", alignment_));
    }
    Cursor at = data;
    if (!at.Skip(extent.offset) || !at.ReadBytes(extent.bytes, &tensor.data)) {
      return Error(absl::StrCat("tensor ", Quoted(tensor.name), " claims ",
                                extent.bytes, " bytes at offset ",
                                extent.offset, " of the ", data.remaining(),
                                " bytes of tensor data"));
    }
  }
  std::sort(tensors->begin(), tensors->end(),
            [](const GgufTensor& a, const GgufTensor& b) {
              return a.data.data() < b.data.data();
            });
  for (size_t i = 1; i < tensors->size(); ++i) {
    const GgufTensor& before = (*tensors)[i - 1];
    const GgufTensor& after = (*tensors)[i];
    if (before.data.data() + before.data.size() > after.data.data()) {
      return Error(absl::StrCat("tensors ", Quoted(before.name), " and ",
                                Quoted(after.name), " overlap"));
    }
  }
  std::sort(
      tensors->begin(), tensors->end(),
      [](const GgufTensor& a, const GgufTensor& b) { return a.name < b.name; });
  for (size_t i = 1; i < tensors->size(); ++i) {
    if ((*tensors)[i - 1].name == (*tensors)[i].name) {
      return Error(absl::StrCat("tensor ", Quoted((*tensors)[i].name),
                                " appears twice"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseGguf(absl::string_view name, absl::string_view bytes,
                       std::vector<GgufValue>* values,
                       std::vector<GgufTensor>* tensors) {
  return Parser(name, bytes).Parse(values, tensors);
}

}  // namespace corkscrew
