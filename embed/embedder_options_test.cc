// What EmbedderOptions change about an embedder, and formats that others add.

#include <cmath>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "corkscrew/embedder.h"
#include "corkscrew/query_memory.h"
#include "embed/builtin_embedder.h"
#include "embed/tiny_bert.h"
#include "embed/vector_cut.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::corkscrew::testing::TinyBert;
using ::testing::HasSubstr;

std::vector<float> Embed(const Embedder& embedder, absl::string_view text,
                         TextKind kind = TextKind::kDocument) {
  const auto embeddings = embedder.Embed({&text, 1}, kind);
  EXPECT_THAT(embeddings, IsOk());
  return embeddings.ok() ? embeddings->vectors : std::vector<float>();
}

std::shared_ptr<const Embedder> Load(const TinyBert& bert,
                                     const EmbedderOptions& options = {}) {
  auto embedder = LoadEmbedderFromBytes(bert.Build(), "x.gguf", options);
  EXPECT_THAT(embedder, IsOk());
  return embedder.ok() ? *embedder : nullptr;
}

TEST(EmbedderOptionsTest, ACutVectorIsTheBeginningScaledToUnitLength) {
  const auto whole = Load(TinyBert());
  for (const size_t dim : {1, 2, 7, 31}) {
    const auto cut = Load(TinyBert(), {.dim = dim});
    EXPECT_EQ(cut->dim(), dim);
    EXPECT_NE(cut->space(), whole->space());
    const std::vector<float> want = Embed(*whole, "hello world");
    const std::vector<float> is = Embed(*cut, "hello world");
    ASSERT_EQ(is.size(), dim);
    double squares = 0;
    for (size_t i = 0; i < dim; ++i) squares += double{want[i]} * want[i];
    for (size_t i = 0; i < dim; ++i) {
      EXPECT_NEAR(is[i], want[i] / std::sqrt(squares), 1e-6);
    }
  }
}

TEST(EmbedderOptionsTest, AllCoordinatesAreTheSameSpaceAsNoCut) {
  EXPECT_EQ(Load(TinyBert(), {.dim = 32})->space(), Load(TinyBert())->space());
  EXPECT_THAT(LoadEmbedderFromBytes(TinyBert().Build(), "x.gguf", {.dim = 33}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("x.gguf: dim is 33, want at most 32")));
}

TEST(EmbedderOptionsTest, SomeModelsAreCentredBeforeTheyAreCut) {
  TinyBert bert;
  bert.strings["general.name"] = "nomic-embed-text-v1.5";
  const EmbedderOptions options = {
      .dim = 4, .query_prompt = "", .document_prompt = ""};
  const auto whole = Load(bert, {.query_prompt = "", .document_prompt = ""});
  const std::vector<float> full = Embed(*whole, "hello world");
  double mean = 0;
  for (const float value : full) mean += value / 32.0;
  double squares = 0;
  for (size_t i = 0; i < 4; ++i) {
    squares += (full[i] - mean) * (full[i] - mean);
  }
  const std::vector<float> cut = Embed(*Load(bert, options), "hello world");
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(cut[i], (full[i] - mean) / std::sqrt(squares), 1e-5);
  }
}

TEST(EmbedderOptionsTest, PromptsOfOptionsReplaceTheKnownOnes) {
  TinyBert bert;
  bert.strings["general.name"] = "e5-small";
  const auto known = Load(bert);
  const auto none = Load(bert, {.query_prompt = "", .document_prompt = ""});
  const auto own = Load(bert, {.query_prompt = "hello "});
  EXPECT_NE(known->space(), none->space());
  EXPECT_NE(known->space(), own->space());
  EXPECT_EQ(Embed(*known, "world", TextKind::kQuery),
            Embed(*none, "query: world", TextKind::kQuery));
  EXPECT_EQ(Embed(*own, "world", TextKind::kQuery),
            Embed(*none, "hello world", TextKind::kQuery));
  EXPECT_EQ(Embed(*own, "world"), Embed(*known, "world"));
  EXPECT_EQ(
      Load(bert, {.query_prompt = "query: ", .document_prompt = "passage: "})
          ->space(),
      known->space());
  EXPECT_THAT(
      LoadEmbedderFromBytes(bert.Build(), "x.gguf", {.query_prompt = "\xff"}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("UTF-8")));
}

TEST(QueryMemoryTest, AnEmbedderTellsHowMuchOfItsQueriesItRemembers) {
  const auto embedder = Load(TinyBert(), {.query_cache_bytes = 10000});
  const auto* memory = dynamic_cast<const QueryMemory*>(embedder.get());
  ASSERT_NE(memory, nullptr);
  EXPECT_EQ(memory->query_memory_bytes(), 0u);
  Embed(*embedder, "hello");
  EXPECT_EQ(memory->query_memory_bytes(), 0u);  // A document.
  Embed(*embedder, "hello", TextKind::kQuery);
  const size_t one = memory->query_memory_bytes();
  EXPECT_GT(one, embedder->dim() * sizeof(float));
  Embed(*embedder, "hello", TextKind::kQuery);
  EXPECT_EQ(memory->query_memory_bytes(), one);
  for (int i = 0; i < 200; ++i) {
    Embed(*embedder, absl::StrCat("hello ", i), TextKind::kQuery);
  }
  EXPECT_GT(memory->query_memory_bytes(), one);
  EXPECT_LE(memory->query_memory_bytes(), 10000u);
}

TEST(VectorCutTest, NumbersThatAreNotFiniteAreFoundAlsoWhereTheyAreLeftAway) {
  const auto cut = VectorCut::Create("x", 4, 2, false);
  ASSERT_THAT(cut, IsOk());
  float out[2];
  const float bad[] = {1, 2, 3, NAN};
  EXPECT_FALSE(cut->Apply(bad, out));
  const float zero[] = {0, 0, 3, 4};
  EXPECT_TRUE(cut->Apply(zero, out));
  EXPECT_EQ(out[0], 0);
}

TEST(ModelFormatTest, AFormatThatWasAddedIsFoundByItsContent) {
  const ModelFormat format = {
      .name = "hash",
      .suffix = ".hash",
      .matches =
          [](absl::string_view head) { return absl::StartsWith(head, "HASH"); },
      .load = [](const std::string&, absl::string_view, const EmbedderOptions&)
          -> absl::StatusOr<std::shared_ptr<const Embedder>> {
        return BuiltinEmbedder();
      }};
  ASSERT_THAT(RegisterModelFormat(format), IsOk());
  EXPECT_THAT(RegisterModelFormat(format),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("hash")));
  const auto embedder = LoadEmbedderFromBytes("HASH 1", "x");
  ASSERT_THAT(embedder, IsOk());
  EXPECT_EQ((*embedder)->space(), BuiltinEmbedder()->space());
  ModelFormat bad = format;
  bad.suffix = "../x";
  EXPECT_THAT(
      RegisterModelFormat(bad),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("suffix")));
}

TEST(ModelFormatTest, WhatIsNoModelIsRefusedByName) {
  EXPECT_THAT(
      LoadEmbedderFromBytes("", "empty.gguf"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty.gguf")));
  EXPECT_THAT(
      LoadEmbedderFromBytes("\x08", "x.safetensors"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("x.safetensors")));
  EXPECT_THAT(
      LoadEmbedderFromBytes(std::string("\x08\0\0\0\0\0\0\0{\"a\":1}", 15),
                            "x"),
      StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("safetensors")));
}

}  // namespace
}  // namespace corkscrew
