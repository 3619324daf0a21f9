// DiscoverModels(): what is listed, and what is not.

#include <filesystem>
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

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DiscoverModelsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = absl::StrCat(::testing::TempDir(), "/discover_", test->name());
    std::filesystem::remove_all(root_);
    for (const char* directory : {"/a", "/b", "/a/inner"}) {
      std::filesystem::create_directories(root_ + directory);
    }
  }
  void Write(absl::string_view name, absl::string_view text) const {
    std::ofstream(absl::StrCat(root_, "/", name), std::ios::binary) << text;
  }
  std::string root_;
};

TEST_F(DiscoverModelsTest, FilesAreListedInTheOrderInWhichTheyAreLookedFor) {
  Write("a/two.gguf", "GGUF and more");
  Write("a/one.mll", absl::string_view("MLL\0x", 5));
  Write("a/one.gguf", "GGUF");
  Write("b/two.gguf", "GGUF");
  Write("a/liar.gguf", "MLL");
  Write("a/notes.txt", "GGUF");
  Write("a/.hidden.gguf", "GGUF");
  Write("a/inner/deep.gguf", "GGUF");
  const auto models =
      DiscoverModels({root_ + "/a", root_ + "/absent", "", root_ + "/b"});
  ASSERT_THAT(models, IsOk());
  std::vector<std::string> rows;
  for (const DiscoveredModel& model : *models) {
    rows.push_back(absl::StrCat(model.name, " ", model.format, " ", model.bytes,
                                model.shadowed ? " shadowed" : ""));
  }
  EXPECT_THAT(rows,
              ::testing::ElementsAre("one GGUF 4", "one .mll 5 shadowed",
                                     "two GGUF 13", "two GGUF 4 shadowed"));
  EXPECT_EQ(models->back().path, root_ + "/b/two.gguf");
}

TEST_F(DiscoverModelsTest, LinksAreFollowedWithinTheirDirectoryOnly) {
  namespace fs = std::filesystem;
  Write("a/real.gguf", "GGUF");
  Write("b/outside.gguf", "GGUF");
  fs::create_symlink("real.gguf", root_ + "/a/alias.gguf");
  fs::create_symlink("../b/outside.gguf", root_ + "/a/out.gguf");
  fs::create_symlink("nowhere.gguf", root_ + "/a/broken.gguf");
  fs::create_symlink("loop.gguf", root_ + "/a/loop.gguf");
  fs::create_directory(root_ + "/a/folder.gguf");
  const auto models = DiscoverModels({root_ + "/a"});
  ASSERT_THAT(models, IsOk());
  ASSERT_EQ(models->size(), 2u);
  EXPECT_EQ((*models)[0].name, "alias");
  EXPECT_EQ((*models)[1].name, "real");
}

TEST_F(DiscoverModelsTest, ADirectoryOfTooManyEntriesIsRefused) {
  for (int i = 0; i <= 10000; ++i) Write(absl::StrCat("b/", i), "");
  EXPECT_THAT(DiscoverModels({root_ + "/b"}),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("more than 10000 entries")));
  EXPECT_THAT(*DiscoverModels({}), IsEmpty());
}

}  // namespace
}  // namespace corkscrew
