// LoadEmbedder(), and the shipped model from texts to vectors.

#include "corkscrew/embedder.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/testing.h"
#include "embed/gguf.h"
#include "embed/golden_vectors.h"
#include "embed/model_embedder.h"
#include "embed/tiny_bert.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::Agreement;
using ::corkscrew::testing::CompareWithGoldens;
using ::corkscrew::testing::GoldenVector;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::kLiteralSpecials;
using ::corkscrew::testing::ReadGoldenVectors;
using ::corkscrew::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string SourcePath(absl::string_view path) {
  return absl::StrCat(CORKSCREW_SOURCE_DIR, "/", path);
}

absl::StatusOr<std::shared_ptr<const ModelEmbedder>> Load(
    const std::string& path, const EmbedderOptions& options) {
  absl::StatusOr<std::shared_ptr<const GgufFile>> file = GgufFile::Open(path);
  if (!file.ok()) return file.status();
  return ModelEmbedder::Create(**file, options);
}

const std::string& DefaultModelPath() {
  static const auto* const kPath =
      new std::string(SourcePath("models/corkscrew-default-1.gguf"));
  return *kPath;
}

std::vector<GoldenVector> DefaultModelGoldens() {
  return ReadGoldenVectors(
      SourcePath("tests/testdata/models/corkscrew-default-1.golden.jsonl"));
}

TEST(DefaultModelTest, AgreesWithItsGoldens) {
  const auto embedder = Load(DefaultModelPath(), {});
  ASSERT_THAT(embedder, IsOk());
  EXPECT_EQ((*embedder)->dim(), 384);
  EXPECT_EQ((*embedder)->max_tokens(), 512);
  const auto goldens = DefaultModelGoldens();
  ASSERT_EQ(goldens.size(), 64);
  const Agreement agreement = CompareWithGoldens(**embedder, goldens);
  EXPECT_GE(agreement.least, 0.998);
  EXPECT_GE(agreement.mean, 0.9995);
}

// Computed by an independent program from docs/embedding.md. It may never
// change: collections hold it.
TEST(DefaultModelTest, HasItsSpace) {
  const auto embedder = LoadEmbedder(DefaultModelPath());
  ASSERT_THAT(embedder, IsOk());
  EXPECT_EQ((*embedder)->space(),
            "5799b600c7cd2794009ee0ee4e406cdfe1d4cd1f4f730431e85245cd66c3c470");
  const auto shorter = LoadEmbedder(DefaultModelPath(), {.max_tokens = 256});
  ASSERT_THAT(shorter, IsOk());
  EXPECT_NE((*shorter)->space(), (*embedder)->space());
}

TEST(DefaultModelTest, SaysWhichTextsAreTooLong) {
  const auto goldens = DefaultModelGoldens();
  const auto embedder = LoadEmbedder(DefaultModelPath(), {.max_tokens = 64});
  ASSERT_THAT(embedder, IsOk());
  std::vector<std::string> texts;
  for (size_t i = 0; i < goldens.size(); i += 3) {
    texts.push_back(goldens[i].text);
  }
  texts.push_back(goldens.back().text);
  const std::vector<absl::string_view> views(texts.begin(), texts.end());
  const auto result = (*embedder)->Embed(views, TextKind::kDocument);
  ASSERT_THAT(result, IsOk());
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto& golden =
        i * 3 < goldens.size() ? goldens[i * 3] : goldens.back();
    const size_t full = golden.ids.size();
    if (i * 3 == kLiteralSpecials) continue;
    EXPECT_EQ(result->texts[i].truncated, full > 64) << texts[i];
    EXPECT_EQ(result->texts[i].tokens.size(), std::min<size_t>(full, 64));
  }
}

TEST(LoadEmbedderTest, AMissingFileIsNotFound) {
  EXPECT_THAT(LoadEmbedder("/nonexistent/model.gguf"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("/nonexistent/model.gguf")));
}

TEST(LoadEmbedderTest, ADirectoryIsNoModel) {
  const testing::TempDir dir;
  EXPECT_THAT(
      LoadEmbedder(dir.path()),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(dir.path())));
}

absl::Status LoadBytes(absl::string_view bytes) {
  const testing::TempDir dir;
  const std::string path = dir.path() + "/model";
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const auto embedder = LoadEmbedder(path);
  if (!embedder.ok()) {
    EXPECT_THAT(embedder.status().message(), HasSubstr(path));
  }
  return embedder.status();
}

// A token table and nothing else.
std::string StaticModel() {
  testing::TinyBert model;
  model.strings["general.architecture"] = "static";
  const auto uints = model.uints;
  for (const auto& [key, value] : uints) {
    if (absl::StartsWith(key, "bert.")) {
      model.uints[absl::StrCat("static", key.substr(4))] = value;
    }
  }
  const auto table = model.tensors.at("token_embd.weight");
  model.tensors = {{"token_embd.weight", table}};
  return model.Build();
}

std::vector<float> VectorsOf(const Embedder& embedder) {
  const std::vector<absl::string_view> texts = {"a b", "", "ab a"};
  const auto result = embedder.Embed(texts, TextKind::kDocument);
  EXPECT_THAT(result, IsOk());
  return result.ok() ? result->vectors : std::vector<float>();
}

// Nothing is read from the file after loading: were it mapped, the first change
// would end the process (SIGBUS) and the second one change the vectors.
TEST(LoadEmbedderTest, AFileThatChangesAfterwardsChangesNothing) {
  testing::TinyBert quantized;
  quantized.tensors.at("token_embd.weight").type = GgmlType::kQ8_0;
  for (const std::string& bytes :
       {testing::TinyBert().Build(), quantized.Build(), StaticModel()}) {
    const testing::TempDir dir;
    const std::string path = dir.path() + "/model";
    const auto write = [&](const std::string& content) {
      std::ofstream(path, std::ios::binary) << content;  // In place.
    };
    write(bytes);
    const auto embedder = LoadEmbedder(path);
    ASSERT_THAT(embedder, IsOk());
    const std::vector<float> want = VectorsOf(**embedder);
    ASSERT_FALSE(want.empty());
    write("");
    EXPECT_EQ(VectorsOf(**embedder), want);
    write(std::string(bytes.size(), '\xff'));
    EXPECT_EQ(VectorsOf(**embedder), want);
    EXPECT_THAT(LoadEmbedder(path),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path)));
    ASSERT_EQ(std::remove(path.c_str()), 0);
    EXPECT_EQ(VectorsOf(**embedder), want);
  }
}

TEST(LoadEmbedderTest, ContentDecidesTheFormatNotTheName) {
  EXPECT_THAT(LoadBytes(testing::TinyBert().Build()), IsOk());
  for (const absl::string_view bytes : {"", "G", "GGUF", "plain text", "MLL"}) {
    EXPECT_THAT(LoadBytes(bytes),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("")))
        << bytes;
  }
}

TEST(LoadEmbedderTest, OtherFormatsAndArchitecturesAreNamed) {
  const auto expect_named = [](absl::string_view bytes, const char* what) {
    EXPECT_THAT(LoadBytes(bytes),
                StatusIs(absl::StatusCode::kUnimplemented,
                         AllOf(HasSubstr(what), HasSubstr("supported are"))));
  };
  expect_named("PK\x03\x04........", "PyTorch");
  expect_named("lmgg....", "GGML");
  expect_named("tjgg....", "GGML");
  expect_named(absl::string_view("\x10\0\0\0\0\0\0\0{\"a\":1}", 15),
               "safetensors");
  testing::TinyBert model;
  model.strings["general.architecture"] = "t5encoder";
  expect_named(model.Build(),
               "\"t5encoder\", supported are bert, gemma-embedding");
  model.strings.erase("general.architecture");
  EXPECT_THAT(LoadBytes(model.Build()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("general.architecture")));
}

}  // namespace
}  // namespace corkscrew
