#include "embed/builtin_embedder.h"

#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "corkscrew/embedder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::HasSubstr;

TEST(BuiltinEmbedderTest, HasTheVectorsOfTheFirstCorkScrewDb) {
  std::ifstream in(absl::StrCat(CORKSCREW_SOURCE_DIR,
                                "/tests/testdata/models/builtin.golden.json"));
  const nlohmann::json goldens = nlohmann::json::parse(in);
  EXPECT_EQ(goldens.size(), 8u);
  for (const auto& golden : goldens) {
    const std::string text = golden["text"];
    const absl::string_view view = text;
    const auto result =
        BuiltinEmbedder()->Embed({&view, 1}, TextKind::kDocument);
    ASSERT_THAT(result, IsOk());
    const std::vector<double> want = golden["embedding"];
    ASSERT_EQ(result->vectors.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_NEAR(result->vectors[i], want[i], 1e-7) << text << " " << i;
    }
  }
}

TEST(BuiltinEmbedderTest, InvalidUtf8IsRefusedByIndex) {
  const std::vector<absl::string_view> texts = {"a", "\xFF"};
  EXPECT_THAT(
      BuiltinEmbedder()->Embed(texts, TextKind::kQuery),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("text 1 of 2")));
}

TEST(BuiltinEmbedderTest, EveryRegistryOfModelFilesHasIt) {
  const auto embedder = ModelDirectories({})->Find(kBuiltinModel);
  ASSERT_THAT(embedder, IsOk());
  EXPECT_EQ((*embedder)->dim(), 384u);
  EXPECT_EQ((*embedder)->space(), BuiltinEmbedder()->space());
}

}  // namespace
}  // namespace corkscrew
