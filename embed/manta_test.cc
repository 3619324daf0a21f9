// Sealed `.mll` embedding models against vectors of their own runtime.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/random.h"
#include "base/testing.h"
#include "corkscrew/embedder.h"
#include "embed/manta_embedder.h"
#include "embed/mll_contents.h"
#include "embed/mll_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace corkscrew {
namespace {

using ::corkscrew::testing::ForEachSimdTarget;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::HasSubstr;
using Json = nlohmann::json;

std::string DataPath(absl::string_view name) {
  return absl::StrCat(CORKSCREW_DATA_DIR, "/data/mll/", name);
}

std::string ReadBytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.is_open()) << path;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Json Goldens() {
  return Json::parse(
      ReadBytes(DataPath("manta-golden-d32.golden.json")))["results"];
}

std::shared_ptr<const MllFile> Open(absl::string_view name) {
  auto file = MllFile::Parse(ReadBytes(DataPath(name)), name);
  EXPECT_THAT(file, IsOk());
  return file.ok() ? *std::move(file) : nullptr;
}

// The largest difference of a coordinate from the goldens; ids must be equal.
double LargestDifference(const MantaEmbedder& embedder) {
  double largest = 0;
  for (const Json& golden : Goldens()) {
    const std::string text = golden["text"];
    const absl::string_view view = text;
    const auto result = embedder.Embed({&view, 1}, TextKind::kDocument);
    EXPECT_THAT(result, IsOk());
    EXPECT_EQ(result->texts[0].tokens,
              golden["tokens"].get<std::vector<int32_t>>())
        << text;
    const std::vector<double> want = golden["embedding"];
    EXPECT_EQ(result->vectors.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      largest = std::max(largest, std::abs(result->vectors[i] - want[i]));
    }
  }
  return largest;
}

TEST(MantaTest, ModelsOfTheFirstGenerationHaveTheGoldenVectors) {
  const auto file = Open("manta-golden-d32.sealed.mll");
  ASSERT_NE(file, nullptr);
  ForEachSimdTarget([&] {
    const auto embedder = MantaEmbedder::Create(*file, {});
    ASSERT_THAT(embedder, IsOk());
    EXPECT_EQ((*embedder)->dim(), 32u);
    EXPECT_EQ((*embedder)->max_tokens(), 64u);
    EXPECT_LE(LargestDifference(**embedder), 1e-6);
  });
}

TEST(MantaTest, PackedWeightsAreTheSameModel) {
  const auto sealed = Open("manta-golden-d32.sealed.mll");
  const auto packed = Open("manta-golden-d32.packed-q8.mll");
  ASSERT_TRUE(sealed != nullptr && packed != nullptr);
  const auto want = MantaEmbedder::Create(*sealed, {}, MantaSpaces::kUnknown);
  const auto got = MantaEmbedder::Create(*packed, {}, MantaSpaces::kUnknown);
  ASSERT_THAT(want, IsOk());
  ASSERT_THAT(got, IsOk());
  EXPECT_LE(LargestDifference(**got), 1e-6);
  EXPECT_EQ((*got)->space(), (*want)->space());
}

TEST(MantaTest, FourBitWeightsAreNear) {
  const auto sealed = Open("manta-golden-d32.sealed.mll");
  const auto packed = Open("manta-golden-d32.packed-q4.mll");
  ASSERT_TRUE(sealed != nullptr && packed != nullptr);
  const auto got = MantaEmbedder::Create(*packed, {}, MantaSpaces::kUnknown);
  ASSERT_THAT(got, IsOk());
  const double difference = LargestDifference(**got);
  EXPECT_GT(difference, 1e-4);  // It is another model, though of the same kind.
  EXPECT_LT(difference, 0.3);
}

TEST(MantaTest, PackedModelsDropSpaces) {
  const auto packed = Open("manta-golden-d32.packed-q8.mll");
  ASSERT_NE(packed, nullptr);
  const auto embedder = MantaEmbedder::Create(*packed, {});
  ASSERT_THAT(embedder, IsOk());
  for (const Json& golden : Goldens()) {
    std::vector<int32_t> want;
    const std::string text = golden["text"];
    if (absl::StrContains(text, "\xE4\xBD\xA0")) continue;  // Really unknown.
    for (const int32_t id : golden["tokens"]) {
      if (id != 3) want.push_back(id);
    }
    EXPECT_EQ((*embedder)->tokenizer().Encode(text, 64).tokens, want);
  }
}

TEST(MantaTest, TextsAreCutWithTheLastTokenKept) {
  const auto file = Open("manta-golden-d32.sealed.mll");
  ASSERT_NE(file, nullptr);
  const auto embedder = MantaEmbedder::Create(*file, {.max_tokens = 5});
  ASSERT_THAT(embedder, IsOk());
  const absl::string_view text = "the boundary layer";
  const auto result = (*embedder)->Embed({&text, 1}, TextKind::kQuery);
  ASSERT_THAT(result, IsOk());
  EXPECT_TRUE(result->texts[0].truncated);
  EXPECT_EQ(result->texts[0].tokens, (std::vector<int32_t>{1, 42, 3, 171, 2}));
  EXPECT_THAT(
      MantaEmbedder::Create(*file, {.max_tokens = 65}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("want 2 to 64")));
}

// Texts of 0 to 60 words from a seed.
std::vector<std::string> RandomTexts(size_t n, uint64_t seed) {
  constexpr absl::string_view kWords[] = {"the",   "boundary", "layer", "CAT",
                                          "x-ray", "a",        "42",    "of"};
  Random random(seed);
  std::vector<std::string> texts(n);
  for (std::string& text : texts) {
    for (uint64_t words = random.Next() % 61; words > 0; --words) {
      absl::StrAppend(&text, kWords[random.Next() % std::size(kWords)], " ");
    }
  }
  return texts;
}

// The vectors of `texts`, in one call and one by one, must be the same bytes.
std::vector<float> VectorsOf(const MllFile& file,
                             absl::Span<const absl::string_view> texts,
                             const EmbedderOptions& options) {
  const auto embedder = MantaEmbedder::Create(file, options);
  EXPECT_THAT(embedder, IsOk());
  if (!embedder.ok()) return {};
  const auto together = (*embedder)->Embed(texts, TextKind::kDocument);
  EXPECT_THAT(together, IsOk());
  std::vector<float> apart;
  for (const absl::string_view text : texts) {
    const auto one = (*embedder)->Embed({&text, 1}, TextKind::kDocument);
    EXPECT_THAT(one, IsOk());
    apart.insert(apart.end(), one->vectors.begin(), one->vectors.end());
  }
  EXPECT_EQ(apart, together->vectors);
  return apart;
}

TEST(MantaTest, ATextHasTheSameBytesInAnyBatchAndOnAnyNumberOfThreads) {
  const auto file = Open("manta-golden-d32.packed-q8.mll");
  ASSERT_NE(file, nullptr);
  const std::vector<std::string> strings = RandomTexts(17, 3);
  const std::vector<absl::string_view> texts(strings.begin(), strings.end());
  ForEachSimdTarget([&] {
    for (const bool exact : {false, true}) {
      const std::vector<float> one =
          VectorsOf(*file, texts, {.threads = 1, .exact = exact});
      EXPECT_EQ(VectorsOf(*file, texts, {.threads = 2, .exact = exact}), one);
      EXPECT_EQ(VectorsOf(*file, texts, {.threads = 5, .exact = exact}), one);
    }
  });
}

TEST(MantaTest, ExactVectorsAreTheSameBytesOnEveryInstructionSet) {
  const std::vector<std::string> strings = RandomTexts(9, 4);
  const std::vector<absl::string_view> texts(strings.begin(), strings.end());
  for (const char* name :
       {"manta-golden-d32.sealed.mll", "manta-golden-d32.packed-q4.mll"}) {
    const auto file = Open(name);
    ASSERT_NE(file, nullptr);
    std::vector<float> first;
    ForEachSimdTarget([&] {
      const std::vector<float> vectors =
          VectorsOf(*file, texts, {.exact = true});
      if (first.empty()) first = vectors;
      EXPECT_EQ(vectors, first) << name;
    });
  }
}

TEST(MantaTest, ExactVectorsAreTheGoldenOnes) {
  const auto file = Open("manta-golden-d32.sealed.mll");
  ASSERT_NE(file, nullptr);
  const auto embedder = MantaEmbedder::Create(*file, {.exact = true});
  ASSERT_THAT(embedder, IsOk());
  EXPECT_LE(LargestDifference(**embedder), 1e-6);
}

TEST(MantaTest, QueriesAreRememberedUnchanged) {
  const auto file = Open("manta-golden-d32.sealed.mll");
  ASSERT_NE(file, nullptr);
  const auto embedder = MantaEmbedder::Create(*file, {});
  const auto forgets = MantaEmbedder::Create(*file, {.query_cache_bytes = 0});
  ASSERT_THAT(embedder, IsOk());
  ASSERT_THAT(forgets, IsOk());
  const std::vector<absl::string_view> texts = {"the layer", "", "the layer"};
  std::vector<float> first;
  for (int round = 0; round < 3; ++round) {
    const auto got = (*embedder)->Embed(texts, TextKind::kQuery);
    const auto want = (*forgets)->Embed(texts, TextKind::kQuery);
    ASSERT_THAT(got, IsOk());
    ASSERT_THAT(want, IsOk());
    EXPECT_EQ(got->vectors, want->vectors);
    EXPECT_EQ(got->texts[2].tokens, want->texts[2].tokens);
  }
  EXPECT_GT((*embedder)->query_memory_bytes(), 2 * 32 * sizeof(float));
  EXPECT_EQ((*forgets)->query_memory_bytes(), 0u);
}

TEST(MantaTest, AFileThatChangesAfterwardsChangesNothing) {
  for (const char* name :
       {"manta-golden-d32.sealed.mll", "manta-golden-d32.packed-q8.mll"}) {
    const testing::TempDir dir;
    const std::string path = dir.path() + "/model.mll";
    std::filesystem::copy_file(DataPath(name), path);
    const auto embedder = LoadEmbedder(path);
    ASSERT_THAT(embedder, IsOk());
    const std::vector<absl::string_view> texts = {"the boundary", "layer"};
    const auto want = (*embedder)->Embed(texts, TextKind::kDocument);
    ASSERT_THAT(want, IsOk());
    for (const size_t size : {size_t{5000}, size_t{0}}) {
      std::filesystem::resize_file(path, size);
      const auto got = (*embedder)->Embed(texts, TextKind::kDocument);
      ASSERT_THAT(got, IsOk());
      EXPECT_EQ(got->vectors, want->vectors);
      EXPECT_THAT(
          LoadEmbedder(path),
          StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path)));
    }
  }
}

TEST(MantaTest, WhatIsNoSealedModelIsRefusedByName) {
  const auto file = Open("tiny_embed.mllb");
  ASSERT_NE(file, nullptr);
  EXPECT_THAT(MantaEmbedder::Create(*file, {}),
              StatusIs(absl::StatusCode::kUnimplemented,
                       HasSubstr("tiny_embed.mllb: has no section \"XMTA\"")));
}

TEST(MantaTest, LoadEmbedderKnowsTheFormat) {
  const auto embedder =
      LoadEmbedder(DataPath("manta-golden-d32.packed-q8.mll"));
  ASSERT_THAT(embedder, IsOk());
  EXPECT_EQ((*embedder)->dim(), 32u);
}

TEST(MllFilesTest, AllFilesOfTheDataAreValid) {
  size_t files = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(DataPath(""))) {
    if (entry.path().extension() != ".mll") continue;
    const auto file = MllFile::Parse(ReadBytes(entry.path().string()), "x");
    ASSERT_THAT(file, IsOk()) << entry.path();
    EXPECT_THAT(MllContents::Read(**file), IsOk()) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 17u);
}

}  // namespace
}  // namespace corkscrew
