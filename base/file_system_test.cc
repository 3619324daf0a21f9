#include "base/file_system.h"

#include <sys/stat.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::corkscrew::testing::TempDir;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FileSystemTest : public ::testing::Test {
 protected:
  std::string Path(absl::string_view name) const {
    return dir_.path() + "/" + std::string(name);
  }
  void Write(absl::string_view name, absl::string_view bytes) {
    const auto file = files_.NewFile(Path(name));
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT((*file)->Append(bytes), IsOk());
    ASSERT_THAT((*file)->Close(), IsOk());
  }

  TempDir dir_;
  FileSystem& files_ = FileSystem::Real();
};

TEST_F(FileSystemTest, WhatIsWrittenIsReadAndMapped) {
  Write("a", "one");
  const auto more = files_.AppendToFile(Path("a"));
  ASSERT_THAT(more, IsOk());
  ASSERT_THAT((*more)->Append(" two"), IsOk());
  ASSERT_THAT((*more)->Sync(), IsOk());
  EXPECT_EQ(*files_.Read(Path("a"), 7), "one two");
  EXPECT_EQ(*files_.Size(Path("a")), 7u);
  const auto mapped = files_.Map(Path("a"));
  ASSERT_THAT(mapped, IsOk());
  EXPECT_EQ((*mapped)->bytes(), "one two");
  struct stat info;
  ASSERT_EQ(stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  Write("a", "");
  EXPECT_EQ((*files_.Map(Path("a")))->bytes(), "");
}

TEST_F(FileSystemTest, ReadingStopsAtItsLimit) {
  Write("a", "12345");
  EXPECT_THAT(files_.Read(Path("a"), 4),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("5 bytes, at most 4")));
}

TEST_F(FileSystemTest, ErrorsNameThePath) {
  for (const absl::Status& status :
       {files_.Read(Path("none"), 9).status(),
        files_.Map(Path("none")).status(), files_.Size(Path("none")).status(),
        files_.Remove(Path("none")), files_.Rename(Path("none"), Path("b")),
        files_.NewFile(Path("none/a")).status(),
        files_.List(Path("none")).status()}) {
    EXPECT_THAT(status,
                StatusIs(absl::StatusCode::kNotFound, HasSubstr(dir_.path())));
  }
  EXPECT_THAT(files_.Map(dir_.path()),
              StatusIs(absl::StatusCode::kFailedPrecondition, _));
}

TEST_F(FileSystemTest, DirectoriesListTheirNamesInOrder) {
  ASSERT_THAT(files_.MakeDirectory(Path("d")), IsOk());
  ASSERT_THAT(files_.MakeDirectory(Path("d")), IsOk());
  Write("d/b", "");
  Write("d/a", "");
  ASSERT_THAT(files_.Link(Path("d/a"), Path("d/c")), IsOk());
  EXPECT_THAT(*files_.List(Path("d")), ElementsAre("a", "b", "c"));
  EXPECT_THAT(files_.RemoveDirectory(Path("d")),
              StatusIs(absl::StatusCode::kAlreadyExists, _));
  for (const char* name : {"d/a", "d/b", "d/c"}) {
    ASSERT_THAT(files_.Remove(Path(name)), IsOk());
  }
  ASSERT_THAT(files_.SyncDirectory(Path("d")), IsOk());
  ASSERT_THAT(files_.RemoveDirectory(Path("d")), IsOk());
  EXPECT_FALSE(files_.Exists(Path("d")));
  EXPECT_GT(*files_.FreeSpace(dir_.path()), 0u);
}

TEST_F(FileSystemTest, AnAtomicWriteReplacesTheWholeFile) {
  Write("a", "a longer content than the next");
  Write("a.tmp", "left by a crash, and longer than what comes");
  ASSERT_THAT(AtomicWriteFile(files_, Path("a"), {"new", " one"}), IsOk());
  EXPECT_EQ(*files_.Read(Path("a"), 100), "new one");
  EXPECT_FALSE(files_.Exists(Path("a.tmp")));
}

TEST_F(FileSystemTest, ParentsAreCutAtTheLastSlash) {
  EXPECT_EQ(ParentDirectory("/a/b"), "/a");
  EXPECT_EQ(ParentDirectory("/a"), "/");
  EXPECT_EQ(ParentDirectory("a"), ".");
  EXPECT_EQ(ParentDirectory("a/b"), "a");
}

}  // namespace
}  // namespace corkscrew
