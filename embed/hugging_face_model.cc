#include "embed/hugging_face_model.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "embed/gguf.h"
#include "embed/gguf_value.h"
#include "embed/gguf_writer.h"
#include "embed/hugging_face_families.h"
#include "embed/hugging_face_tokenizer.h"
#include "embed/json_text.h"
#include "embed/quantize_row.h"
#include "embed/safetensors.h"
#include "nlohmann/json.hpp"

namespace corkscrew {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxConfigBytes = size_t{1} << 20;
constexpr size_t kMaxIndexBytes = size_t{16} << 20;
constexpr size_t kMaxTokenizerBytes = size_t{128} << 20;
constexpr size_t kMaxTensorBytes = size_t{32} << 30;

constexpr absl::string_view kIndexName = "model.safetensors.index.json";

// Of the models behind these, what is in front of the names.
constexpr absl::string_view kPrefixes[] = {"bert.", "roberta.", "model.", ""};

// Of heads that embeddings do not need.
constexpr absl::string_view kUnused[] = {"pooler.",
                                         "cls.",
                                         "lm_head.",
                                         "classifier.",
                                         "head.",
                                         "decoder.",
                                         "embeddings.position_ids"};

const Json& Child(const Json& object, const char* key) {
  static const Json* const kNull = new Json();
  if (!object.is_object()) return *kNull;
  const auto found = object.find(key);
  return found == object.end() ? *kNull : *found;
}

// The layer of `theirs` if it is a name of `row`, -1 if there is no layer in
// it. False if it is another.
bool Matches(absl::string_view theirs, const HuggingFaceName& row, int* layer) {
  const size_t at = row.theirs.find(".N.");
  *layer = -1;
  if (at == absl::string_view::npos) return theirs == row.theirs;
  if (!absl::ConsumePrefix(&theirs, row.theirs.substr(0, at + 1)) ||
      !absl::ConsumeSuffix(&theirs, row.theirs.substr(at + 2)) ||
      theirs.empty() ||
      !absl::ascii_isdigit(static_cast<unsigned char>(theirs[0]))) {
    return false;
  }
  return absl::SimpleAtoi(theirs, layer) && *layer >= 0;
}

std::string OurName(absl::string_view ours, int layer) {
  if (layer < 0) return std::string(ours);
  return absl::StrCat("blk.", layer, ours.substr(5));
}

class ModelConverter {
 public:
  ModelConverter(const FolderReader& read, absl::string_view name)
      : read_(read), name_(name) {}

  absl::StatusOr<std::string> Convert() {
    CORKSCREW_ASSIGN_OR_RETURN(config_, ReadJson("config.json"));
    CORKSCREW_RETURN_IF_ERROR(FindFamily());
    CORKSCREW_RETURN_IF_ERROR(PutKeys());
    CORKSCREW_RETURN_IF_ERROR(PutPooling());
    CORKSCREW_ASSIGN_OR_RETURN(const std::string tokenizer,
                               read_("tokenizer.json", kMaxTokenizerBytes));
    CORKSCREW_RETURN_IF_ERROR(
        ConvertTokenizer(tokenizer, "tokenizer.json", family_->pre, &writer_));
    CORKSCREW_RETURN_IF_ERROR(PutTensors());
    return writer_.Write();
  }

 private:
  absl::StatusOr<Json> ReadJson(absl::string_view file) const {
    CORKSCREW_ASSIGN_OR_RETURN(const std::string text,
                               read_(file, kMaxConfigBytes));
    Json json = ParseJson(text);
    if (!json.is_object() && !json.is_array()) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ": is no JSON object"));
    }
    return json;
  }

  absl::Status FindFamily() {
    const Json& type = Child(config_, "model_type");
    const std::string name =
        type.is_string() ? type.get<std::string>() : std::string();
    std::string known;
    for (const HuggingFaceFamily& family : HuggingFaceFamilies()) {
      if (family.model_type == name) family_ = &family;
      absl::StrAppend(&known, known.empty() ? "" : ", ", family.model_type);
    }
    if (family_ == nullptr) {
      return absl::UnimplementedError(
          absl::StrCat("config.json: key \"model_type\" is ", Quoted(name),
                       ", supported are ", known));
    }
    const Json& positions = Child(config_, "position_embedding_type");
    const Json& experts = Child(config_, "num_experts");
    if (name == "bert" && positions == "alibi") {
      family_ = &JinaFamily();
      CORKSCREW_RETURN_IF_ERROR(CheckOnly("feed_forward_type", "geglu"));
    } else if (positions.is_string()) {
      CORKSCREW_RETURN_IF_ERROR(
          CheckOnly("position_embedding_type", "absolute"));
    }
    if (name == "nomic_bert" && experts.is_number() && experts != 0) {
      family_ = &NomicMoeFamily();
      CORKSCREW_RETURN_IF_ERROR(CheckOnly("activation_function", "gelu"));
    }
    if (name == "gemma3_text") {
      // Which layers see all: the sixth of six.
      CORKSCREW_RETURN_IF_ERROR(CheckOnly("_sliding_window_pattern", 6));
      CORKSCREW_RETURN_IF_ERROR(CheckOnly("sliding_window_pattern", 6));
      CORKSCREW_RETURN_IF_ERROR(
          CheckOnly("hidden_activation", "gelu_pytorch_tanh"));
      // The causal ones embed nothing.
      CORKSCREW_RETURN_IF_ERROR(CheckOnly("use_bidirectional_attention", true));
    }
    // What would make another model of it.
    if (const Json& scaling = Child(config_, "rope_scaling");
        !scaling.is_null()) {
      return absl::UnimplementedError(
          "config.json: key \"rope_scaling\": supported are rotary positions "
          "without scaling");
    }
    return absl::OkStatus();
  }

  // A key of config.json that has no other value than `only`, or is not there.
  absl::Status CheckOnly(const char* key, const Json& only) const {
    const Json& value = Child(config_, key);
    if (value.is_null() || value == only) return absl::OkStatus();
    return absl::UnimplementedError(
        absl::StrCat("config.json: key \"", key, "\" is ", Quoted(Dump(value)),
                     ", supported is ", Dump(only)));
  }

  static std::string Dump(const Json& value) {
    return value.dump(-1, ' ', /*ensure_ascii=*/false,
                      Json::error_handler_t::replace);
  }

  // A count of config.json, or 0.
  uint64_t Count(const char* key) const {
    const Json& value = Child(config_, key);
    return value.is_number_unsigned() ? value.get<uint64_t>() : 0;
  }

  std::string Key(absl::string_view key) const {
    return absl::StrCat(family_->architecture, ".", key);
  }

  absl::Status PutKeys() {
    writer_.String("general.architecture", family_->architecture);
    writer_.String("general.type", "model");
    writer_.String("general.name", name_);
    for (const HuggingFaceKey& row : family_->keys) {
      const Json& value = Child(config_, std::string(row.theirs).c_str());
      if (value.is_null() && !row.required) continue;
      const bool count =
          row.kind == HuggingFaceKey::Kind::kCount &&
          value.is_number_unsigned() &&
          value.get<uint64_t>() <= std::numeric_limits<uint32_t>::max();
      const bool number =
          row.kind == HuggingFaceKey::Kind::kNumber && value.is_number();
      if (!count && !number) {
        return absl::InvalidArgumentError(absl::StrCat(
            "config.json: key \"", row.theirs, "\": want a ",
            row.kind == HuggingFaceKey::Kind::kCount ? "count" : "number"));
      }
      if (number) {
        writer_.Float(Key(row.ours), value.get<float>());
        continue;
      }
      auto uint = value.get<uint32_t>();
      if (row.ours == "context_length" && family_->offset_positions) {
        if (uint <= 2) {
          return absl::InvalidArgumentError(
              absl::StrCat("config.json: key \"", row.theirs, "\" is ", uint,
                           ", want more than the 2 that are never used"));
        }
        uint -= 2;
      }
      writer_.Uint(Key(row.ours), uint);
    }
    return absl::OkStatus();
  }

  absl::Status PutPooling();
  absl::StatusOr<Json> ReadPoolingModule();
  // A Dense module in the folder `path`, the `index`-th.
  absl::Status PutDense(const std::string& path, size_t index);
  absl::Status PutTensors();
  // The files of a model in several, by the name of the tensor.
  absl::StatusOr<std::map<std::string, std::string>> ReadIndex() const;
  absl::Status PutFile(const std::string& name,
                       const std::map<std::string, std::string>* index);
  absl::Status PutNamed(const SafeTensor& tensor);
  absl::Status PutTensor(const SafeTensor& tensor, const std::string& name);
  absl::Status PutHalves(const SafeTensor& tensor, const std::string& first,
                         const std::string& second);
  absl::Status PutExperts(const SafeTensor& tensor, const std::string& name,
                          bool transposed);
  absl::Status Error(const SafeTensor& tensor, absl::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat(file_, ": tensor ", Quoted(tensor.name), ": ", what));
  }
  // Whether the name says what embeddings do not need.
  static bool IsUnused(absl::string_view name);

  const FolderReader& read_;
  const absl::string_view name_;
  Json config_;
  const HuggingFaceFamily* family_ = nullptr;
  std::string file_;             // Of the tensors that are being read.
  std::set<std::string> names_;  // Of all tensors written.
  GgufWriter writer_;
};

// Whether `path` of a module stays in the folder.
bool StaysInside(absl::string_view path) {
  return !absl::StrContains(path, "..") && !absl::StartsWith(path, "/") &&
         !absl::StrContains(path, '\0');
}

// What sentence-transformers runs behind the model; writes its Dense modules.
// Null: it does not say.
absl::StatusOr<Json> ModelConverter::ReadPoolingModule() {
  absl::StatusOr<Json> modules = ReadJson("modules.json");
  if (absl::IsNotFound(modules.status())) return Json();
  CORKSCREW_RETURN_IF_ERROR(modules.status());
  std::string pooling;
  size_t dense = 0;
  for (const Json& module : *modules) {
    const Json& type = Child(module, "type");
    const Json& path = Child(module, "path");
    const std::string name =
        type.is_string() ? type.get<std::string>() : std::string();
    const std::string folder =
        path.is_string() ? path.get<std::string>() : std::string();
    if (!StaysInside(folder)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "modules.json: path ", Quoted(folder), " leads out of the folder"));
    }
    if (absl::EndsWith(name, ".Pooling") && !folder.empty()) {
      pooling = folder;
    } else if (absl::EndsWith(name, ".Dense") && family_->dense &&
               !folder.empty()) {
      CORKSCREW_RETURN_IF_ERROR(PutDense(folder, dense++));
    } else if (!absl::EndsWith(name, ".Transformer") &&
               !absl::EndsWith(name, ".Normalize")) {
      return absl::UnimplementedError(
          absl::StrCat("modules.json: module ", Quoted(name),
                       ", supported are Transformer, Pooling and Normalize, "
                       "and Dense behind "
                       "a model of type \"gemma3_text\""));
    }
  }
  if (pooling.empty()) return Json();
  return ReadJson(absl::StrCat(pooling, "/config.json"));
}

absl::Status ModelConverter::PutDense(const std::string& path, size_t index) {
  constexpr absl::string_view kNames[] = {"dense_2", "dense_3"};
  if (index >= std::size(kNames)) {
    return absl::UnimplementedError(
        "modules.json: has more than two Dense modules");
  }
  const std::string config_name = absl::StrCat(path, "/config.json");
  CORKSCREW_ASSIGN_OR_RETURN(const Json config, ReadJson(config_name));
  const Json& activation = Child(config, "activation_function");
  const Json& bias = Child(config, "bias");
  if ((!activation.is_null() &&
       activation != "torch.nn.modules.linear.Identity") ||
      (bias.is_boolean() && bias.get<bool>())) {
    return absl::UnimplementedError(absl::StrCat(
        config_name,
        ": supported is a Dense module without activation and bias"));
  }
  file_ = absl::StrCat(path, "/model.safetensors");
  CORKSCREW_ASSIGN_OR_RETURN(std::string bytes, read_(file_, kMaxTensorBytes));
  CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<const SafetensorsFile> file,
                             SafetensorsFile::Parse(std::move(bytes), file_));
  const SafeTensor* weight = file->Find("linear.weight");
  if (weight == nullptr || file->tensors().size() != 1 ||
      weight->shape.size() != 2 ||
      weight->shape[0] > std::numeric_limits<uint32_t>::max() ||
      weight->shape[1] > std::numeric_limits<uint32_t>::max()) {
    return absl::InvalidArgumentError(absl::StrCat(
        file_, ": want the matrix \"linear.weight\" and nothing else"));
  }
  writer_.Uint(Key(absl::StrCat(kNames[index], "_feat_in")),
               static_cast<uint32_t>(weight->shape[1]));
  writer_.Uint(Key(absl::StrCat(kNames[index], "_feat_out")),
               static_cast<uint32_t>(weight->shape[0]));
  return PutTensor(*weight, absl::StrCat(kNames[index], ".weight"));
}

absl::Status ModelConverter::PutPooling() {
  CORKSCREW_ASSIGN_OR_RETURN(const Json pooling, ReadPoolingModule());
  if (!pooling.is_object()) return absl::OkStatus();  // The family's.
  constexpr std::pair<const char*, uint32_t> kModes[] = {
      {"pooling_mode_mean_tokens", 1},
      {"pooling_mode_cls_token", 2},
      {"pooling_mode_lasttoken", 3}};
  uint32_t mode = 0;
  for (const auto& [key, value] : pooling.items()) {
    if (!absl::StartsWith(key, "pooling_mode_") || value != true) continue;
    bool known = false;
    for (const auto& [name, number] : kModes) {
      if (key != name) continue;
      known = mode == 0;
      mode = number;
    }
    if (!known) {
      return absl::UnimplementedError(
          absl::StrCat("pooling module: ", Quoted(key),
                       ", supported is one of mean, cls and last token"));
    }
  }
  if (mode == 0) {
    return absl::InvalidArgumentError("pooling module: no pooling mode is set");
  }
  writer_.Uint(Key("pooling_type"), mode);
  return absl::OkStatus();
}

bool ModelConverter::IsUnused(absl::string_view name) {
  for (const absl::string_view unused : kUnused) {
    if (absl::StartsWith(name, unused)) return true;
  }
  return absl::EndsWith(name, ".inv_freq");
}

absl::Status ModelConverter::PutTensor(const SafeTensor& tensor,
                                       const std::string& name) {
  if (!names_.insert(name).second) {
    return Error(tensor, absl::StrCat("is there twice, as \"", name, "\""));
  }
  std::vector<uint64_t> shape(tensor.shape.rbegin(), tensor.shape.rend());
  if (shape.empty() || shape.size() > 2 || tensor.elements == 0) {
    return Error(tensor, "want a vector or a matrix");
  }
  SafeTensor used = tensor;
  if (name == "position_embd.weight" && family_->offset_positions) {
    if (shape.size() != 2 || shape[1] <= 2) {
      return Error(tensor, "want more than two rows");
    }
    used.data.remove_prefix(2 * (tensor.data.size() / shape[1]));
    used.elements -= 2 * shape[0];
    shape[1] -= 2;
  }
  // Positions and types are sums with the tokens: kept exact.
  const bool matrix = shape.size() == 2 && name != "position_embd.weight" &&
                      name != "token_types.weight";
  if (matrix && (used.type == "F16" || used.type == "BF16")) {
    writer_.Tensor(name, used.type == "F16" ? GgmlType::kF16 : GgmlType::kBF16,
                   shape, std::string(used.data));
    return absl::OkStatus();
  }
  std::vector<float> values;
  const absl::Status read = AppendFloats(used, &values);
  if (!read.ok()) {
    return absl::Status(read.code(), absl::StrCat(file_, ": ", read.message()));
  }
  if (family_->norms_from_one && absl::EndsWith(name, "norm.weight")) {
    for (float& value : values) value += 1;
  }
  std::string bytes;
  QuantizeRow(GgmlType::kF32, values.data(), values.size(), &bytes);
  writer_.Tensor(name, GgmlType::kF32, shape, std::move(bytes));
  return absl::OkStatus();
}

absl::Status ModelConverter::PutHalves(const SafeTensor& tensor,
                                       const std::string& first,
                                       const std::string& second) {
  if (tensor.shape.size() != 2 || tensor.shape[0] % 2 != 0) {
    return Error(tensor, "want a matrix with an even number of rows");
  }
  SafeTensor half = tensor;
  half.shape[0] /= 2;
  half.elements /= 2;
  const size_t bytes = tensor.data.size() / 2;
  half.data = tensor.data.substr(0, bytes);
  CORKSCREW_RETURN_IF_ERROR(PutTensor(half, first));
  half.data = tensor.data.substr(bytes);
  return PutTensor(half, second);
}

// The matrices of all experts below each other, [experts * inner, width];
// `transposed`: those of GGUF are [width, inner].
absl::Status ModelConverter::PutExperts(const SafeTensor& tensor,
                                        const std::string& name,
                                        bool transposed) {
  const uint64_t experts = Count("num_experts");
  const uint64_t inner = Count("n_inner");
  const uint64_t width = Count("n_embd");
  // Counts have 32 bits, so that the first product fits.
  if (tensor.shape.size() != 2 || tensor.elements == 0 ||
      tensor.shape[0] != experts * inner || tensor.shape[1] != width) {
    return Error(tensor, absl::StrCat("want a matrix of ", experts, " x ",
                                      inner, " rows of ", width));
  }
  GgmlType type;
  size_t size = 2;
  if (tensor.type == "F16") {
    type = GgmlType::kF16;
  } else if (tensor.type == "BF16") {
    type = GgmlType::kBF16;
  } else if (tensor.type == "F32") {
    type = GgmlType::kF32;
    size = 4;
  } else {
    return Error(tensor, absl::StrCat("has type ", Quoted(tensor.type),
                                      ", want F32, F16 or BF16"));
  }
  if (!names_.insert(name).second) {
    return Error(tensor, absl::StrCat("is there twice, as \"", name, "\""));
  }
  if (!transposed) {
    writer_.Tensor(name, type, {width, inner, experts},
                   std::string(tensor.data));
    return absl::OkStatus();
  }
  std::string bytes(tensor.data.size(), '\0');
  char* to = bytes.data();
  for (uint64_t expert = 0; expert < experts; ++expert) {
    for (uint64_t row = 0; row < width; ++row) {
      for (uint64_t column = 0; column < inner; ++column) {
        const uint64_t from = (expert * inner + column) * width + row;
        std::memcpy(to, tensor.data.data() + from * size, size);
        to += size;
      }
    }
  }
  writer_.Tensor(name, type, {inner, width, experts}, std::move(bytes));
  return absl::OkStatus();
}

absl::Status ModelConverter::PutNamed(const SafeTensor& tensor) {
  absl::string_view name = tensor.name;
  for (const absl::string_view prefix : kPrefixes) {
    if (absl::ConsumePrefix(&name, prefix)) break;
  }
  if (IsUnused(name)) return absl::OkStatus();
  if (family_ == &NomicMoeFamily() &&
      absl::EndsWith(name, ".mlp.experts.bias")) {
    std::vector<float> values;
    CORKSCREW_RETURN_IF_ERROR(AppendFloats(tensor, &values));
    for (const float value : values) {
      if (value == 0) continue;
      return absl::UnimplementedError(
          absl::StrCat(file_, ": tensor ", Quoted(tensor.name),
                       ": supported are experts without a bias"));
    }
    return absl::OkStatus();
  }
  std::string suffix = ".weight";
  if (!absl::ConsumeSuffix(&name, suffix) &&
      !absl::StrContains(name, ".experts.mlp.w")) {
    suffix = ".bias";
    // Older files.
    if (absl::ConsumeSuffix(&name, ".gamma")) {
      suffix = ".weight";
    } else if (!absl::ConsumeSuffix(&name, ".beta")) {
      absl::ConsumeSuffix(&name, ".bias");
    }
  }
  for (const HuggingFaceName& row : family_->names) {
    int layer = -1;
    if (!Matches(name, row, &layer)) continue;
    const std::string ours = OurName(row.ours, layer) + suffix;
    if (!row.second.empty()) {
      return PutHalves(tensor, ours, OurName(row.second, layer) + suffix);
    }
    if (absl::EndsWith(row.ours, "_exps")) {
      return PutExperts(tensor, ours, absl::EndsWith(row.ours, "down_exps"));
    }
    return PutTensor(tensor, ours);
  }
  return absl::UnimplementedError(absl::StrCat(
      file_, ": tensor ", Quoted(tensor.name), " is none of a model of type \"",
      family_->model_type, "\""));
}

absl::Status ModelConverter::PutFile(
    const std::string& name, const std::map<std::string, std::string>* index) {
  file_ = name;
  CORKSCREW_ASSIGN_OR_RETURN(std::string bytes, read_(name, kMaxTensorBytes));
  CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<const SafetensorsFile> file,
                             SafetensorsFile::Parse(std::move(bytes), name));
  if (index != nullptr) {
    size_t want = 0;
    for (const auto& [tensor, where] : *index) {
      if (where != name) continue;
      ++want;
      if (file->Find(tensor) == nullptr) {
        return absl::InvalidArgumentError(
            absl::StrCat(kIndexName, ": tensor ", Quoted(tensor),
                         " is not in the file \"", name, "\""));
      }
    }
    if (file->tensors().size() != want) {
      return absl::InvalidArgumentError(
          absl::StrCat(kIndexName, ": the file \"", name, "\" has ",
                       file->tensors().size(), " tensors, want ", want));
    }
  }
  for (const SafeTensor& tensor : file->tensors()) {
    CORKSCREW_RETURN_IF_ERROR(PutNamed(tensor));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, std::string>> ModelConverter::ReadIndex()
    const {
  CORKSCREW_ASSIGN_OR_RETURN(const std::string text,
                             read_(kIndexName, kMaxIndexBytes));
  const Json json = ParseJson(text);
  const Json& map = Child(json, "weight_map");
  if (!map.is_object() || map.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        kIndexName, ": key \"weight_map\": want an object of tensors"));
  }
  std::map<std::string, std::string> index;
  for (const auto& [tensor, where] : map.items()) {
    const std::string file =
        where.is_string() ? where.get<std::string>() : std::string();
    // A file of this folder and nothing else.
    bool plain = absl::EndsWith(file, ".safetensors") && file[0] != '.';
    for (const char c : file) {
      plain = plain && (absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                        c == '.' || c == '-' || c == '_');
    }
    if (!plain) {
      return absl::InvalidArgumentError(absl::StrCat(
          kIndexName, ": tensor ", Quoted(tensor), " is in ", Quoted(file),
          ", want a file of the folder that ends in .safetensors"));
    }
    index[tensor] = file;
  }
  return index;
}

absl::Status ModelConverter::PutTensors() {
  absl::Status whole = PutFile("model.safetensors", nullptr);
  if (!absl::IsNotFound(whole)) return whole;
  const auto index = ReadIndex();
  if (absl::IsNotFound(index.status())) {
    return absl::NotFoundError(
        absl::StrCat(whole.message(), " and no ", kIndexName,
                     "; pytorch_model.bin is not supported"));
  }
  CORKSCREW_RETURN_IF_ERROR(index.status());
  std::set<std::string> files;
  for (const auto& [tensor, file] : *index) files.insert(file);
  for (const std::string& file : files) {
    CORKSCREW_RETURN_IF_ERROR(PutFile(file, &*index));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ConvertHuggingFace(const FolderReader& read,
                                               absl::string_view name) {
  return ModelConverter(read, name).Convert();
}

}  // namespace corkscrew
