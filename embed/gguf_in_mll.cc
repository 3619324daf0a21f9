#include "embed/gguf_in_mll.h"

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
#include "embed/gguf_writer.h"
#include "embed/mll_contents.h"
#include "embed/mll_file.h"
#include "embed/mll_writer.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kValues = "XGGV";
constexpr absl::string_view kTypes = "XGGT";
constexpr uint32_t kMaxDims = 4;

template <typename T>
void Append(std::string* to, T value) {
  to->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Blocks, which the container does not know, are bytes to it.
MllType MllTypeOf(GgmlType type) {
  switch (type) {
    case GgmlType::kF32:
      return MllType::kF32;
    case GgmlType::kF16:
      return MllType::kF16;
    default:
      return MllType::kU8;
  }
}

// Outermost first; of bytes, the last is the bytes of a row.
std::vector<uint64_t> MllShapeOf(const GgufTensor& tensor) {
  std::vector<uint64_t> shape(tensor.shape.begin(),
                              tensor.shape.begin() + tensor.dims);
  if (MllTypeOf(tensor.type) == MllType::kU8 && !shape.empty()) {
    shape[0] = tensor.rows() == 0 ? 0 : tensor.data.size() / tensor.rows();
  }
  return {shape.rbegin(), shape.rend()};
}

}  // namespace

bool HoldsGguf(const MllFile& file) {
  return file.Find(kValues) != nullptr && file.Find(kTypes) != nullptr;
}

std::string SealGguf(const GgufFile& file) {
  GgufWriter values;
  for (const GgufValue& value : file.values()) values.Copy(value);
  MllStrings strings;
  std::vector<MllTensorPart> tensors;
  std::string types;
  Append(&types, static_cast<uint32_t>(file.tensors().size()));
  for (const GgufTensor& tensor : file.tensors()) {
    tensors.push_back({.name = strings.Add(tensor.name),
                       .type = MllTypeOf(tensor.type),
                       .shape = MllShapeOf(tensor),
                       .data = tensor.data});
    Append(&types, static_cast<uint32_t>(tensor.type));
    Append(&types, static_cast<uint32_t>(tensor.dims));
    for (int i = 0; i < tensor.dims; ++i) {
      Append(&types, tensor.shape[static_cast<size_t>(i)]);
    }
  }
  const absl::StatusOr<absl::string_view> name = file.String("general.name");
  std::vector<MllPart> parts =
      SealedParts(name.ok() ? *name : "", "embed", tensors, &strings);
  parts.push_back({"STRG", kMllRequired, 1, strings.Body()});
  parts.push_back({std::string(kValues), kMllExtension, 1, values.Write()});
  parts.push_back({std::string(kTypes), kMllExtension, 1, std::move(types)});
  return WriteMll(MllProfile::kSealed, std::move(parts));
}

absl::StatusOr<std::shared_ptr<const GgufFile>> GgufOfMll(const MllFile& file) {
  const auto error = [&](absl::string_view section, absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.name(), ": section \"", section, "\": ", what));
  };
  CORKSCREW_ASSIGN_OR_RETURN(const MllContents contents,
                             MllContents::Read(file));
  GgufWriter writer;
  {
    CORKSCREW_ASSIGN_OR_RETURN(
        const std::shared_ptr<const GgufFile> values,
        GgufFile::Parse(
            std::string(file.Find(kValues)->body),
            absl::StrCat(file.name(), ": section \"", kValues, "\"")));
    if (!values->tensors().empty()) {
      return error(kValues, "has tensors, want values only");
    }
    for (const GgufValue& value : values->values()) writer.Copy(value);
  }
  Cursor cursor(file.Find(kTypes)->body);
  uint32_t count = 0;
  if (!cursor.ReadLittle(&count) || count != contents.tensors.size()) {
    return error(
        kTypes, absl::StrCat("has ", count, " types, want ",
                             contents.tensors.size(), ", one for each tensor"));
  }
  for (const MllTensor& tensor : contents.tensors) {
    GgufTensor as;
    uint32_t type = 0;
    uint32_t dims = 0;
    bool read = cursor.ReadLittle(&type) && cursor.ReadLittle(&dims) &&
                dims <= kMaxDims;
    for (uint32_t i = 0; read && i < dims; ++i) {
      read = cursor.ReadLittle(&as.shape[i]);
    }
    if (!read) return error(kTypes, "is cut short or has too many dimensions");
    as.name = tensor.name;
    as.type = static_cast<GgmlType>(type);
    as.dims = static_cast<int>(dims);
    as.data = tensor.data;
    // The reader of the file below checks the number of bytes, which must not
    // be another tensor's.
    const GgmlBlock block = BlockOf(as.type);
    uint64_t bytes = 0;
    bool fits = block.values != 0 && as.shape[0] % block.values == 0 &&
                !__builtin_mul_overflow(uint64_t{block.bytes},
                                        as.shape[0] / block.values, &bytes);
    for (size_t i = 1; fits && i < as.shape.size(); ++i) {
      fits = !__builtin_mul_overflow(bytes, as.shape[i], &bytes);
    }
    if (!fits || bytes != tensor.data.size() ||
        MllTypeOf(as.type) != tensor.type) {
      return error(kTypes, absl::StrCat("tensor \"", tensor.name, "\" of ",
                                        tensor.data.size(), " bytes can not ",
                                        "be of type ", NameOf(as.type)));
    }
    writer.TensorView(as);
  }
  if (!cursor.done()) return error(kTypes, "has bytes too many");
  return GgufFile::Parse(writer.Write(), file.name());
}

}  // namespace corkscrew
