#include "embed/model_embedder.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/random.h"
#include "base/testing.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/tiny_bert.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::ForEachSimdTarget;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::corkscrew::testing::TinyBert;
using ::testing::AllOf;
using ::testing::HasSubstr;

using EmbedderOr = absl::StatusOr<std::shared_ptr<const ModelEmbedder>>;

EmbedderOr Create(const TinyBert& model, const EmbedderOptions& options = {},
                  size_t threads = 1) {
  const auto file = GgufFile::Parse(model.Build(), "tiny.gguf");
  if (!file.ok()) return file.status();
  return ModelEmbedder::Create(**file, options, threads);
}

TEST(ModelEmbedderTest, EmbedsTexts) {
  const EmbedderOr embedder = Create(TinyBert());
  ASSERT_THAT(embedder, IsOk());
  EXPECT_EQ((*embedder)->dim(), 32);
  EXPECT_EQ((*embedder)->max_tokens(), 9);
  EXPECT_EQ((*embedder)->space().size(), 64);
  const std::vector<absl::string_view> texts = {"a b", "", "ab"};
  const auto result = (*embedder)->Embed(texts, TextKind::kDocument);
  ASSERT_THAT(result, IsOk());
  ASSERT_EQ(result->texts.size(), 3);
  EXPECT_EQ(result->texts[0].tokens, (std::vector<int32_t>{1, 4, 6, 2}));
  EXPECT_EQ(result->texts[1].tokens, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(result->texts[2].tokens, (std::vector<int32_t>{1, 4, 7, 2}));
  ASSERT_EQ(result->vectors.size(), 3 * 32);
  for (size_t i = 0; i < 3; ++i) {
    double squares = 0;
    for (size_t j = 0; j < 32; ++j) {
      const double value = result->vectors[i * 32 + j];
      squares += value * value;
    }
    EXPECT_NEAR(squares, 1, 1e-6);
  }
}

TEST(ModelEmbedderTest, NoTextsAreNoVectors) {
  const EmbedderOr embedder = Create(TinyBert());
  ASSERT_THAT(embedder, IsOk());
  const auto result = (*embedder)->Embed({}, TextKind::kQuery);
  ASSERT_THAT(result, IsOk());
  EXPECT_TRUE(result->vectors.empty());
  EXPECT_TRUE(result->texts.empty());
}

TEST(ModelEmbedderTest, LongTextsAreCutAndReported) {
  const std::vector<absl::string_view> texts = {"a b c d e f g",
                                                "a b c d e f g h", "a b c"};
  const EmbedderOr whole = Create(TinyBert());
  const EmbedderOr shorter = Create(TinyBert(), {.max_tokens = 5});
  ASSERT_THAT(whole, IsOk());
  ASSERT_THAT(shorter, IsOk());
  const auto of_whole = (*whole)->Embed(texts, TextKind::kDocument);
  const auto of_shorter = (*shorter)->Embed(texts, TextKind::kDocument);
  ASSERT_THAT(of_whole, IsOk());
  ASSERT_THAT(of_shorter, IsOk());
  EXPECT_FALSE(of_whole->texts[0].truncated);
  EXPECT_TRUE(of_whole->texts[1].truncated);
  EXPECT_EQ(of_whole->texts[1].tokens.size(), 9);
  EXPECT_TRUE(of_shorter->texts[0].truncated);
  EXPECT_FALSE(of_shorter->texts[2].truncated);
  EXPECT_EQ(of_shorter->texts[2].tokens.size(), 5);
  // A text that fits both limits has the same vector under both.
  EXPECT_EQ(std::memcmp(&of_whole->vectors[2 * 32],
                        &of_shorter->vectors[2 * 32], 32 * sizeof(float)),
            0);
}

TEST(ModelEmbedderTest, InvalidUtf8IsRefusedByIndex) {
  const EmbedderOr embedder = Create(TinyBert());
  ASSERT_THAT(embedder, IsOk());
  const std::vector<absl::string_view> texts = {"a", "b", "\xff"};
  EXPECT_THAT((*embedder)->Embed(texts, TextKind::kDocument),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("text 2"), HasSubstr("UTF-8"))));
}

TEST(ModelEmbedderTest, MaxTokensOutsideTheModelIsRefused) {
  for (const size_t max_tokens : {size_t{1}, size_t{10}, SIZE_MAX}) {
    EXPECT_THAT(Create(TinyBert(), {.max_tokens = max_tokens}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(absl::StrCat(max_tokens)),
                               HasSubstr("want 2 to 9"))));
  }
}

TEST(ModelEmbedderTest, ClsPoolingDiffersFromMean) {
  TinyBert model;
  model.uints["bert.pooling_type"] = 2;
  const EmbedderOr cls = Create(model);
  model.uints.erase("bert.pooling_type");
  const EmbedderOr unsaid = Create(model);
  const EmbedderOr mean = Create(TinyBert());
  ASSERT_THAT(cls, IsOk());
  ASSERT_THAT(unsaid, IsOk());
  ASSERT_THAT(mean, IsOk());
  const absl::string_view text = "a b";
  EXPECT_NE((*cls)->Embed({&text, 1}, TextKind::kQuery)->vectors,
            (*mean)->Embed({&text, 1}, TextKind::kQuery)->vectors);
  EXPECT_EQ((*unsaid)->Embed({&text, 1}, TextKind::kQuery)->vectors,
            (*mean)->Embed({&text, 1}, TextKind::kQuery)->vectors);
  EXPECT_EQ((*unsaid)->space(), (*mean)->space());
}

std::vector<std::string> RandomTexts(size_t n, uint64_t seed) {
  Random random(seed);
  std::vector<std::string> texts(n);
  for (std::string& text : texts) {
    for (uint64_t words = random.Next() % 9; words > 0; --words) {
      text += static_cast<char>('a' + random.Next() % 26);
      text += random.Next() % 4 == 0 ? "" : " ";
    }
  }
  return texts;
}

TEST(ModelEmbedderTest, VectorsDoNotDependOnBatchOrThreads) {
  TinyBert model;
  for (auto& [name, tensor] : model.tensors) {
    if (tensor.shape.size() == 2 && name.substr(0, 3) == "blk") {
      tensor.type = GgmlType::kQ8_0;
    }
  }
  const std::vector<std::string> strings = RandomTexts(300, 7);
  const std::vector<absl::string_view> texts(strings.begin(), strings.end());
  for (const TinyBert& each : {TinyBert(), model}) {
    ForEachSimdTarget([&] {
      const EmbedderOr one = Create(each, {}, 1);
      const EmbedderOr four = Create(each, {}, 4);
      ASSERT_THAT(one, IsOk());
      ASSERT_THAT(four, IsOk());
      const auto want = (*one)->Embed(texts, TextKind::kDocument);
      ASSERT_THAT(want, IsOk());
      // Callers that compete for the same helpers.
      std::vector<absl::StatusOr<Embeddings>> got(
          3, absl::UnknownError("did not run"));
      std::vector<std::thread> callers;
      for (auto& result : got) {
        callers.emplace_back([&result, &four, &texts] {
          result = (*four)->Embed(texts, TextKind::kDocument);
        });
      }
      for (std::thread& caller : callers) caller.join();
      for (const auto& result : got) {
        ASSERT_THAT(result, IsOk());
        EXPECT_EQ(std::memcmp(result->vectors.data(), want->vectors.data(),
                              want->vectors.size() * sizeof(float)),
                  0);
      }
      for (size_t i = 0; i < texts.size(); i += 37) {
        const auto alone = (*one)->Embed({&texts[i], 1}, TextKind::kDocument);
        ASSERT_THAT(alone, IsOk());
        EXPECT_EQ(std::memcmp(alone->vectors.data(), &want->vectors[i * 32],
                              32 * sizeof(float)),
                  0)
            << i;
      }
    });
  }
}

TEST(ModelEmbedderTest, ExactVectorsDoNotDependOnBatchThreadsOrTarget) {
  TinyBert model;
  for (auto& [name, tensor] : model.tensors) {
    if (tensor.shape.size() == 2 && name.substr(0, 3) == "blk") {
      tensor.type = GgmlType::kQ8_0;
    }
  }
  // Together one group of tokens, which threads share; and of each alone.
  const std::vector<std::string> strings = RandomTexts(11, 9);
  const std::vector<absl::string_view> texts(strings.begin(), strings.end());
  for (const TinyBert& each : {TinyBert(), model}) {
    std::vector<float> first;
    ForEachSimdTarget([&] {
      for (const size_t threads : {1, 2, 4}) {
        EmbedderOptions options;
        options.exact = true;
        options.threads = threads;
        const EmbedderOr embedder = Create(each, options, 0);
        ASSERT_THAT(embedder, IsOk());
        const auto together = (*embedder)->Embed(texts, TextKind::kDocument);
        ASSERT_THAT(together, IsOk());
        if (first.empty()) first = together->vectors;
        ASSERT_EQ(together->vectors, first);
        for (size_t i = 0; i < texts.size(); ++i) {
          const auto alone =
              (*embedder)->Embed({&texts[i], 1}, TextKind::kDocument);
          ASSERT_THAT(alone, IsOk());
          ASSERT_EQ(alone->vectors,
                    std::vector<float>(first.begin() + i * 32,
                                       first.begin() + (i + 1) * 32));
        }
      }
    });
  }
}

TEST(ModelEmbedderTest, VectorsOfQueriesAreRememberedUnchanged) {
  const std::vector<absl::string_view> some = {"a b", "ab", "a b", ""};
  const std::vector<absl::string_view> more = {"b", "ab", "", "a"};
  EmbedderOptions forgetful;
  forgetful.query_cache_bytes = 0;
  const EmbedderOr remembers = Create(TinyBert());
  const EmbedderOr forgets = Create(TinyBert(), forgetful);
  ASSERT_THAT(remembers, IsOk());
  ASSERT_THAT(forgets, IsOk());
  for (const auto& texts : {some, more, some}) {
    const auto got = (*remembers)->Embed(texts, TextKind::kQuery);
    const auto want = (*forgets)->Embed(texts, TextKind::kQuery);
    ASSERT_THAT(got, IsOk());
    ASSERT_THAT(want, IsOk());
    EXPECT_EQ(got->vectors, want->vectors);
    ASSERT_EQ(got->texts.size(), texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(got->texts[i].tokens, want->texts[i].tokens);
      EXPECT_EQ(got->texts[i].truncated, want->texts[i].truncated);
    }
  }
}

TEST(ModelEmbedderTest, EveryTensorIsNeededInItsShape) {
  const TinyBert whole;
  for (const auto& [name, unused] : whole.tensors) {
    SCOPED_TRACE(name);
    TinyBert model;
    model.tensors.erase(name);
    EXPECT_THAT(Create(model),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("tiny.gguf"), HasSubstr(name),
                               HasSubstr("missing"))));
    if (name == "token_types.weight") continue;
    // One row less, or one value less of a vector.
    model = TinyBert();
    TinyBert::Tensor& tensor = model.tensors[name];
    const std::string want = absl::StrCat(tensor.shape.back(), "]");
    tensor.shape.back() -= 1;
    tensor.values.resize(tensor.values.size() -
                         (tensor.shape.size() == 1 ? 1 : tensor.shape[0]));
    EXPECT_THAT(
        Create(model),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 AllOf(HasSubstr(name), HasSubstr("shape"),
                       HasSubstr(absl::StrCat(tensor.shape.back(), "]")),
                       HasSubstr(want))));
  }
}

TEST(ModelEmbedderTest, NaNAndInfinityInAnyTensorAreRefused) {
  const TinyBert whole;
  for (const auto& [name, tensor] : whole.tensors) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                            -std::numeric_limits<float>::infinity()}) {
      TinyBert model;
      model.tensors[name].values.back() = bad;
      EXPECT_THAT(Create(model),
                  StatusIs(absl::StatusCode::kInvalidArgument,
                           AllOf(HasSubstr(name), HasSubstr("NaN"))))
          << name << " " << bad;
      if (tensor.shape.size() == 2) {
        model.tensors[name].type = GgmlType::kF16;
        model.tensors[name].values.back() = 65536 * 1.5f;  // Infinity there.
        EXPECT_THAT(Create(model), StatusIs(absl::StatusCode::kInvalidArgument,
                                            HasSubstr(name)))
            << name << " as F16";
      }
    }
  }
}

TEST(ModelEmbedderTest, InfiniteScalesOfBlocksAreRefused) {
  TinyBert model;
  model.tensors["blk.0.ffn_up.weight"].type = GgmlType::kQ8_0;
  ASSERT_THAT(Create(model), IsOk());
  std::string bytes = model.Build();
  const auto file = GgufFile::Parse(bytes, "tiny.gguf");
  ASSERT_THAT(file, IsOk());
  // The scale of the last block, found by its place in a parsed copy.
  const absl::string_view data = (*file)->Find("blk.0.ffn_up.weight")->data;
  const size_t at = bytes.find(std::string(data)) + data.size() - 34;
  for (const uint16_t bad : {0x7c00, 0xfc00, 0x7e01}) {
    std::memcpy(&bytes[at], &bad, sizeof(bad));
    const auto broken = GgufFile::Parse(bytes, "tiny.gguf");
    ASSERT_THAT(broken, IsOk());
    EXPECT_THAT(ModelEmbedder::Create(**broken, {}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("blk.0.ffn_up.weight")));
  }
}

TEST(ModelEmbedderTest, WeightsThatOverflowAreAnErrorNotNaN) {
  TinyBert model;
  for (float& value : model.tensors["blk.1.layer_output_norm.weight"].values) {
    value = 3e38f;
  }
  const EmbedderOr embedder = Create(model);
  ASSERT_THAT(embedder, IsOk());
  const std::vector<absl::string_view> texts = {"a", "b"};
  EXPECT_THAT((*embedder)->Embed(texts, TextKind::kDocument),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("tiny.gguf"), HasSubstr("overflow"))));
}

struct BrokenKey {
  const char* name;
  void (*change)(TinyBert* model);
  absl::StatusCode code;
  const char* message;  // Part of it.
};

class BrokenKeyTest : public ::testing::TestWithParam<BrokenKey> {};

TEST_P(BrokenKeyTest, IsRefusedByName) {
  TinyBert model;
  GetParam().change(&model);
  EXPECT_THAT(Create(model),
              StatusIs(GetParam().code, AllOf(HasSubstr("tiny.gguf"),
                                              HasSubstr(GetParam().message))));
}

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kUnimplemented = absl::StatusCode::kUnimplemented;

INSTANTIATE_TEST_SUITE_P(
    Keys, BrokenKeyTest,
    ::testing::Values(
        BrokenKey{"NoBlockCount",
                  [](TinyBert* m) { m->uints.erase("bert.block_count"); },
                  kInvalid, "bert.block_count"},
        BrokenKey{"NoBlocks",
                  [](TinyBert* m) { m->uints["bert.block_count"] = 0; },
                  kInvalid, "bert.block_count"},
        BrokenKey{
            "HugeBlockCount",
            [](TinyBert* m) { m->uints["bert.block_count"] = 4000000000; },
            kInvalid, "4000000000"},
        BrokenKey{
            "HugeDim",
            [](TinyBert* m) { m->uints["bert.embedding_length"] = 16385; },
            kInvalid, "16385"},
        BrokenKey{"NoDim",
                  [](TinyBert* m) { m->uints.erase("bert.embedding_length"); },
                  kInvalid, "bert.embedding_length"},
        BrokenKey{
            "NoFeedForward",
            [](TinyBert* m) { m->uints.erase("bert.feed_forward_length"); },
            kInvalid, "bert.feed_forward_length"},
        BrokenKey{
            "NoHeads",
            [](TinyBert* m) { m->uints["bert.attention.head_count"] = 0; },
            kInvalid, "bert.attention.head_count"},
        BrokenKey{
            "HeadsDoNotDivide",
            [](TinyBert* m) { m->uints["bert.attention.head_count"] = 3; },
            kInvalid, "3 attention heads"},
        BrokenKey{"NoContext",
                  [](TinyBert* m) { m->uints.erase("bert.context_length"); },
                  kInvalid, "bert.context_length"},
        BrokenKey{"ContextOfOne",
                  [](TinyBert* m) { m->uints["bert.context_length"] = 1; },
                  kInvalid, "bert.context_length"},
        BrokenKey{"LargerContextThanPositions",
                  [](TinyBert* m) { m->uints["bert.context_length"] = 10; },
                  kInvalid, "position_embd.weight"},
        BrokenKey{"NoEpsilon", [](TinyBert* m) { m->floats.clear(); }, kInvalid,
                  "layer_norm_epsilon"},
        BrokenKey{"NegativeEpsilon",
                  [](TinyBert* m) {
                    m->floats["bert.attention.layer_norm_epsilon"] = -1;
                  },
                  kInvalid, "layer_norm_epsilon"},
        BrokenKey{"NaNEpsilon",
                  [](TinyBert* m) {
                    m->floats["bert.attention.layer_norm_epsilon"] =
                        std::numeric_limits<float>::quiet_NaN();
                  },
                  kInvalid, "layer_norm_epsilon"},
        BrokenKey{"Causal",
                  [](TinyBert* m) { m->bools["bert.attention.causal"] = true; },
                  kUnimplemented, "causal"},
        BrokenKey{"NoPooling",
                  [](TinyBert* m) { m->uints["bert.pooling_type"] = 0; },
                  kUnimplemented, "bert.pooling_type"},
        BrokenKey{"RankPooling",
                  [](TinyBert* m) { m->uints["bert.pooling_type"] = 4; },
                  kUnimplemented,
                  "supported are 1 (mean), 2 (cls) and 3 (last)"},
        BrokenKey{
            "OtherTokenizer",
            [](TinyBert* m) { m->strings["tokenizer.ggml.model"] = "rwkv"; },
            kUnimplemented, "\"rwkv\""},
        BrokenKey{"NoTokenizer",
                  [](TinyBert* m) { m->strings.erase("tokenizer.ggml.model"); },
                  kInvalid, "tokenizer.ggml.model"},
        BrokenKey{"MoreTokensThanRows",
                  [](TinyBert* m) { m->tokens.push_back("more"); }, kInvalid,
                  "token_embd.weight"}),
    [](const ::testing::TestParamInfo<BrokenKey>& param) {
      return std::string(param.param.name);
    });

std::string SpaceOfModel(const TinyBert& model,
                         const EmbedderOptions& options = {}) {
  const EmbedderOr embedder = Create(model, options);
  EXPECT_THAT(embedder, IsOk());
  return embedder.ok() ? (*embedder)->space() : "";
}

TEST(BertSpaceTest, WhatDoesNotDecideVectorsDoesNotChangeIt) {
  const std::string space = SpaceOfModel(TinyBert());
  EXPECT_EQ(space.find_first_not_of("0123456789abcdef"), std::string::npos);
  TinyBert model;
  model.strings["general.name"] = "another";
  model.strings["general.license"] = "mit";
  model.strings["tokenizer.ggml.pre"] = "jina-v2";
  model.uints["general.file_type"] = 7;
  model.uints["tokenizer.ggml.mask_token_id"] = 3;
  EXPECT_EQ(SpaceOfModel(model), space);
  model.reverse_tensors = true;
  EXPECT_EQ(SpaceOfModel(model), space);
  model.tensors["pooler.weight"] = {{2}, {1, 2}};  // Not used.
  EXPECT_EQ(SpaceOfModel(model), space);
  model.bools["tokenizer.ggml.normalizer.lowercase"] = true;  // The default.
  model.bools["tokenizer.ggml.normalizer.strip_accents"] = true;
  EXPECT_EQ(SpaceOfModel(model), space);
  model.uints.erase("tokenizer.ggml.unknown_token_id");  // Found by its name.
  EXPECT_EQ(SpaceOfModel(model), space);
  EXPECT_EQ(SpaceOfModel(model, {.max_tokens = 9}), space);
}

TEST(BertSpaceTest, EverythingThatDecidesVectorsChangesIt) {
  std::set<std::string> spaces = {SpaceOfModel(TinyBert())};
  const auto expect_new = [&](const TinyBert& model,
                              const EmbedderOptions& options,
                              absl::string_view what) {
    EXPECT_TRUE(spaces.insert(SpaceOfModel(model, options)).second) << what;
  };
  const TinyBert whole;
  for (const auto& [name, tensor] : whole.tensors) {
    TinyBert model;
    model.tensors[name].values[0] += 1;
    expect_new(model, {}, name);
    if (tensor.shape.size() == 2 && name != "token_types.weight") {
      model = TinyBert();
      model.tensors[name].type = GgmlType::kF16;
      expect_new(model, {}, name + " as F16");
    }
  }
  TinyBert model;
  std::swap(model.tensors["blk.0.attn_q.bias"].values,
            model.tensors["blk.0.attn_k.bias"].values);
  expect_new(model, {}, "names of tensors");
  for (const auto& [key, value] : {std::pair{"bert.attention.head_count", 4u},
                                   {"bert.pooling_type", 2u},
                                   {"tokenizer.ggml.cls_token_id", 0u},
                                   {"tokenizer.ggml.seperator_token_id", 0u},
                                   {"tokenizer.ggml.unknown_token_id", 0u}}) {
    model = TinyBert();
    model.uints[key] = value;
    expect_new(model, {}, key);
  }
  model = TinyBert();
  model.floats["bert.attention.layer_norm_epsilon"] = 1e-5f;
  expect_new(model, {}, "epsilon");
  for (const char* flag : {"lowercase", "strip_accents"}) {
    model = TinyBert();
    model.bools[absl::StrCat("tokenizer.ggml.normalizer.", flag)] = false;
    // Without lower case, accents stay as well unless told otherwise.
    model.bools.emplace("tokenizer.ggml.normalizer.strip_accents", true);
    expect_new(model, {}, flag);
  }
  model = TinyBert();
  std::swap(model.tokens[10], model.tokens[11]);
  expect_new(model, {}, "order of tokens");
  model = TinyBert();
  model.tokens[20] += "x";
  expect_new(model, {}, "text of a token");
  expect_new(TinyBert(), {.max_tokens = 8}, "max_tokens");
}

}  // namespace
}  // namespace corkscrew
