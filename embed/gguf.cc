#include "embed/gguf.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/cursor.h"
#include "base/status_macros.h"
#include "embed/ggml_types.h"

namespace corkscrew {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint64_t kMaxKeyBytes = 65535;
constexpr uint64_t kMaxTensorNameBytes = 64;
constexpr uint64_t kMaxDims = 4;
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMinAlignment = 8;
constexpr uint64_t kMaxAlignment = 4096;
// Above every embedding model there is; keeps a sparse file of a few blocks
// from asking for all memory.
constexpr uint64_t kMaxFileBytes = uint64_t{32} << 30;

// Types of values, by their numbers in the file.
enum class ValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

struct ValueTypeRow {
  absl::string_view name;
  size_t bytes;  // Of one value; of the least one for strings and arrays.
};

constexpr ValueTypeRow kValueTypes[] = {
    {"uint8", 1},  {"int8", 1},    {"uint16", 2}, {"int16", 2},  {"uint32", 4},
    {"int32", 4},  {"float32", 4}, {"bool", 1},   {"string", 8}, {"array", 12},
    {"uint64", 8}, {"int64", 8},   {"float64", 8}};

const ValueTypeRow& RowOf(ValueType type) {
  return kValueTypes[static_cast<uint32_t>(type)];
}

// A name from the file, safe to print and of bounded length.
std::string Quoted(absl::string_view name) {
  constexpr size_t kShown = 80;
  return absl::StrCat("\"", absl::CHexEscape(name.substr(0, kShown)),
                      name.size() > kShown ? "...\"" : "\"");
}

bool CheckedMul(uint64_t a, uint64_t b, uint64_t* product) {
  return !__builtin_mul_overflow(a, b, product);
}

// One named value. Its bytes were checked when the file was parsed: fixed-width
// elements, or `count` strings each with its length before it.
struct Value {
  absl::string_view key;
  ValueType type = ValueType::kUint8;  // Of the elements of an array.
  bool is_array = false;
  uint64_t count = 1;
  absl::string_view bytes;

  std::string TypeName() const {
    return absl::StrCat(is_array ? "array of " : "", RowOf(type).name);
  }
};

template <typename T>
T Load(absl::string_view bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

// Reads element `index` of an integer value. False if `value` has another type
// or the element does not fit.
bool LoadInteger(const Value& value, size_t index, int64_t* out) {
  switch (value.type) {
    case ValueType::kUint8:
      *out = Load<uint8_t>(value.bytes, index);
      return true;
    case ValueType::kInt8:
      *out = Load<int8_t>(value.bytes, index);
      return true;
    case ValueType::kUint16:
      *out = Load<uint16_t>(value.bytes, index);
      return true;
    case ValueType::kInt16:
      *out = Load<int16_t>(value.bytes, index);
      return true;
    case ValueType::kUint32:
      *out = Load<uint32_t>(value.bytes, index);
      return true;
    case ValueType::kInt32:
      *out = Load<int32_t>(value.bytes, index);
      return true;
    case ValueType::kInt64:
      *out = Load<int64_t>(value.bytes, index);
      return true;
    case ValueType::kUint64: {
      const auto wide = Load<uint64_t>(value.bytes, index);
      *out = static_cast<int64_t>(wide);
      return wide <= uint64_t{std::numeric_limits<int64_t>::max()};
    }
    default:
      return false;
  }
}

bool IsInteger(ValueType type) {
  switch (type) {
    case ValueType::kFloat32:
    case ValueType::kFloat64:
    case ValueType::kBool:
    case ValueType::kString:
    case ValueType::kArray:
      return false;
    default:
      return true;
  }
}

}  // namespace

struct GgufFile::Rep {
  std::string name;
  std::string bytes;                // What all views below point into.
  std::vector<Value> values;        // By key.
  std::vector<GgufTensor> tensors;  // By name.

  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", what));
  }

  const Value* FindValue(absl::string_view key) const {
    const auto found = std::lower_bound(
        values.begin(), values.end(), key,
        [](const Value& value, absl::string_view k) { return value.key < k; });
    return found != values.end() && found->key == key ? &*found : nullptr;
  }

  // The value of `key` if it is one of the wanted shape; `want` names the type
  // in the error.
  absl::StatusOr<const Value*> Get(absl::string_view key, bool is_array,
                                   bool (*has_type)(ValueType),
                                   absl::string_view want) const {
    const Value* value = FindValue(key);
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

namespace {

// Walks the container once, front to back.
class Parser {
 public:
  Parser(absl::string_view name, absl::string_view bytes)
      : name_(name), file_bytes_(bytes.size()), cursor_(bytes) {}

  absl::Status Parse(std::vector<Value>* values,
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
  absl::Status ReadValues(std::vector<Value>* values);
  absl::Status ReadValue(Value* value);
  absl::Status ReadElements(Value* value);
  absl::Status CheckBools(const Value& value) const;
  absl::Status SetAlignment(const std::vector<Value>& values);
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

absl::Status Parser::ReadValues(std::vector<Value>* values) {
  constexpr uint64_t kLeastBytes = 8 + 1 + 4 + 1;  // Length, key, type, value.
  if (value_count_ > cursor_.remaining() / kLeastBytes) {
    return Error(absl::StrCat("claims ", value_count_, " values, but only ",
                              cursor_.remaining(), " bytes follow"));
  }
  values->reserve(value_count_);
  for (uint64_t i = 0; i < value_count_; ++i) {
    CORKSCREW_RETURN_IF_ERROR(ReadValue(&values->emplace_back()));
  }
  std::sort(values->begin(), values->end(),
            [](const Value& a, const Value& b) { return a.key < b.key; });
  const auto twice = std::adjacent_find(
      values->begin(), values->end(),
      [](const Value& a, const Value& b) { return a.key == b.key; });
  if (twice != values->end()) {
    return Error(absl::StrCat("key ", Quoted(twice->key), " appears twice"));
  }
  return SetAlignment(*values);
}

absl::Status Parser::ReadValue(Value* value) {
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
  if (type == static_cast<uint32_t>(ValueType::kArray)) {
    value->is_array = true;
    if (!cursor_.ReadLittle(&type) || !cursor_.ReadLittle(&value->count)) {
      return CutShort(absl::StrCat("the array ", Quoted(value->key)));
    }
    if (type == static_cast<uint32_t>(ValueType::kArray)) {
      return Error(
          absl::StrCat("key ", Quoted(value->key), " is an array of arrays"));
    }
  }
  if (type >= std::size(kValueTypes)) {
    return Error(absl::StrCat("key ", Quoted(value->key),
                              " has the unknown value type ", type));
  }
  value->type = static_cast<ValueType>(type);
  return ReadElements(value);
}

absl::Status Parser::ReadElements(Value* value) {
  const size_t element_bytes = RowOf(value->type).bytes;
  if (value->count > cursor_.remaining() / element_bytes) {
    return Error(absl::StrCat("key ", Quoted(value->key), " claims ",
                              value->count, " values of type ",
                              RowOf(value->type).name, ", but only ",
                              cursor_.remaining(), " bytes follow"));
  }
  if (value->type != ValueType::kString) {
    if (!cursor_.ReadBytes(value->count * element_bytes, &value->bytes)) {
      return CutShort(Quoted(value->key));
    }
    return value->type == ValueType::kBool ? CheckBools(*value)
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

absl::Status Parser::CheckBools(const Value& value) const {
  for (const char byte : value.bytes) {
    if (byte != 0 && byte != 1) {
      return Error(absl::StrCat("key ", Quoted(value.key), " holds the bool ",
                                static_cast<uint8_t>(byte), ", want 0 or 1"));
    }
  }
  return absl::OkStatus();
}

absl::Status Parser::SetAlignment(const std::vector<Value>& values) {
  for (const Value& value : values) {
    if (value.key != "general.alignment") continue;
    int64_t alignment = 0;
    if (value.is_array || !LoadInteger(value, 0, &alignment) ||
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

// Reads a regular file with read(), not a mapping: a file that shrinks or
// changes meanwhile is at worst an error, never a SIGBUS.
absl::StatusOr<std::string> ReadFile(const std::string& path) {
  // O_NONBLOCK: a FIFO in the folder must not hang the caller.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return absl::ErrnoToStatus(errno, path);
  const auto close_file = absl::MakeCleanup([file] { close(file); });
  struct stat info = {};
  if (fstat(file, &info) != 0) return absl::ErrnoToStatus(errno, path);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is not a regular file"));
  }
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": has ", size, " bytes, want at most ", kMaxFileBytes));
  }
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t got = read(file, bytes.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, path);
    if (got == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": shrank from ", size, " to ", done,
                       " bytes while it was read"));
    }
    done += static_cast<size_t>(got);
  }
  return bytes;
}

}  // namespace

GgufFile::GgufFile(std::unique_ptr<const Rep> rep) : rep_(std::move(rep)) {}

GgufFile::~GgufFile() = default;

absl::StatusOr<std::shared_ptr<const GgufFile>> GgufFile::Open(
    absl::string_view path) {
  CORKSCREW_ASSIGN_OR_RETURN(std::string bytes, ReadFile(std::string(path)));
  return Parse(std::move(bytes), path);
}

absl::StatusOr<std::shared_ptr<const GgufFile>> GgufFile::Parse(
    std::string bytes, absl::string_view name) {
  auto rep = std::make_unique<Rep>();
  rep->name = std::string(name);
  rep->bytes = std::move(bytes);
  CORKSCREW_RETURN_IF_ERROR(
      Parser(rep->name, rep->bytes).Parse(&rep->values, &rep->tensors));
  return std::shared_ptr<const GgufFile>(new GgufFile(std::move(rep)));
}

const std::string& GgufFile::name() const { return rep_->name; }

absl::StatusOr<uint64_t> GgufFile::Uint(absl::string_view key) const {
  CORKSCREW_ASSIGN_OR_RETURN(
      const Value* value,
      rep_->Get(key, /*is_array=*/false, IsInteger, "an integer"));
  if (value->type == ValueType::kUint64) return Load<uint64_t>(value->bytes, 0);
  int64_t number = 0;
  LoadInteger(*value, 0, &number);
  if (number < 0) {
    return rep_->Error(
        absl::StrCat("key ", Quoted(key), " is ", number, ", want at least 0"));
  }
  return static_cast<uint64_t>(number);
}

absl::StatusOr<double> GgufFile::Float(absl::string_view key) const {
  CORKSCREW_ASSIGN_OR_RETURN(const Value* value,
                             rep_->Get(
                                 key, /*is_array=*/false,
                                 [](ValueType type) {
                                   return type == ValueType::kFloat32 ||
                                          type == ValueType::kFloat64;
                                 },
                                 "float32 or float64"));
  if (value->type == ValueType::kFloat32) return Load<float>(value->bytes, 0);
  return Load<double>(value->bytes, 0);
}

absl::StatusOr<bool> GgufFile::Bool(absl::string_view key) const {
  CORKSCREW_ASSIGN_OR_RETURN(
      const Value* value,
      rep_->Get(
          key, /*is_array=*/false,
          [](ValueType type) { return type == ValueType::kBool; }, "bool"));
  return value->bytes[0] != 0;
}

absl::StatusOr<absl::string_view> GgufFile::String(
    absl::string_view key) const {
  CORKSCREW_ASSIGN_OR_RETURN(
      const Value* value,
      rep_->Get(
          key, /*is_array=*/false,
          [](ValueType type) { return type == ValueType::kString; }, "string"));
  return value->bytes;
}

absl::StatusOr<std::vector<absl::string_view>> GgufFile::Strings(
    absl::string_view key) const {
  CORKSCREW_ASSIGN_OR_RETURN(
      const Value* value,
      rep_->Get(
          key, /*is_array=*/true,
          [](ValueType type) { return type == ValueType::kString; },
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
      const Value* value,
      rep_->Get(
          key, /*is_array=*/true,
          [](ValueType type) { return type == ValueType::kFloat32; },
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
      const Value* value,
      rep_->Get(key, /*is_array=*/true, IsInteger, "array of integers"));
  std::vector<int64_t> ints(value->count);
  for (size_t i = 0; i < ints.size(); ++i) {
    if (!LoadInteger(*value, i, &ints[i])) {
      return rep_->Error(absl::StrCat(
          "key ", Quoted(key), " holds ", Load<uint64_t>(value->bytes, i),
          ", want at most ", std::numeric_limits<int64_t>::max()));
    }
  }
  return ints;
}

bool GgufFile::Has(absl::string_view key) const {
  return rep_->FindValue(key) != nullptr;
}

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
