// Folders of each family of models, made of the synthetic models by names and
// rules that are written out here a second time: what is converted back embeds
// as the model that it was made of.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "corkscrew/embedder.h"
#include "embed/convert_model.h"
#include "embed/gguf.h"
#include "embed/hugging_face_model.h"
#include "embed/model_tensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using Json = nlohmann::json;
using Folder = std::map<std::string, std::string>;

constexpr absl::string_view kMark = "\xE2\x96\x81";
const absl::string_view kTexts[] = {
    "the cat sat on the mat", "Numbers 12 and 345, signs: ()!",
    "a\ttab and  two spaces", "caf\xC3\xA9 na\xC3\xAFve \xE2\x9C\x93", ""};

std::shared_ptr<const GgufFile> Synthetic(absl::string_view name) {
  auto file = GgufFile::Open(
      absl::StrCat(CORKSCREW_DATA_DIR, "/data/gguf-synth/", name));
  EXPECT_THAT(file, IsOk());
  return file.ok() ? *file : nullptr;
}

// Matrices and vectors of float32 by name, and the bytes of their file.
class Tensors {
 public:
  void Add(const std::string& name, std::vector<size_t> shape,
           const std::vector<float>& values) {
    const size_t begin = data_.size();
    data_.append(reinterpret_cast<const char*>(values.data()),
                 values.size() * sizeof(float));
    header_[name] = {{"dtype", "F32"},
                     {"shape", std::move(shape)},
                     {"data_offsets", {begin, data_.size()}}};
  }
  std::string File() const {
    const std::string text = header_.dump();
    const uint64_t size = text.size();
    return std::string(reinterpret_cast<const char*>(&size), 8) + text + data_;
  }

 private:
  Json header_ = Json::object();
  std::string data_;
};

std::vector<float> ValuesOf(const GgufTensor& tensor) {
  std::vector<float> values(tensor.row_values() * tensor.rows());
  for (uint64_t i = 0; i < tensor.rows(); ++i) {
    ReadRow(tensor, i, values.data() + i * tensor.row_values());
  }
  return values;
}

std::vector<size_t> ShapeOf(const GgufTensor& tensor) {
  std::vector<size_t> shape;
  for (size_t i = tensor.dims; i-- > 0;) shape.push_back(tensor.shape[i]);
  return shape;
}

uint64_t Key(const GgufFile& file, absl::string_view key) {
  return *file.Uint(
      absl::StrCat(*file.String("general.architecture"), ".", key));
}

Json Template(const std::string& first, const std::string& last) {
  return {{"type", "TemplateProcessing"},
          {"single",
           {{{"SpecialToken", {{"id", first}}}},
            {{"Sequence", {{"id", "A"}}}},
            {{"SpecialToken", {{"id", last}}}}}}};
}

// Checks that the model of `folder` embeds as `file` does, as GGUF and sealed.
void ExpectEmbedsAs(const GgufFile& file, const Folder& folder) {
  const auto bytes = ConvertHuggingFace(
      [&](absl::string_view name, size_t) -> absl::StatusOr<std::string> {
        const auto found = folder.find(std::string(name));
        if (found == folder.end()) return absl::NotFoundError(name);
        return found->second;
      },
      "model");
  ASSERT_THAT(bytes, IsOk());
  const auto converted = GgufFile::Parse(*bytes, "converted.gguf");
  ASSERT_THAT(converted, IsOk());
  const auto sealed =
      ConvertGguf(**converted, {.container = ModelContainer::kMll});
  ASSERT_THAT(sealed, IsOk());
  EmbedderOptions options;
  options.query_prompt = "";
  options.document_prompt = "";
  const auto original = ConvertGguf(file, {});
  ASSERT_THAT(original, IsOk());
  const auto want = LoadEmbedderFromBytes(*original, "original", options);
  const auto is = LoadEmbedderFromBytes(*bytes, "converted", options);
  const auto as_mll = LoadEmbedderFromBytes(*sealed, "converted.mll", options);
  ASSERT_THAT(want, IsOk());
  ASSERT_THAT(is, IsOk());
  ASSERT_THAT(as_mll, IsOk());
  EXPECT_EQ((*as_mll)->space(), (*is)->space());
  const auto a = (*want)->Embed(kTexts, TextKind::kDocument);
  const auto b = (*is)->Embed(kTexts, TextKind::kDocument);
  ASSERT_THAT(a, IsOk());
  ASSERT_THAT(b, IsOk());
  for (size_t i = 0; i < std::size(kTexts); ++i) {
    EXPECT_EQ(a->texts[i].tokens, b->texts[i].tokens) << kTexts[i];
  }
  ASSERT_EQ(a->vectors.size(), b->vectors.size());
  for (size_t i = 0; i < a->vectors.size(); ++i) {
    ASSERT_NEAR(a->vectors[i], b->vectors[i], 2e-5) << i;
  }
}

TEST(HuggingFaceFamiliesTest, JinaBertSplitsItsGatedLayers) {
  const auto file = Synthetic("tiny-jina-bert-v2-mean-f32.gguf");
  ASSERT_NE(file, nullptr);
  Tensors tensors;
  for (const GgufTensor& tensor : file->tensors()) {
    std::string name(tensor.name);
    if (absl::StrContains(name, "ffn_up")) continue;
    std::vector<float> values = ValuesOf(tensor);
    std::vector<size_t> shape = ShapeOf(tensor);
    if (absl::StrContains(name, "ffn_gate")) {
      const std::vector<float> up = ValuesOf(
          *file->Find(absl::StrReplaceAll(name, {{"ffn_gate", "ffn_up"}})));
      values.insert(values.end(), up.begin(), up.end());
      shape[0] *= 2;
    }
    tensors.Add(absl::StrReplaceAll(
                    name, {{"blk.", "encoder.layer."},
                           {"token_embd_norm", "embeddings.LayerNorm"},
                           {"token_embd", "embeddings.word_embeddings"},
                           {"token_types", "embeddings.token_type_embeddings"},
                           {"attn_output_norm", "attention.output.LayerNorm"},
                           {"attn_output", "attention.output.dense"},
                           {"attn_q", "attention.self.query"},
                           {"attn_k", "attention.self.key"},
                           {"attn_v", "attention.self.value"},
                           {"layer_output_norm", "mlp.layernorm"},
                           {"ffn_gate", "mlp.gated_layers"},
                           {"ffn_down", "mlp.wo"}}),
                shape, values);
  }
  Json vocabulary = Json::object();
  Json added = Json::array();
  const auto tokens = *file->Strings("tokenizer.ggml.tokens");
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::string token(tokens[i]);
    const bool bracketed =
        absl::StartsWith(token, "[") && absl::EndsWith(token, "]");
    if (absl::StartsWith(token, kMark)) {
      token = token.substr(kMark.size());
    } else if (!bracketed) {
      token.insert(0, "##");
    }
    vocabulary[token] = i;
    if (token == "[CLS]" || token == "[SEP]" || token == "[UNK]") {
      added.push_back({{"content", token}, {"id", i}, {"special", true}});
    }
  }
  Json config = {{"model_type", "bert"},
                 {"position_embedding_type", "alibi"},
                 {"feed_forward_type", "geglu"},
                 {"num_hidden_layers", Key(*file, "block_count")},
                 {"hidden_size", Key(*file, "embedding_length")},
                 {"intermediate_size", Key(*file, "feed_forward_length")},
                 {"num_attention_heads", Key(*file, "attention.head_count")},
                 {"max_position_embeddings", Key(*file, "context_length")},
                 {"layer_norm_eps", 1e-12}};
  const Json tokenizer = {
      {"added_tokens", added},
      {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", true}}},
      {"post_processor", Template("[CLS]", "[SEP]")},
      {"model",
       {{"type", "WordPiece"},
        {"unk_token", "[UNK]"},
        {"continuing_subword_prefix", "##"},
        {"max_input_chars_per_word", 100},
        {"vocab", vocabulary}}}};
  Folder folder = {{"config.json", config.dump()},
                   {"tokenizer.json", tokenizer.dump()},
                   {"model.safetensors", tensors.File()}};
  ExpectEmbedsAs(*file, folder);
}

// A tokenizer.json of merges, as converters make it of a vocabulary with
// scores: every split of a token into two is a merge, the best token first.
// (Not only those into tokens: the synthetic vocabulary lacks single
// characters.)
Json CharacterBpe(const GgufFile& file) {
  const auto tokens = *file.Strings("tokenizer.ggml.tokens");
  const auto scores = *file.Floats("tokenizer.ggml.scores");
  const auto types = *file.Ints("tokenizer.ggml.token_type");
  Json vocabulary = Json::object();
  Json added = Json::array();
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string token(tokens[i]);
    vocabulary[token] = i;
    if (types[i] == 3 || types[i] == 4) {
      added.push_back(
          {{"content", token}, {"id", i}, {"special", types[i] == 3}});
    }
  }
  std::vector<size_t> order;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (types[i] == 1) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  Json merges = Json::array();
  for (const size_t id : order) {
    const std::string token(tokens[id]);
    for (size_t cut = 1; cut < token.size(); ++cut) {
      if ((token[cut] & 0xC0) == 0x80) continue;  // Within a character.
      merges.push_back({token.substr(0, cut), token.substr(cut)});
    }
  }
  return {{"added_tokens", added},
          {"normalizer",
           {{"type", "Replace"},
            {"pattern", {{"String", " "}}},
            {"content", std::string(kMark)}}},
          {"post_processor", Template("<s>", "</s>")},
          {"model",
           {{"type", "BPE"},
            {"byte_fallback", true},
            {"unk_token", "<unk>"},
            {"vocab", vocabulary},
            {"merges", merges}}}};
}

Folder GemmaFolder(const GgufFile& file) {
  Folder folder;
  Tensors tensors;
  Json modules = {
      {{"type", "sentence_transformers.models.Transformer"}, {"path", ""}},
      {{"type", "sentence_transformers.models.Pooling"}, {"path", "1_Pool"}}};
  for (const GgufTensor& tensor : file.tensors()) {
    std::string name(tensor.name);
    std::vector<float> values = ValuesOf(tensor);
    if (absl::StartsWith(name, "dense_")) {
      const std::string path = name.substr(6, 1) + "_Dense";
      Tensors alone;
      alone.Add("linear.weight", ShapeOf(tensor), values);
      folder[path + "/model.safetensors"] = alone.File();
      folder[path + "/config.json"] =
          R"({"bias": false, "activation_function":
              "torch.nn.modules.linear.Identity"})";
      modules.push_back(
          {{"type", "sentence_transformers.models.Dense"}, {"path", path}});
      continue;
    }
    if (absl::EndsWith(name, "norm.weight")) {
      for (float& value : values) value -= 1;
    }
    tensors.Add(absl::StrReplaceAll(
                    name, {{"blk.", "layers."},
                           {"token_embd", "embed_tokens"},
                           {"output_norm", "norm"},
                           {"attn_norm", "input_layernorm"},
                           {"attn_q_norm", "self_attn.q_norm"},
                           {"attn_k_norm", "self_attn.k_norm"},
                           {"attn_q.", "self_attn.q_proj."},
                           {"attn_k.", "self_attn.k_proj."},
                           {"attn_v", "self_attn.v_proj"},
                           {"attn_output", "self_attn.o_proj"},
                           {"post_attention_norm", "post_attention_layernorm"},
                           {"ffn_norm", "pre_feedforward_layernorm"},
                           {"post_ffw_norm", "post_feedforward_layernorm"},
                           {"ffn_gate", "mlp.gate_proj"},
                           {"ffn_up", "mlp.up_proj"},
                           {"ffn_down", "mlp.down_proj"}}),
                ShapeOf(tensor), values);
  }
  modules.push_back({{"type", "sentence_transformers.models.Normalize"},
                     {"path", "4_Normalize"}});
  folder["modules.json"] = modules.dump();
  folder["1_Pool/config.json"] = R"({"pooling_mode_mean_tokens": true})";
  folder["model.safetensors"] = tensors.File();
  folder["tokenizer.json"] = CharacterBpe(file).dump();
  folder["config.json"] =
      Json({{"model_type", "gemma3_text"},
            {"num_hidden_layers", Key(file, "block_count")},
            {"hidden_size", Key(file, "embedding_length")},
            {"intermediate_size", Key(file, "feed_forward_length")},
            {"num_attention_heads", Key(file, "attention.head_count")},
            {"num_key_value_heads", Key(file, "attention.head_count_kv")},
            {"head_dim", Key(file, "attention.key_length")},
            {"max_position_embeddings", Key(file, "context_length")},
            {"sliding_window", Key(file, "attention.sliding_window")},
            {"rms_norm_eps", 1e-6},
            {"rope_theta", 1e6},
            {"rope_local_base_freq", 1e4},
            {"_sliding_window_pattern", 6},
            {"use_bidirectional_attention", true},
            {"hidden_activation", "gelu_pytorch_tanh"}})
          .dump();
  return folder;
}

TEST(HuggingFaceFamiliesTest, GemmaComesWithItsDenseModules) {
  const auto file = Synthetic("tiny-gemma-embedding-dense-mean-f32.gguf");
  ASSERT_NE(file, nullptr);
  Folder folder = GemmaFolder(*file);
  ASSERT_EQ(folder.count("3_Dense/model.safetensors"), 1u);
  ExpectEmbedsAs(*file, folder);
}

TEST(HuggingFaceFamiliesTest, GemmaWithoutDenseModulesIsAModelToo) {
  const auto file = Synthetic("tiny-gemma-embedding-mean-f32.gguf");
  ASSERT_NE(file, nullptr);
  ExpectEmbedsAs(*file, GemmaFolder(*file));
}

}  // namespace
}  // namespace corkscrew
