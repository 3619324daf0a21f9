#include "embed/architecture.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "embed/arch_files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::string_view kWhole = R"(architecture = "x"
norm = "rms"
norm_bias = false
pooling = "last"

[input]
token = "token_embd"
type = "token_types?"

[[step]]
block = "attention"
layers = { every = 2, phase = 1 }
before = "attn_norm"
fused = "attn_qkv"
output = "attn_output"
position = "rope"
rope_base = { key = "rope.freq_base", default = 10000.0 }

[[step]]
block = "feed_forward"
up = "ffn_up"
gate = "ffn_gate?"
down = "ffn_down"
activation = "silu"

[output]
norm = "output_norm"
dense = ["dense_2?", "dense_3"]
)";

TEST(ArchitectureTest, AFileIsReadWhole) {
  const auto a = Architecture::Parse(kWhole, "x.arch.toml");
  ASSERT_THAT(a, IsOk());
  EXPECT_EQ(a->name, "x");
  EXPECT_EQ(a->source, "x.arch.toml");
  EXPECT_EQ(a->norm, NormKind::kRms);
  EXPECT_FALSE(a->norm_bias);
  EXPECT_EQ(a->pooling, Pooling::kLast);
  EXPECT_EQ(a->token.name, "token_embd");
  EXPECT_EQ(a->type.name, "token_types");
  EXPECT_TRUE(a->type.optional);
  ASSERT_EQ(a->steps.size(), 2u);
  EXPECT_EQ(a->steps[0].block, BlockKind::kAttention);
  EXPECT_EQ(a->steps[0].layers.every, 2u);
  EXPECT_EQ(a->steps[0].layers.phase, 1u);
  EXPECT_EQ(a->steps[0].before.name, "attn_norm");
  EXPECT_EQ(a->steps[0].rope_base.otherwise, 10000);
  // Without a base of its own, a local layer has that of the others.
  EXPECT_EQ(a->steps[0].local_rope_base.key, "rope.freq_base");
  EXPECT_EQ(a->steps[1].activation, GateActivation::kSilu);
  EXPECT_TRUE(a->steps[1].gated);
  EXPECT_TRUE(a->steps[1].gate.optional);
  ASSERT_EQ(a->dense.size(), 2u);
  EXPECT_TRUE(a->dense[0].optional);
  EXPECT_FALSE(a->dense[1].optional);
}

TEST(ArchitectureTest, ErrorsNameFileAndLineAndWhatIsWanted) {
  struct Broken {
    const char* from;
    const char* to;
    const char* message;
  };
  for (const Broken& broken : std::vector<Broken>{
           {"architecture = \"x\"\n", "\n", "key \"architecture\" is missing"},
           {"\"rms\"", "\"batch\"",
            "x.arch.toml:2: key \"norm\": want \"layer\" or \"rms\""},
           {"norm_bias = false", "norm_bias = 0",
            "x.arch.toml:3: key \"norm_bias\": want true or false"},
           {"pooling = \"last\"", "poling = \"last\"",
            "x.arch.toml:4: unknown key \"poling\""},
           {"[input]", "[inputs]", "x.arch.toml:1: table [input] is missing"},
           {"token = \"token_embd\"", "", "key \"token\" is missing"},
           {"\"attention\"", "\"attntion\"",
            "x.arch.toml:11: key \"block\": want \"attention\" or "},
           {"every = 2", "every = 0", "x.arch.toml:12: key \"every\": want a "},
           {"phase = 1", "phase = \"1\"", "x.arch.toml:12: key \"phase\""},
           {"fused = \"attn_qkv\"", "", "key \"query\" is missing"},
           {"\"rope\"", "\"ropes\"", "x.arch.toml:16: key \"position\""},
           {"rope_base = {", "other_base = {", "wants a key \"rope_base\""},
           {"default = 10000.0", "default = -1", "key \"default\": want a num"},
           {"gate = \"ffn_gate?\"", "", "the activation must be \"gelu\""},
           {"[\"dense_2?\", \"dense_3\"]", "[\"dense_2?\", 3]",
            "x.arch.toml:28: key \"dense\": want a list of strings"},
           {"[[step]]", "[step]", "x.arch.toml:"},
           {"norm = \"output_norm\"", "norm = ", "x.arch.toml:27: "}}) {
    const std::string toml =
        absl::StrReplaceAll(kWhole, {{broken.from, broken.to}});
    EXPECT_THAT(
        Architecture::Parse(toml, "x.arch.toml"),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 AllOf(HasSubstr("x.arch.toml:"), HasSubstr(broken.message))))
        << broken.to;
  }
}

TEST(ArchitectureTest, AFileCutAnywhereIsReadOrRefused) {
  for (const ArchFile& file : ArchFiles()) {
    for (size_t size = 0; size < file.text.size(); ++size) {
      const auto a = Architecture::Parse(file.text.substr(0, size), file.name);
      if (!a.ok()) {
        EXPECT_THAT(a, StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr(std::string(file.name))));
      }
    }
  }
}

// toml++ asserts that a key follows, and lets the optimizer rely on it.
TEST(ArchitectureTest, ATableWithoutNameIsRefused) {
  for (const char* text : {"[=", "[#]", "[\x1bstep]]", "[[=]]", "[ !]", "[,",
                           "[\xC3\xA9]", "[[\n"}) {
    EXPECT_THAT(
        Architecture::Parse(text, "x.arch.toml"),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("x.arch.toml:")))
        << text;
  }
}

TEST(ArchitectureTest, CharactersThatAreNotAsciiAreRefusedWithTheirLine) {
  for (const char* text : {"\xC4\x82", "# a\n# \xC4\x82", "a = 1\n\xFF"}) {
    EXPECT_THAT(
        Architecture::Parse(text, "x.arch.toml"),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not ASCII")))
        << text;
  }
  EXPECT_THAT(Architecture::Parse("\n\n\xC4\x82", "x.arch.toml"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("x.arch.toml:3: ")));
}

TEST(ArchitectureTest,
     TheFilesThatAreCompiledInAreReadAndNamedAfterThemselves) {
  EXPECT_THAT(
      ArchitectureNames(),
      ElementsAre("bert", "gemma-embedding", "jina-bert-v2", "modern-bert",
                  "nomic-bert", "nomic-bert-moe", "qwen3", "static"));
  for (const ArchFile& file : ArchFiles()) {
    const auto a = Architecture::Parse(file.text, file.name);
    ASSERT_THAT(a, IsOk());
    EXPECT_EQ(absl::StrCat(a->name, ".arch.toml"), file.name);
  }
  EXPECT_THAT(FindArchitecture("nomic-bert"), IsOk());
  EXPECT_THAT(FindArchitecture("t5encoder"),
              StatusIs(absl::StatusCode::kUnimplemented,
                       HasSubstr("\"t5encoder\", supported are bert, ")));
}

}  // namespace
}  // namespace corkscrew
