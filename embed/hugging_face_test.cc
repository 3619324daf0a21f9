// Folders of Hugging Face, small and broken ones.

#include <cstddef>
#include <cstdint>
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
#include "base/testing.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/gguf_writer.h"
#include "embed/hugging_face_model.h"
#include "embed/hugging_face_tokenizer.h"
#include "embed/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
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

// Files by name, with tensors of small numbers.
std::map<std::string, std::string> TinyFolder() {
  struct Entry {
    const char* name;
    const char* shape;
    size_t values;
  };
  constexpr Entry kEntries[] = {
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
  std::string header = "{";
  std::string data;
  float next = 0.125f;
  for (const Entry& entry : kEntries) {
    const size_t begin = data.size();
    for (size_t i = 0; i < entry.values; ++i) {
      data.append(reinterpret_cast<const char*>(&next), sizeof(next));
      next = next > 1 ? next - 1.75f : next + 0.3125f;
    }
    absl::StrAppend(&header, header.size() > 1 ? "," : "", "\"bert.",
                    entry.name, R"(":{"dtype":"F32","shape":)", entry.shape,
                    R"(,"data_offsets":[)", begin, ",", data.size(), "]}");
  }
  header += "}";
  const uint64_t size = header.size();
  return {
      {"config.json", kConfig},
      {"tokenizer.json", kWordPiece},
      {"model.safetensors",
       std::string(reinterpret_cast<const char*>(&size), 8) + header + data}};
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
