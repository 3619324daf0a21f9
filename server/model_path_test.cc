#include "server/model_path.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::TempDir;
using ::testing::ElementsAre;

TEST(ModelPathTest, NamedDirectoriesComeFirstAndTheInstalledOnesAfter) {
  const TempDir dir;
  const std::string share = dir.path() + "/share/corkscrewdb/models";
  std::filesystem::create_directories(share);
  EXPECT_THAT(ModelPath({"/given", "/set", dir.path() + "/bin/corkscrew"}),
              ElementsAre("/given", "/set", share));
  EXPECT_THAT(ModelPath({"", "", dir.path() + "/bin/corkscrew"}),
              ElementsAre(share));
}

TEST(ModelPathTest, ABuildFolderFindsTheModelsOfItsSourceTree) {
  const TempDir dir;
  const std::string executable = dir.path() + "/build/release/server/corkscrew";
  std::filesystem::create_directories(dir.path() + "/models");
  EXPECT_THAT(ModelPath({"", "", executable}), ElementsAre());
  std::ofstream(dir.path() + "/CMakePresets.json") << "{}";
  EXPECT_THAT(ModelPath({"", "", executable}),
              ElementsAre(dir.path() + "/models"));
}

TEST(ModelPathTest, WithoutAnythingThereIsNowhereToLook) {
  EXPECT_THAT(ModelPath({}), ElementsAre());
}

}  // namespace
}  // namespace corkscrew
