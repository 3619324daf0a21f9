#include "embed/hugging_face_model.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
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
#include "embed/hugging_face_tokenizer.h"
#include "embed/quantize_row.h"
#include "embed/safetensors.h"
#include "nlohmann/json.hpp"

namespace corkscrew {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxConfigBytes = size_t{1} << 20;
constexpr size_t kMaxTokenizerBytes = size_t{128} << 20;
constexpr size_t kMaxTensorBytes = size_t{32} << 30;

// A tensor by its name there and here; "N" is the number of the layer.
struct NameRow {
  absl::string_view theirs;
  absl::string_view ours;
};

// A key of config.json and of GGUF, without the architecture.
struct KeyRow {
  enum class Kind { kCount, kNumber };
  absl::string_view theirs;
  absl::string_view ours;
  Kind kind = Kind::kCount;
  bool required = true;
};
constexpr auto kCount = KeyRow::Kind::kCount;
constexpr auto kNumber = KeyRow::Kind::kNumber;

// One family of models.
struct Family {
  absl::string_view model_type;    // Of config.json.
  absl::string_view architecture;  // Of GGUF.
  absl::string_view pre;           // Rules of byte-level BPE.
  bool offset_positions = false;   // Two rows of positions are never used.
  absl::Span<const NameRow> names;
  absl::Span<const KeyRow> keys;
};

constexpr NameRow kBertNames[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.position_embeddings", "position_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"encoder.layer.N.attention.self.query", "blk.N.attn_q"},
    {"encoder.layer.N.attention.self.key", "blk.N.attn_k"},
    {"encoder.layer.N.attention.self.value", "blk.N.attn_v"},
    {"encoder.layer.N.attention.output.dense", "blk.N.attn_output"},
    {"encoder.layer.N.attention.output.LayerNorm", "blk.N.attn_output_norm"},
    {"encoder.layer.N.intermediate.dense", "blk.N.ffn_up"},
    {"encoder.layer.N.output.dense", "blk.N.ffn_down"},
    {"encoder.layer.N.output.LayerNorm", "blk.N.layer_output_norm"},
};
constexpr KeyRow kBertKeys[] = {
    {"num_hidden_layers", "block_count"},
    {"hidden_size", "embedding_length"},
    {"intermediate_size", "feed_forward_length"},
    {"num_attention_heads", "attention.head_count"},
    {"max_position_embeddings", "context_length"},
    {"layer_norm_eps", "attention.layer_norm_epsilon", kNumber},
};

constexpr NameRow kNomicNames[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"emb_ln", "token_embd_norm"},
    {"encoder.layers.N.attn.Wqkv", "blk.N.attn_qkv"},
    {"encoder.layers.N.attn.out_proj", "blk.N.attn_output"},
    {"encoder.layers.N.norm1", "blk.N.attn_output_norm"},
    {"encoder.layers.N.mlp.fc11", "blk.N.ffn_up"},
    {"encoder.layers.N.mlp.fc12", "blk.N.ffn_gate"},
    {"encoder.layers.N.mlp.fc2", "blk.N.ffn_down"},
    {"encoder.layers.N.norm2", "blk.N.layer_output_norm"},
};
constexpr KeyRow kNomicKeys[] = {
    {"n_layer", "block_count"},
    {"n_embd", "embedding_length"},
    {"n_inner", "feed_forward_length"},
    {"n_head", "attention.head_count"},
    {"n_positions", "context_length"},
    {"layer_norm_epsilon", "attention.layer_norm_epsilon", kNumber},
    {"rotary_emb_base", "rope.freq_base", kNumber},
};

constexpr NameRow kModernNames[] = {
    {"embeddings.tok_embeddings", "token_embd"},
    {"embeddings.norm", "token_embd_norm"},
    {"layers.N.attn_norm", "blk.N.attn_norm"},
    {"layers.N.attn.Wqkv", "blk.N.attn_qkv"},
    {"layers.N.attn.Wo", "blk.N.attn_output"},
    {"layers.N.mlp_norm", "blk.N.ffn_norm"},
    {"layers.N.mlp.Wi", "blk.N.ffn_up"},
    {"layers.N.mlp.Wo", "blk.N.ffn_down"},
    {"final_norm", "output_norm"},
};
constexpr KeyRow kModernKeys[] = {
    {"num_hidden_layers", "block_count"},
    {"hidden_size", "embedding_length"},
    {"intermediate_size", "feed_forward_length"},
    {"num_attention_heads", "attention.head_count"},
    {"max_position_embeddings", "context_length"},
    {"norm_eps", "attention.layer_norm_epsilon", kNumber},
    {"local_attention", "attention.sliding_window"},
    {"global_rope_theta", "rope.freq_base", kNumber},
    {"local_rope_theta", "rope.freq_base_swa", kNumber},
};

constexpr NameRow kQwenNames[] = {
    {"embed_tokens", "token_embd"},
    {"layers.N.input_layernorm", "blk.N.attn_norm"},
    {"layers.N.self_attn.q_proj", "blk.N.attn_q"},
    {"layers.N.self_attn.k_proj", "blk.N.attn_k"},
    {"layers.N.self_attn.v_proj", "blk.N.attn_v"},
    {"layers.N.self_attn.q_norm", "blk.N.attn_q_norm"},
    {"layers.N.self_attn.k_norm", "blk.N.attn_k_norm"},
    {"layers.N.self_attn.o_proj", "blk.N.attn_output"},
    {"layers.N.post_attention_layernorm", "blk.N.ffn_norm"},
    {"layers.N.mlp.gate_proj", "blk.N.ffn_gate"},
    {"layers.N.mlp.up_proj", "blk.N.ffn_up"},
    {"layers.N.mlp.down_proj", "blk.N.ffn_down"},
    {"norm", "output_norm"},
};
constexpr KeyRow kQwenKeys[] = {
    {"num_hidden_layers", "block_count"},
    {"hidden_size", "embedding_length"},
    {"intermediate_size", "feed_forward_length"},
    {"num_attention_heads", "attention.head_count"},
    {"num_key_value_heads", "attention.head_count_kv"},
    {"head_dim", "attention.key_length", kCount, /*required=*/false},
    {"max_position_embeddings", "context_length"},
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", kNumber},
    {"rope_theta", "rope.freq_base", kNumber},
};

constexpr Family kFamilies[] = {
    {"bert", "bert", "", false, kBertNames, kBertKeys},
    {"xlm-roberta", "bert", "", true, kBertNames, kBertKeys},
    {"roberta", "bert", "roberta-bpe", true, kBertNames, kBertKeys},
    {"nomic_bert", "nomic-bert", "", false, kNomicNames, kNomicKeys},
    {"modernbert", "modern-bert", "modern-bert", false, kModernNames,
     kModernKeys},
    {"qwen3", "qwen3", "qwen2", false, kQwenNames, kQwenKeys},
};

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
bool Matches(absl::string_view theirs, const NameRow& row, int* layer) {
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

std::string OurName(const NameRow& row, int layer) {
  if (layer < 0) return std::string(row.ours);
  return absl::StrCat("blk.", layer, row.ours.substr(5));
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
    Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
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
    for (const Family& family : kFamilies) {
      if (family.model_type == name) family_ = &family;
      absl::StrAppend(&known, known.empty() ? "" : ", ", family.model_type);
    }
    if (family_ == nullptr) {
      return absl::UnimplementedError(
          absl::StrCat("config.json: key \"model_type\" is ", Quoted(name),
                       ", supported are ", known));
    }
    // What would make another model of it.
    const Json& positions = Child(config_, "position_embedding_type");
    if (positions.is_string() && positions != "absolute") {
      return absl::UnimplementedError(
          "config.json: key \"position_embedding_type\": supported is "
          "\"absolute\"");
    }
    if (const Json& scaling = Child(config_, "rope_scaling");
        !scaling.is_null()) {
      return absl::UnimplementedError(
          "config.json: key \"rope_scaling\": supported are rotary positions "
          "without scaling");
    }
    return absl::OkStatus();
  }

  std::string Key(absl::string_view key) const {
    return absl::StrCat(family_->architecture, ".", key);
  }

  absl::Status PutKeys() {
    writer_.String("general.architecture", family_->architecture);
    writer_.String("general.type", "model");
    writer_.String("general.name", name_);
    for (const KeyRow& row : family_->keys) {
      const Json& value = Child(config_, std::string(row.theirs).c_str());
      if (value.is_null() && !row.required) continue;
      const bool count =
          row.kind == kCount && value.is_number_unsigned() &&
          value.get<uint64_t>() <= std::numeric_limits<uint32_t>::max();
      const bool number = row.kind == kNumber && value.is_number();
      if (!count && !number) {
        return absl::InvalidArgumentError(
            absl::StrCat("config.json: key \"", row.theirs, "\": want a ",
                         row.kind == kCount ? "count" : "number"));
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
  absl::StatusOr<Json> ReadPoolingModule() const;
  absl::Status PutTensors();
  absl::Status PutTensor(const SafeTensor& tensor, const std::string& name);
  // Whether the name says what embeddings do not need.
  static bool IsUnused(absl::string_view name);

  const FolderReader& read_;
  const absl::string_view name_;
  Json config_;
  const Family* family_ = nullptr;
  GgufWriter writer_;
};

// What sentence-transformers runs behind the model. Null: it does not say.
absl::StatusOr<Json> ModelConverter::ReadPoolingModule() const {
  absl::StatusOr<Json> modules = ReadJson("modules.json");
  if (absl::IsNotFound(modules.status())) return Json();
  CORKSCREW_RETURN_IF_ERROR(modules.status());
  std::string pooling;
  for (const Json& module : *modules) {
    const Json& type = Child(module, "type");
    const Json& path = Child(module, "path");
    const std::string name =
        type.is_string() ? type.get<std::string>() : std::string();
    if (absl::EndsWith(name, ".Pooling") && path.is_string()) {
      pooling = path.get<std::string>();
    } else if (!absl::EndsWith(name, ".Transformer") &&
               !absl::EndsWith(name, ".Normalize")) {
      return absl::UnimplementedError(
          absl::StrCat("modules.json: module ", Quoted(name),
                       ", supported are Transformer, Pooling and Normalize"));
    }
  }
  if (pooling.empty()) return Json();
  if (absl::StrContains(pooling, "..") || absl::StartsWith(pooling, "/")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "modules.json: path ", Quoted(pooling), " leads out of the folder"));
  }
  return ReadJson(absl::StrCat(pooling, "/config.json"));
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
  std::vector<uint64_t> shape(tensor.shape.rbegin(), tensor.shape.rend());
  if (shape.empty() || shape.size() > 2 || tensor.elements == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("model.safetensors: tensor ", Quoted(tensor.name),
                     ": want a vector or a matrix"));
  }
  SafeTensor used = tensor;
  if (name == "position_embd.weight" && family_->offset_positions) {
    if (shape.size() != 2 || shape[1] <= 2) {
      return absl::InvalidArgumentError(
          absl::StrCat("model.safetensors: tensor ", Quoted(tensor.name),
                       ": want more than two rows"));
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
    return absl::Status(read.code(),
                        absl::StrCat("model.safetensors: ", read.message()));
  }
  std::string bytes;
  QuantizeRow(GgmlType::kF32, values.data(), values.size(), &bytes);
  writer_.Tensor(name, GgmlType::kF32, shape, std::move(bytes));
  return absl::OkStatus();
}

absl::Status ModelConverter::PutTensors() {
  absl::StatusOr<std::string> bytes =
      read_("model.safetensors", kMaxTensorBytes);
  if (absl::IsNotFound(bytes.status())) {
    return absl::NotFoundError(absl::StrCat(
        bytes.status().message(),
        "; models in several files (model-00001-of-...) and pytorch_model.bin "
        "are not supported"));
  }
  CORKSCREW_RETURN_IF_ERROR(bytes.status());
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::shared_ptr<const SafetensorsFile> file,
      SafetensorsFile::Parse(*std::move(bytes), "model.safetensors"));
  for (const SafeTensor& tensor : file->tensors()) {
    absl::string_view name = tensor.name;
    for (const absl::string_view prefix : kPrefixes) {
      if (absl::ConsumePrefix(&name, prefix)) break;
    }
    if (IsUnused(name)) continue;
    std::string suffix = ".weight";
    if (!absl::ConsumeSuffix(&name, suffix)) {
      suffix = ".bias";
      // Older files.
      if (absl::ConsumeSuffix(&name, ".gamma")) {
        suffix = ".weight";
      } else if (!absl::ConsumeSuffix(&name, ".beta")) {
        absl::ConsumeSuffix(&name, ".bias");
      }
    }
    const NameRow* found = nullptr;
    int layer = -1;
    for (const NameRow& row : family_->names) {
      if (Matches(name, row, &layer)) {
        found = &row;
        break;
      }
    }
    if (found == nullptr) {
      return absl::UnimplementedError(absl::StrCat(
          "model.safetensors: tensor ", Quoted(tensor.name),
          " is none of a model of type \"", family_->model_type, "\""));
    }
    CORKSCREW_RETURN_IF_ERROR(
        PutTensor(tensor, OurName(*found, layer) + suffix));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ConvertHuggingFace(const FolderReader& read,
                                               absl::string_view name) {
  return ModelConverter(read, name).Convert();
}

}  // namespace corkscrew
