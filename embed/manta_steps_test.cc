// The fused encoder of `.mll` models against its steps, one by one.

#include "embed/manta_steps.h"

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "corkscrew/embedder.h"
#include "embed/manta_embedder.h"
#include "embed/mll_file.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::RunMantaSteps;
using Json = nlohmann::json;

std::string ReadBytes(absl::string_view name) {
  std::ifstream in(absl::StrCat(CORKSCREW_DATA_DIR, "/data/mll/", name),
                   std::ios::binary);
  EXPECT_TRUE(in.is_open()) << name;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

TEST(MantaStepsTest, StepsOneByOneReachTheGoldenVectors) {
  const auto file =
      MllFile::Parse(ReadBytes("manta-golden-d32.sealed.mll"), "x");
  ASSERT_THAT(file, IsOk());
  const Json goldens =
      Json::parse(ReadBytes("manta-golden-d32.golden.json"))["results"];
  ASSERT_EQ(goldens.size(), 9u);
  for (const Json& golden : goldens) {
    const auto vector =
        RunMantaSteps(**file, golden["tokens"].get<std::vector<int32_t>>());
    ASSERT_THAT(vector, IsOk());
    const std::vector<double> want = golden["embedding"];
    ASSERT_EQ(vector->size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_NEAR((*vector)[i], want[i], 1e-6);
    }
  }
}

TEST(MantaStepsTest, TheFusedEncoderIsItsSteps) {
  constexpr absl::string_view kWords[] = {
      "the", "boundary",          "layer", "a",           "CAT",
      "42",  "\xC3\xA9t\xC3\xA9", "x-ray", "\xE4\xBD\xA0"};
  for (const char* name :
       {"manta-golden-d32.sealed.mll", "manta-golden-d32.packed-q8.mll",
        "manta-golden-d32.packed-q4.mll"}) {
    const auto file = MllFile::Parse(ReadBytes(name), name);
    ASSERT_THAT(file, IsOk());
    const auto embedder = MantaEmbedder::Create(**file, {});
    ASSERT_THAT(embedder, IsOk());
    uint64_t state = 1;
    for (size_t words = 0; words < 40; words += 3) {
      std::string text;
      for (size_t i = 0; i < words; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        absl::StrAppend(&text, kWords[(state >> 33) % std::size(kWords)], " ");
      }
      const absl::string_view view = text;
      const auto is = (*embedder)->Embed({&view, 1}, TextKind::kDocument);
      ASSERT_THAT(is, IsOk());
      const auto want = RunMantaSteps(**file, is->texts[0].tokens);
      ASSERT_THAT(want, IsOk());
      for (size_t i = 0; i < want->size(); ++i) {
        EXPECT_NEAR(is->vectors[i], (*want)[i], 1e-6) << name << ": " << text;
      }
    }
  }
}

}  // namespace
}  // namespace corkscrew
