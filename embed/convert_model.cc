#include "embed/convert_model.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/status_macros.h"
#include "embed/ggml_types.h"
#include "embed/gguf.h"
#include "embed/gguf_in_mll.h"
#include "embed/gguf_value.h"
#include "embed/gguf_writer.h"
#include "embed/hugging_face_model.h"
#include "embed/mll_file.h"
#include "embed/mll_package.h"
#include "embed/model_tensors.h"
#include "embed/quantize_row.h"

namespace corkscrew {
namespace {

// What a type does for the size, and a name of its own in general.file_type.
constexpr uint32_t FileType(GgmlType type) {
  switch (type) {
    case GgmlType::kF16:
      return 1;
    case GgmlType::kQ4_0:
      return 2;
    case GgmlType::kQ4_1:
      return 3;
    case GgmlType::kQ8_0:
      return 7;
    case GgmlType::kQ5_0:
      return 8;
    case GgmlType::kQ5_1:
      return 9;
    case GgmlType::kBF16:
      return 32;
    default:
      return 0;  // F32.
  }
}

// The type that `tensor` gets.
GgmlType TypeFor(const GgufTensor& tensor, GgmlType wanted) {
  if (tensor.dims < 2 || tensor.name == "position_embd.weight" ||
      tensor.name == "token_types.weight") {
    return GgmlType::kF32;
  }
  return tensor.row_values() % BlockOf(wanted).values == 0 ? wanted
                                                           : GgmlType::kF16;
}

absl::Status CopyTensor(const GgufFile& file, const GgufTensor& tensor,
                        GgmlType type, GgufWriter* writer) {
  if (type == tensor.type) {
    writer->TensorView(tensor);
    return absl::OkStatus();
  }
  const std::string what =
      absl::StrCat(file.name(), ": tensor ", Quoted(tensor.name));
  if (!CanDequantize(tensor.type)) {
    return absl::UnimplementedError(absl::StrCat(
        what, " has type ", NameOf(tensor.type), ", which can not be read"));
  }
  if (!AllFinite(tensor)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " has values that are NaN or infinite"));
  }
  std::string bytes;
  std::vector<float> row(tensor.row_values());
  for (uint64_t i = 0; i < tensor.rows(); ++i) {
    ReadRow(tensor, i, row.data());
    QuantizeRow(type, row.data(), row.size(), &bytes);
  }
  const std::vector<uint64_t> shape(tensor.shape.begin(),
                                    tensor.shape.begin() + tensor.dims);
  writer->Tensor(tensor.name, type, shape, std::move(bytes));
  return absl::OkStatus();
}

absl::StatusOr<std::string> ConvertFolder(const std::string& folder,
                                          const ConvertOptions& options) {
  const auto read = [&](absl::string_view name, size_t most) {
    return FileSystem::Real().Read(absl::StrCat(folder, "/", name), most);
  };
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path full = fs::canonical(folder, error);
  const absl::StatusOr<std::string> bytes =
      ConvertHuggingFace(read, full.filename().string());
  if (!bytes.ok()) {
    const absl::string_view message = bytes.status().message();
    return absl::Status(bytes.status().code(),
                        absl::StrContains(message, folder)
                            ? std::string(message)
                            : absl::StrCat(folder, "/", message));
  }
  CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<const GgufFile> file,
                             GgufFile::Parse(*bytes, folder));
  return ConvertGguf(*file, options);
}

}  // namespace

absl::StatusOr<std::string> ConvertGguf(const GgufFile& file,
                                        const ConvertOptions& options) {
  GgufWriter writer;
  for (const GgufValue& value : file.values()) writer.Copy(value);
  for (const GgufTensor& tensor : file.tensors()) {
    const GgmlType type =
        options.type ? TypeFor(tensor, *options.type) : tensor.type;
    CORKSCREW_RETURN_IF_ERROR(CopyTensor(file, tensor, type, &writer));
  }
  if (options.type) {
    writer.Uint("general.file_type", FileType(*options.type));
    writer.Uint("general.quantization_version", 2);
  }
  std::string bytes = writer.Write();
  if (options.container == ModelContainer::kGguf) return bytes;
  CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<const GgufFile> written,
                             GgufFile::Parse(std::move(bytes), file.name()));
  return SealGguf(*written);
}

absl::StatusOr<std::string> ConvertModel(absl::string_view path,
                                         const ConvertOptions& options) {
  std::error_code error;
  if (std::filesystem::is_directory(std::string(path), error)) {
    return ConvertFolder(std::string(path), options);
  }
  absl::StatusOr<std::string> bytes = ReadModelOrPackage(path);
  if (!bytes.ok()) return bytes;
  if (!absl::StartsWith(*bytes, absl::string_view("MLL\0", 4))) {
    CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<const GgufFile> file,
                               GgufFile::Parse(*std::move(bytes), path));
    return ConvertGguf(*file, options);
  }
  CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<const MllFile> file,
                             MllFile::Parse(*bytes, path));
  if (HoldsGguf(*file)) {
    CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<const GgufFile> gguf,
                               GgufOfMll(*file));
    return ConvertGguf(*gguf, options);
  }
  if (options.container != ModelContainer::kMll || options.type) {
    return absl::UnimplementedError(
        absl::StrCat(path, ": is a model of architecture \"manta\", which is ",
                     "kept in .mll files and with its weights as they are"));
  }
  return bytes;
}

}  // namespace corkscrew
