#include "embed/architecture_set.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "corkscrew/embedder.h"
#include "embed/arch_files.h"
#include "embed/architecture.h"
#include "embed/tiny_bert.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::corkscrew::testing::TinyBert;
using ::testing::HasSubstr;

std::string BuiltInText(absl::string_view name) {
  for (const ArchFile& file : ArchFiles()) {
    if (file.name == absl::StrCat(name, ".arch.toml")) {
      return std::string(file.text);
    }
  }
  ADD_FAILURE() << name;
  return "";
}

class ArchitectureSetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    directory_ =
        absl::StrCat(::testing::TempDir(), "/architectures_", test->name());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  void Write(absl::string_view name, absl::string_view text) const {
    std::ofstream(absl::StrCat(directory_, "/", name)) << text;
  }
  std::string directory_;
};

TEST_F(ArchitectureSetTest, AFileComesBeforeTheOneCompiledIn) {
  Write("bert.arch.toml", BuiltInText("bert"));
  const auto set = ArchitectureSet::Read({directory_});
  ASSERT_THAT(set, IsOk());
  const auto found = (*set)->Find("bert");
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ((*found)->source, directory_ + "/bert.arch.toml");
  EXPECT_EQ((*set)->SpaceName(**found), "bert");
  const auto built_in = (*set)->Find("nomic-bert");
  ASSERT_THAT(built_in, IsOk());
  EXPECT_EQ((*set)->SpaceName(**built_in), "nomic-bert");
}

TEST_F(ArchitectureSetTest, AnotherGraphUnderAKnownNameIsAnotherSpace) {
  Write("bert.arch.toml",
        absl::StrReplaceAll(BuiltInText("bert"),
                            {{"after = \"attn_output_norm\"",
                              "before = \"attn_output_norm\""}}));
  const auto bytes = TinyBert().Build();
  const auto plain = LoadEmbedderFromBytes(bytes, "x.gguf");
  EmbedderOptions options;
  options.architecture_directories = {directory_};
  const auto other = LoadEmbedderFromBytes(bytes, "x.gguf", options);
  ASSERT_THAT(plain, IsOk());
  ASSERT_THAT(other, IsOk());
  EXPECT_NE((*plain)->space(), (*other)->space());
  const absl::string_view text = "hello world";
  EXPECT_NE((*plain)->Embed({&text, 1}, TextKind::kQuery)->vectors,
            (*other)->Embed({&text, 1}, TextKind::kQuery)->vectors);
}

TEST_F(ArchitectureSetTest, ANewArchitectureIsAFileAndNothingElse) {
  Write("mine.arch.toml",
        absl::StrReplaceAll(
            BuiltInText("bert"),
            {{"architecture = \"bert\"", "architecture = \"my-bert\""}}));
  const auto set = ArchitectureSet::Read({directory_});
  ASSERT_THAT(set, IsOk());
  const auto found = (*set)->Find("my-bert");
  ASSERT_THAT(found, IsOk());
  EXPECT_TRUE(absl::StartsWith((*set)->SpaceName(**found), "my-bert@"));
  EXPECT_EQ((*set)->SpaceName(**found).size(), 8u + 64);
  EXPECT_THAT((*set)->Find("t5"),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("bert, "), HasSubstr("my-bert"))));
}

TEST_F(ArchitectureSetTest, ErrorsNameFileAndLine) {
  Write("x.arch.toml", "architecture = \"x\"\n[input]\ntoken = 3\n");
  EXPECT_THAT(
      ArchitectureSet::Read({directory_}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr(directory_ + "/x.arch.toml:3: key \"token\"")));
  EmbedderOptions options;
  options.architecture_directories = {directory_};
  EXPECT_THAT(LoadEmbedderFromBytes(TinyBert().Build(), "m.gguf", options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("x.arch.toml:3: ")));
}

TEST_F(ArchitectureSetTest, TwoFilesAboutOneArchitectureAreRefused) {
  Write("a.arch.toml", BuiltInText("bert"));
  Write("b.arch.toml", BuiltInText("bert"));
  EXPECT_THAT(
      ArchitectureSet::Read({directory_}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("b.arch.toml:1: "), HasSubstr("a.arch.toml"))));
}

TEST_F(ArchitectureSetTest, OfTwoDirectoriesTheEarlierOneCounts) {
  Write("bert.arch.toml", BuiltInText("bert"));
  const std::string second = directory_ + "/second";
  std::filesystem::create_directories(second);
  std::ofstream(second + "/bert.arch.toml") << BuiltInText("bert");
  const auto set = ArchitectureSet::Read({second, directory_});
  ASSERT_THAT(set, IsOk());
  EXPECT_EQ((*(*set)->Find("bert"))->source, second + "/bert.arch.toml");
}

TEST_F(ArchitectureSetTest, LinksAndOtherFilesAreNotRead) {
  std::filesystem::create_symlink("/etc/hostname",
                                  directory_ + "/link.arch.toml");
  Write("notes.toml", "not an architecture");
  EXPECT_THAT(ArchitectureSet::Read({directory_, directory_ + "/absent", ""}),
              IsOk());
}

}  // namespace
}  // namespace corkscrew
