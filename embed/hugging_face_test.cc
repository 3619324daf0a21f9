// Folders of Hugging Face, small and broken ones.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/testing.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/gguf_writer.h"
#include "embed/hugging_face_model.h"
#include "embed/hugging_face_tokenizer.h"
#include "embed/json_text.h"
#include "embed/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kUnimplemented = absl::StatusCode::kUnimplemented;

std::string Safetensors(absl::string_view header, size_t data) {
  const uint64_t size = header.size();
  return absl::StrCat(
      absl::string_view(reinterpret_cast<const char*>(&size), 8), header,
      std::string(data, '\x3c'));
}

constexpr char kTwo[] =
    R"({"__metadata__":{"format":"pt"},)"
    R"("b":{"dtype":"F16","shape":[2],"data_offsets":[16,20]},)"
    R"("a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})";

TEST(SafetensorsTest, TensorsAreReadWithTypeShapeAndBytes) {
  const auto file = SafetensorsFile::Parse(Safetensors(kTwo, 20), "x");
  ASSERT_THAT(file, IsOk());
  ASSERT_EQ((*file)->tensors().size(), 2u);
  const SafeTensor* a = (*file)->Find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_THAT(a->shape, ElementsAre(2, 2));
  EXPECT_EQ(a->data.size(), 16u);
  std::vector<float> values;
  EXPECT_THAT(AppendFloats(*(*file)->Find("b"), &values), IsOk());
  EXPECT_THAT(values, ElementsAre(1.05859375f, 1.05859375f));
  EXPECT_EQ((*file)->Find("c"), nullptr);
}

TEST(SafetensorsTest, WhatDoesNotFitIsRefusedByName) {
  struct Broken {
    const char* from;
    const char* to;
  };
  for (const Broken& broken :
       {Broken{"[16,20]", "[16,21]"}, Broken{"[16,20]", "[15,19]"},
        Broken{"[16,20]", "[20,16]"},
        Broken{"[16,20]", "[16,18446744073709551615]"},
        Broken{"[16,20]", "[-1,3]"}, Broken{"[16,20]", "[16]"},
        Broken{"\"F16\"", "\"F17\""}, Broken{"\"F16\"", "16"},
        Broken{"\"shape\":[2]", "\"shape\":[3]"},
        Broken{"\"shape\":[2]", "\"shape\":[9223372036854775809,2]"},
        Broken{"\"shape\":[2]", "\"shape\":[1,1,1,1,1,1,1,1,2]"},
        Broken{"\"shape\":[2]", "\"shape\":2"},
        Broken{"\"shape\":[2]", "\"shape\":[2.0]"}}) {
    const std::string header =
        absl::StrReplaceAll(kTwo, {{broken.from, broken.to}});
    EXPECT_THAT(SafetensorsFile::Parse(Safetensors(header, 20), "x.st"),
                StatusIs(kInvalid, HasSubstr("x.st: tensor \"b\"")))
        << broken.to;
  }
  EXPECT_THAT(SafetensorsFile::Parse(Safetensors("[]", 0), "x.st"),
              StatusIs(kInvalid, HasSubstr("no JSON object")));
}

TEST(SafetensorsTest, AFileCutOrChangedAnywhereIsReadOrRefused) {
  const std::string whole = Safetensors(kTwo, 20);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(SafetensorsFile::Parse(whole.substr(0, size), "x").ok());
  }
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const char bit : {'\x01', '\x80'}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ bit);
      const auto file = SafetensorsFile::Parse(changed, "x");
      if (!file.ok()) {
        EXPECT_EQ(file.status().code(), kInvalid);
        continue;
      }
      for (const SafeTensor& tensor : (*file)->tensors()) {
        std::vector<float> values;
        (void)AppendFloats(tensor, &values);
      }
    }
  }
}

// ---- A model of two coordinates.

constexpr char kConfig[] = R"({"model_type": "bert", "num_hidden_layers": 1,
  "hidden_size": 2, "intermediate_size": 3, "num_attention_heads": 1,
  "max_position_embeddings": 8, "layer_norm_eps": 1e-12})";

constexpr char kWordPiece[] = R"({"added_tokens": [
    {"id": 0, "content": "[PAD]", "special": true},
    {"id": 1, "content": "[UNK]", "special": true},
    {"id": 2, "content": "[CLS]", "special": true},
    {"id": 3, "content": "[SEP]", "special": true}],
  "normalizer": {"type": "BertNormalizer", "clean_text": true,
    "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "TemplateProcessing", "single": [
    {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
    {"Sequence": {"id": "A", "type_id": 0}},
    {"SpecialToken": {"id": "[SEP]", "type_id": 0}}]},
  "model": {"type": "WordPiece", "unk_token": "[UNK]",
    "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "cat": 4,
      "##s": 5, "the": 6}}})";

struct Entry {
  const char* name;
  const char* shape;
  size_t values;
};

// A file of tensors of small numbers; `prefix` is in front of each name. The
// numbers go on from `*next`.
std::string TensorFile(absl::Span<const Entry> entries,
                       absl::string_view prefix, float* next) {
  std::string header = "{";
  std::string data;
  for (const Entry& entry : entries) {
    const size_t begin = data.size();
    for (size_t i = 0; i < entry.values; ++i) {
      data.append(reinterpret_cast<const char*>(next), sizeof(*next));
      *next = *next > 1 ? *next - 1.75f : *next + 0.3125f;
    }
    absl::StrAppend(&header, header.size() > 1 ? "," : "", "\"", prefix,
                    entry.name, R"(":{"dtype":"F32","shape":)", entry.shape,
                    R"(,"data_offsets":[)", begin, ",", data.size(), "]}");
  }
  header += "}";
  const uint64_t size = header.size();
  return std::string(reinterpret_cast<const char*>(&size), 8) + header + data;
}

constexpr Entry kTinyEntries[] = {
    {"embeddings.word_embeddings.weight", "[7,2]", 14},
    {"embeddings.position_embeddings.weight", "[8,2]", 16},
    {"embeddings.token_type_embeddings.weight", "[2,2]", 4},
    {"embeddings.LayerNorm.gamma", "[2]", 2},
    {"embeddings.LayerNorm.beta", "[2]", 2},
    {"encoder.layer.0.attention.self.query.weight", "[2,2]", 4},
    {"encoder.layer.0.attention.self.query.bias", "[2]", 2},
    {"encoder.layer.0.attention.self.key.weight", "[2,2]", 4},
    {"encoder.layer.0.attention.self.key.bias", "[2]", 2},
    {"encoder.layer.0.attention.self.value.weight", "[2,2]", 4},
    {"encoder.layer.0.attention.self.value.bias", "[2]", 2},
    {"encoder.layer.0.attention.output.dense.weight", "[2,2]", 4},
    {"encoder.layer.0.attention.output.dense.bias", "[2]", 2},
    {"encoder.layer.0.attention.output.LayerNorm.weight", "[2]", 2},
    {"encoder.layer.0.attention.output.LayerNorm.bias", "[2]", 2},
    {"encoder.layer.0.intermediate.dense.weight", "[3,2]", 6},
    {"encoder.layer.0.intermediate.dense.bias", "[3]", 3},
    {"encoder.layer.0.output.dense.weight", "[2,3]", 6},
    {"encoder.layer.0.output.dense.bias", "[2]", 2},
    {"encoder.layer.0.output.LayerNorm.weight", "[2]", 2},
    {"encoder.layer.0.output.LayerNorm.bias", "[2]", 2},
    {"pooler.dense.weight", "[2,2]", 4},
};

// Files by name.
std::map<std::string, std::string> TinyFolder() {
  float next = 0.125f;
  return {{"config.json", kConfig},
          {"tokenizer.json", kWordPiece},
          {"model.safetensors", TensorFile(kTinyEntries, "bert.", &next)}};
}

absl::StatusOr<std::string> Convert(
    const std::map<std::string, std::string>& folder) {
  return ConvertHuggingFace(
      [&](absl::string_view name, size_t most) -> absl::StatusOr<std::string> {
        const auto found = folder.find(std::string(name));
        if (found == folder.end()) return absl::NotFoundError(name);
        if (found->second.size() > most) {
          return absl::ResourceExhaustedError(name);
        }
        return found->second;
      },
      "tiny");
}

TEST(HuggingFaceTest, AFolderBecomesAModelThatRuns) {
  const auto bytes = Convert(TinyFolder());
  ASSERT_THAT(bytes, IsOk());
  EXPECT_EQ(*Convert(TinyFolder()), *bytes);
  const auto embedder = LoadEmbedderFromBytes(*bytes, "tiny.gguf");
  ASSERT_THAT(embedder, IsOk());
  EXPECT_EQ((*embedder)->dim(), 2u);
  EXPECT_EQ((*embedder)->max_tokens(), 8u);
  const absl::string_view text = "The CATS x";
  const auto embeddings = (*embedder)->Embed({&text, 1}, TextKind::kQuery);
  ASSERT_THAT(embeddings, IsOk());
  EXPECT_THAT(embeddings->texts[0].tokens, ElementsAre(2, 6, 4, 5, 1, 3));
}

TEST(HuggingFaceTest, ThePoolingModuleCounts) {
  auto folder = TinyFolder();
  folder["modules.json"] =
      R"([{"type": "sentence_transformers.models.Transformer", "path": ""},
          {"type": "sentence_transformers.models.Pooling", "path": "1_P"},
          {"type": "sentence_transformers.models.Normalize", "path": "2"}])";
  folder["1_P/config.json"] =
      R"({"word_embedding_dimension": 2, "pooling_mode_cls_token": true,
          "pooling_mode_mean_tokens": false})";
  const auto bytes = Convert(folder);
  ASSERT_THAT(bytes, IsOk());
  const auto file = GgufFile::Parse(*bytes, "x");
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(*(*file)->Uint("bert.pooling_type"), 2u);
  folder["1_P/config.json"] = R"({"pooling_mode_max_tokens": true})";
  EXPECT_THAT(Convert(folder),
              StatusIs(kUnimplemented, HasSubstr("pooling_mode_max_tokens")));
  folder["1_P/config.json"] = "{}";
  EXPECT_THAT(Convert(folder), StatusIs(kInvalid, HasSubstr("no pooling")));
  folder["modules.json"] =
      R"([{"type": "sentence_transformers.models.Dense", "path": "2"}])";
  EXPECT_THAT(Convert(folder), StatusIs(kUnimplemented, HasSubstr("Dense")));
  folder["modules.json"] = R"([{"type": "x.Pooling", "path": "../../etc"}])";
  EXPECT_THAT(Convert(folder), StatusIs(kInvalid, HasSubstr("out of the")));
}

TEST(HuggingFaceTest, WhatIsMissingOrUnknownIsNamed) {
  for (const char* file :
       {"config.json", "tokenizer.json", "model.safetensors"}) {
    auto folder = TinyFolder();
    folder.erase(file);
    EXPECT_THAT(Convert(folder),
                StatusIs(absl::StatusCode::kNotFound, HasSubstr(file)));
    folder[file] = "\x01 no JSON";
    EXPECT_THAT(Convert(folder), StatusIs(kInvalid, HasSubstr(file)));
  }
  struct Broken {
    const char* file;
    const char* from;
    const char* to;
    const char* message;
  };
  for (const Broken& broken :
       {Broken{"config.json", "\"bert\"", "\"mpnet\"", "\"mpnet\", supported"},
        Broken{"config.json", "\"hidden_size\": 2", "\"hidden_size\": -2",
               "\"hidden_size\": want a count"},
        Broken{"config.json", "1e-12", "\"x\"", "want a number"},
        Broken{"config.json", "{", "{\"rope_scaling\": {},", "rope_scaling"},
        Broken{"tokenizer.json", "\"WordPiece\"", "\"Word\"", "\"Word\""},
        Broken{"tokenizer.json", "\"cat\": 4", "\"cat\": 44",
               "no token has the id 4"},
        Broken{"tokenizer.json", "\"cat\": 4", "\"cat\": 99999999",
               "has no id below"},
        Broken{"tokenizer.json", "\"##\"", "\"@@\"", "\"##\""},
        Broken{"tokenizer.json", "\"BertNormalizer\"", "\"NFC\"",
               "\"BertNormalizer\""},
        Broken{"tokenizer.json", "\"unk_token\": \"[UNK]\"",
               "\"unk_token\": \"<unk>\"", "\"<unk>\" is not in"},
        Broken{"model.safetensors", "pooler.dense", "poolex.dense",
               "\"bert.poolex.dense.weight\" is none of"}}) {
    auto folder = TinyFolder();
    std::string& text = folder[broken.file];
    text = absl::StrReplaceAll(text, {{broken.from, broken.to}});
    const absl::Status status = Convert(folder).status();
    EXPECT_THAT(status.code(), AnyOf(kInvalid, kUnimplemented)) << broken.to;
    EXPECT_THAT(std::string(status.message()), HasSubstr(broken.message));
  }
}

TEST(HuggingFaceTest, JsonThatNestsDeeplyIsRefused) {
  const std::string deep =
      absl::StrCat(std::string(300000, '['), std::string(300000, ']'));
  EXPECT_TRUE(ParseJson(deep).is_discarded());
  EXPECT_TRUE(ParseJson("{").is_discarded());
  const auto nested = [](int depth) {
    return ParseJson(absl::StrCat(std::string(depth, '['), "\"[\\\"[\"",
                                  std::string(depth, ']')));
  };
  EXPECT_TRUE(nested(kMaxJsonDepth).is_array());
  EXPECT_TRUE(nested(kMaxJsonDepth + 1).is_discarded());
  for (const char* file : {"config.json", "tokenizer.json"}) {
    auto folder = TinyFolder();
    folder[file] = absl::StrCat("{\"position_embedding_type\":", deep, "}");
    EXPECT_THAT(Convert(folder), StatusIs(kInvalid, HasSubstr(file)));
  }
}

// ---- Models in several files.

constexpr char kIndex[] = "model.safetensors.index.json";

// TinyFolder() with its first ten tensors in one file, the rest in another.
std::map<std::string, std::string> ShardedFolder() {
  std::map<std::string, std::string> folder = TinyFolder();
  folder.erase("model.safetensors");
  const auto entries = absl::MakeConstSpan(kTinyEntries);
  float next = 0.125f;
  folder["m-1.safetensors"] = TensorFile(entries.first(10), "bert.", &next);
  folder["m-2.safetensors"] = TensorFile(entries.subspan(10), "bert.", &next);
  std::string map;
  for (size_t i = 0; i < entries.size(); ++i) {
    absl::StrAppend(&map, i == 0 ? "" : ",", "\"bert.", entries[i].name,
                    "\":\"m-", i < 10 ? 1 : 2, ".safetensors\"");
  }
  folder[kIndex] = absl::StrCat(
      R"({"metadata": {"total_size": 1}, "weight_map": {)", map, "}}");
  return folder;
}

TEST(HuggingFaceTest, AModelInSeveralFilesIsTheSameModel) {
  const auto whole = Convert(TinyFolder());
  const auto parts = Convert(ShardedFolder());
  ASSERT_THAT(whole, IsOk());
  ASSERT_THAT(parts, IsOk());
  const auto a = LoadEmbedderFromBytes(*whole, "a");
  const auto b = LoadEmbedderFromBytes(*parts, "b");
  ASSERT_THAT(a, IsOk());
  ASSERT_THAT(b, IsOk());
  EXPECT_EQ((*a)->space(), (*b)->space());
}

TEST(HuggingFaceTest, AnIndexThatNamesOtherFilesOrTensorsIsRefused) {
  struct Broken {
    const char* from;
    const char* to;
    const char* message;
  };
  for (const Broken& broken : {
           Broken{"\"m-2.safetensors\"", "\"../m-2.safetensors\"",
                  "want a file"},
           Broken{"\"m-2.safetensors\"", "\"/etc/x.safetensors\"",
                  "want a file"},
           Broken{"\"m-2.safetensors\"", "\"a/m-2.safetensors\"",
                  "want a file"},
           Broken{"\"m-2.safetensors\"", "\".safetensors\"", "want a file"},
           Broken{"\"m-2.safetensors\"", "\"\"", "want a file"},
           Broken{"\"m-2.safetensors\"", "7", "want a file"},
           // An index is no file of tensors, itself included.
           Broken{"\"m-2.safetensors\"", "\"model.safetensors.index.json\"",
                  "want a file"},
           Broken{"bert.pooler.dense.weight\"", "bert.more\"",
                  "\"bert.more\" is not in the file"},
           Broken{",\"bert.pooler.dense.weight\":\"m-2.safetensors\"", "",
                  "has 12 tensors, want 11"},
           Broken{"\"weight_map\"", "\"weights\"", "weight_map"},
           Broken{"{\"metadata\"", "[\"metadata\"", "weight_map"},
       }) {
    auto folder = ShardedFolder();
    const std::string before = folder[kIndex];
    folder[kIndex] = absl::StrReplaceAll(before, {{broken.from, broken.to}});
    ASSERT_NE(folder[kIndex], before) << broken.from;
    EXPECT_THAT(
        Convert(folder),
        StatusIs(kInvalid, AllOf(HasSubstr(kIndex), HasSubstr(broken.message))))
        << broken.to;
  }
  auto folder = ShardedFolder();
  folder.erase("m-2.safetensors");
  EXPECT_THAT(Convert(folder), StatusIs(absl::StatusCode::kNotFound,
                                        HasSubstr("m-2.safetensors")));
}

TEST(HuggingFaceTest, ATensorThatTwoFilesHaveIsRefused) {
  auto folder = ShardedFolder();
  std::vector<Entry> second(std::begin(kTinyEntries) + 10,
                            std::end(kTinyEntries));
  second.push_back(kTinyEntries[0]);
  float next = 0;
  folder["m-2.safetensors"] = TensorFile(second, "bert.", &next);
  EXPECT_THAT(Convert(folder),
              StatusIs(kInvalid, HasSubstr("has 13 tensors, want 12")));
  // By a name that means the same.
  folder = ShardedFolder();
  folder["m-3.safetensors"] =
      TensorFile(absl::MakeConstSpan(kTinyEntries).first(1), "", &next);
  folder[kIndex] = absl::StrReplaceAll(
      folder[kIndex],
      {{"{\"bert.embeddings.word",
        absl::StrCat("{\"", kTinyEntries[0].name, "\":\"m-3.safetensors\",",
                     "\"bert.embeddings.word")}});
  EXPECT_THAT(Convert(folder),
              StatusIs(kInvalid, AllOf(HasSubstr("m-3.safetensors"),
                                       HasSubstr("is there twice"))));
  folder = TinyFolder();
  std::vector<Entry> entries(std::begin(kTinyEntries), std::end(kTinyEntries));
  entries.push_back({"bert.embeddings.word_embeddings.weight", "[7,2]", 14});
  folder["model.safetensors"] = TensorFile(entries, "", &next);
  EXPECT_THAT(Convert(folder), StatusIs(kInvalid, HasSubstr("is there twice")));
}

// ---- Experts.

TEST(HuggingFaceTest, ExpertsAreTurnedAsTheEncoderWantsThem) {
  constexpr Entry kEntries[] = {
      {"embeddings.word_embeddings.weight", "[7,2]", 14},
      {"embeddings.token_type_embeddings.weight", "[1,2]", 2},
      {"emb_ln.weight", "[2]", 2},
      {"emb_ln.bias", "[2]", 2},
      {"encoder.layers.0.attn.Wqkv.weight", "[6,2]", 12},
      {"encoder.layers.0.attn.Wqkv.bias", "[6]", 6},
      {"encoder.layers.0.attn.out_proj.weight", "[2,2]", 4},
      {"encoder.layers.0.attn.out_proj.bias", "[2]", 2},
      {"encoder.layers.0.norm1.weight", "[2]", 2},
      {"encoder.layers.0.norm1.bias", "[2]", 2},
      {"encoder.layers.0.mlp.fc1.weight", "[3,2]", 6},
      {"encoder.layers.0.mlp.fc1.bias", "[3]", 3},
      {"encoder.layers.0.mlp.fc2.weight", "[2,3]", 6},
      {"encoder.layers.0.mlp.fc2.bias", "[2]", 2},
      {"encoder.layers.0.norm2.weight", "[2]", 2},
      {"encoder.layers.0.norm2.bias", "[2]", 2},
      {"encoder.layers.1.attn.Wqkv.weight", "[6,2]", 12},
      {"encoder.layers.1.attn.Wqkv.bias", "[6]", 6},
      {"encoder.layers.1.attn.out_proj.weight", "[2,2]", 4},
      {"encoder.layers.1.attn.out_proj.bias", "[2]", 2},
      {"encoder.layers.1.norm1.weight", "[2]", 2},
      {"encoder.layers.1.norm1.bias", "[2]", 2},
      {"encoder.layers.1.mlp.router.layer.weight", "[2,2]", 4},
      {"encoder.layers.1.mlp.experts.mlp.w1", "[6,2]", 12},
      {"encoder.layers.1.mlp.experts.mlp.w2", "[6,2]", 12},
      {"encoder.layers.1.norm2.weight", "[2]", 2},
      {"encoder.layers.1.norm2.bias", "[2]", 2},
  };
  const std::string config =
      R"({"model_type": "nomic_bert", "n_layer": 2, "n_embd": 2, "n_inner": 3,
          "n_head": 1, "n_positions": 8, "layer_norm_epsilon": 1e-5,
          "rotary_emb_base": 10000, "num_experts": 2, "moe_top_k": 1,
          "moe_every_n_layers": 2, "activation_function": "gelu"})";
  float next = 0.125f;
  std::map<std::string, std::string> folder = {
      {"config.json", config},
      {"tokenizer.json", kWordPiece},
      {"model.safetensors", TensorFile(kEntries, "", &next)}};
  const auto source = SafetensorsFile::Parse(folder["model.safetensors"], "s");
  ASSERT_THAT(source, IsOk());
  const auto bytes = Convert(folder);
  ASSERT_THAT(bytes, IsOk());
  const auto file = GgufFile::Parse(*bytes, "x");
  ASSERT_THAT(file, IsOk());
  const auto values = [](absl::string_view data) {
    std::vector<float> floats(data.size() / sizeof(float));
    std::memcpy(floats.data(), data.data(), data.size());
    return floats;
  };
  const SafeTensor* w1 = (*source)->Find("encoder.layers.1.mlp.experts.mlp.w1");
  const SafeTensor* w2 = (*source)->Find("encoder.layers.1.mlp.experts.mlp.w2");
  const GgufTensor* up = (*file)->Find("blk.1.ffn_up_exps.weight");
  const GgufTensor* down = (*file)->Find("blk.1.ffn_down_exps.weight");
  ASSERT_NE(up, nullptr);
  ASSERT_NE(down, nullptr);
  EXPECT_EQ(up->data, w1->data);
  EXPECT_EQ(up->shape[0], 2u);
  EXPECT_EQ(up->shape[1], 3u);
  EXPECT_EQ(up->shape[2], 2u);
  EXPECT_EQ(down->shape[0], 3u);
  EXPECT_EQ(down->shape[1], 2u);
  const std::vector<float> w = values(w2->data);
  const std::vector<float> is = values(down->data);
  for (size_t expert = 0; expert < 2; ++expert) {
    for (size_t inner = 0; inner < 3; ++inner) {
      for (size_t width = 0; width < 2; ++width) {
        EXPECT_EQ(is[(expert * 2 + width) * 3 + inner],
                  w[(expert * 3 + inner) * 2 + width]);
      }
    }
  }
  const auto embedder = LoadEmbedderFromBytes(*bytes, "moe.gguf");
  ASSERT_THAT(embedder, IsOk());
  const absl::string_view text = "the cats";
  EXPECT_THAT((*embedder)->Embed({&text, 1}, TextKind::kQuery), IsOk());

  folder["config.json"] = absl::StrReplaceAll(
      config, {{"\"num_experts\": 2", "\"num_experts\": 4294967295"}});
  EXPECT_THAT(Convert(folder), StatusIs(kInvalid, HasSubstr("experts.mlp.w1")));
  folder["config.json"] =
      absl::StrReplaceAll(config, {{"\"gelu\"", "\"swiglu\""}});
  EXPECT_THAT(Convert(folder),
              StatusIs(kUnimplemented, HasSubstr("activation_function")));
}

// ---- Tokenizers of other kinds.

absl::StatusOr<std::shared_ptr<const GgufFile>> Keys(absl::string_view json,
                                                     absl::string_view pre) {
  GgufWriter writer;
  const absl::Status status = ConvertTokenizer(json, "t.json", pre, &writer);
  if (!status.ok()) return status;
  return GgufFile::Parse(writer.Write(), "t.gguf");
}

TEST(HuggingFaceTokenizerTest, UnigramKeepsScoresCharacterMapAndEnds) {
  const auto file = Keys(absl::StrCat(R"({"added_tokens": [
          {"id": 0, "content": "<s>", "special": true},
          {"id": 1, "content": "</s>", "special": true},
          {"id": 4, "content": "<mask>", "special": true}],
        "normalizer": {"type": "Sequence", "normalizers": [
          {"type": "Precompiled", "precompiled_charsmap": ")",
                                      absl::Base64Escape("bytes"), R"("}]},
        "post_processor": {"type": "RobertaProcessing",
          "cls": ["<s>", 0], "sep": ["</s>", 1]},
        "model": {"type": "Unigram", "unk_id": 2, "vocab": [
          ["<s>", 0], ["</s>", 0], ["<unk>", 0], ["\u2581a", -1.5]]}})"),
                         "");
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(*(*file)->String("tokenizer.ggml.model"), "t5");
  EXPECT_THAT(*(*file)->Floats("tokenizer.ggml.scores"),
              ElementsAre(0, 0, 0, -1.5f, 0));
  EXPECT_THAT(*(*file)->Ints("tokenizer.ggml.token_type"),
              ElementsAre(3, 3, 2, 1, 3));
  EXPECT_EQ((*file)->Ints("tokenizer.ggml.precompiled_charsmap")->size(), 5u);
  EXPECT_EQ(*(*file)->Uint("tokenizer.ggml.eos_token_id"), 1u);
  EXPECT_EQ(*(*file)->Uint("tokenizer.ggml.unknown_token_id"), 2u);
}

TEST(HuggingFaceTokenizerTest, ByteBpeKeepsMergesInBothForms) {
  for (const char* merges :
       {R"(["a b", "ab c"])", R"([["a","b"],["ab","c"]])"}) {
    const auto file = Keys(
        absl::StrCat(R"({"added_tokens": [
            {"id": 5, "content": "<end>", "special": true}],
          "post_processor": {"type": "Sequence", "processors": [
            {"type": "ByteLevel"}, {"type": "TemplateProcessing", "single": [
              {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "<end>"}}]}]},
          "model": {"type": "BPE", "merges": )",
                     merges, R"(, "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3,
            "abc": 4}}})"),
        "qwen2");
    ASSERT_THAT(file, IsOk());
    EXPECT_THAT(*(*file)->Strings("tokenizer.ggml.merges"),
                ElementsAre("a b", "ab c"));
    EXPECT_EQ(*(*file)->String("tokenizer.ggml.pre"), "qwen2");
    EXPECT_FALSE(*(*file)->Bool("tokenizer.ggml.add_bos_token"));
    EXPECT_TRUE(*(*file)->Bool("tokenizer.ggml.add_eos_token"));
    EXPECT_EQ(*(*file)->Uint("tokenizer.ggml.eos_token_id"), 5u);
  }
  EXPECT_THAT(Keys(R"({"model": {"type": "BPE", "byte_fallback": true}})", "x"),
              StatusIs(kUnimplemented, HasSubstr("BPE of characters")));
}

TEST(HuggingFaceTokenizerTest, AFileCutAnywhereIsRefused) {
  const absl::string_view whole = kWordPiece;
  for (size_t size = 0; size + 1 < whole.size(); ++size) {
    EXPECT_FALSE(Keys(whole.substr(0, size), "").ok()) << size;
  }
}

}  // namespace
}  // namespace corkscrew
