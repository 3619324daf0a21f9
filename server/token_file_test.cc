#include "server/token_file.h"

#include <sys/stat.h>

#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::corkscrew::testing::TempDir;
using ::testing::HasSubstr;

std::string Write(const TempDir& dir, const std::string& content,
                  mode_t mode = 0600) {
  const std::string path = absl::StrCat(dir.path(), "/token");
  std::ofstream(path) << content;
  EXPECT_EQ(chmod(path.c_str(), mode), 0);
  return path;
}

TEST(TokenFileTest, WhiteSpaceAroundTheTokenIsNotPartOfIt) {
  const TempDir dir;
  const absl::StatusOr<std::string> token =
      ReadTokenFile(Write(dir, " 0123456789abcdef\r\n"));
  ASSERT_THAT(token, IsOk());
  EXPECT_EQ(*token, "0123456789abcdef");
}

TEST(TokenFileTest, AFileThatOthersReachIsRefusedWithTheRemedy) {
  const TempDir dir;
  for (const mode_t mode : {0640, 0604, 0610, 0644, 0666}) {
    EXPECT_THAT(ReadTokenFile(Write(dir, "token", mode)),
                StatusIs(absl::StatusCode::kPermissionDenied,
                         HasSubstr("chmod 600 '")));
  }
  EXPECT_THAT(ReadTokenFile(Write(dir, "token", 0400)), IsOk());
}

TEST(TokenFileTest, AMissingFileShowsHowToMakeOne) {
  const TempDir dir;
  EXPECT_THAT(
      ReadTokenFile(dir.path() + "/it's not there"),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("it'\\''s not there')")));
}

TEST(TokenFileTest, OtherThingsThanASmallFileAreRefused) {
  const TempDir dir;
  EXPECT_THAT(ReadTokenFile(Write(dir, " \n")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty")));
  EXPECT_THAT(
      ReadTokenFile(Write(dir, std::string(5000, 'x'))),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("larger")));
  EXPECT_THAT(ReadTokenFile(dir.path()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("not a regular file")));
  const std::string pipe = dir.path() + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(ReadTokenFile(pipe), StatusIs(absl::StatusCode::kInvalidArgument,
                                            HasSubstr("not a regular file")));
}

}  // namespace
}  // namespace corkscrew
