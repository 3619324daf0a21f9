// Models as users have them, against the float64 forward pass of the float32
// weights.

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/golden_vectors.h"
#include "embed/model_embedder.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::Agreement;
using ::corkscrew::testing::CompareWithGoldens;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::ReadGoldenVectors;

Agreement AgreementOf(absl::string_view model, size_t max_tokens,
                      bool exact = false) {
  const auto file =
      GgufFile::Open(absl::StrCat(CORKSCREW_DATA_DIR, "/models/", model));
  EXPECT_THAT(file, IsOk());
  if (!file.ok()) return {};
  EmbedderOptions options;
  options.max_tokens = max_tokens;
  options.exact = exact;
  const auto embedder = ModelEmbedder::Create(**file, options);
  EXPECT_THAT(embedder, IsOk());
  if (!embedder.ok()) return {};
  const auto goldens = ReadGoldenVectors(
      absl::StrCat(CORKSCREW_SOURCE_DIR,
                   "/tests/testdata/models/all-MiniLM-L6-v2.golden.jsonl"));
  return CompareWithGoldens(**embedder, goldens, max_tokens == 256);
}

TEST(MiniLmTest, F16IsTheFloatModel) {
  const Agreement agreement = AgreementOf("all-MiniLM-L6-v2-F16.gguf", 0);
  EXPECT_EQ(agreement.rows, 64);
  EXPECT_GE(agreement.least, 0.99999);
}

TEST(MiniLmTest, F16CutAt256IsTheFloatModelCutThere) {
  const Agreement agreement = AgreementOf("all-MiniLM-L6-v2-F16.gguf", 256);
  EXPECT_GE(agreement.rows, 1);
  EXPECT_GE(agreement.least, 0.99999);
}

TEST(MiniLmTest, Q8IsCloseToTheFloatModel) {
  const Agreement agreement = AgreementOf("all-MiniLM-L6-v2-Q8_0.gguf", 0);
  EXPECT_EQ(agreement.rows, 64);
  EXPECT_GE(agreement.least, 0.998);
  EXPECT_GE(agreement.mean, 0.9993);
}

TEST(MiniLmTest, ExactQ8IsOnlyAsFarAsItsWeightsAre) {
  const Agreement agreement =
      AgreementOf("all-MiniLM-L6-v2-Q8_0.gguf", 0, /*exact=*/true);
  EXPECT_EQ(agreement.rows, 64);
  EXPECT_GE(agreement.least, 0.9994);
  EXPECT_GE(agreement.mean, 0.9997);
}

TEST(MiniLmTest, Q8CutAt256IsCloseToTheFloatModelCutThere) {
  const Agreement agreement = AgreementOf("all-MiniLM-L6-v2-Q8_0.gguf", 256);
  EXPECT_GE(agreement.rows, 1);
  EXPECT_GE(agreement.least, 0.999);
}

}  // namespace
}  // namespace corkscrew
