#include "rpc/backup_path.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;
using testing::TempDir;

TEST(BackupPath, ANameIsOneComponentBelowTheDirectory) {
  const TempDir directory;
  for (const std::string& name :
       {std::string("a"), std::string("A-1_b.c"), std::string("x..y"),
        std::string(kMaxBackupNameBytes, 'z')}) {
    const auto path = BackupPath(directory.path(), name);
    ASSERT_THAT(path, IsOk());
    EXPECT_EQ(*path, directory.path() + "/" + name);
  }
  std::filesystem::create_directory(directory.path() + "/there");
  EXPECT_THAT(BackupPath(directory.path(), "there"), IsOk());
}

TEST(BackupPath, WhatCouldLeaveTheDirectoryIsRefused) {
  const TempDir directory;
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string(".a"),
        std::string("a/b"), std::string("/a"), std::string("../a"),
        std::string("a/"), std::string("a\0b", 3), std::string("a\nb"),
        std::string("a b"), std::string("a\\b"), std::string("\xC3\xA4"),
        std::string(kMaxBackupNameBytes + 1, 'z')}) {
    EXPECT_THAT(BackupPath(directory.path(), name),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("is no name for a backup")))
        << name;
  }
}

TEST(BackupPath, LinksAndFilesAreNotFollowed) {
  const TempDir directory;
  std::filesystem::create_directory_symlink("/", directory.path() + "/link");
  std::filesystem::create_symlink("/nowhere", directory.path() + "/dangling");
  std::ofstream(directory.path() + "/file") << "x";
  for (const char* name : {"link", "dangling", "file"}) {
    EXPECT_THAT(BackupPath(directory.path(), name),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("is not a directory")));
  }
}

TEST(BackupPath, ANodeWithoutTheDirectorySaysSo) {
  const TempDir directory;
  EXPECT_THAT(BackupPath("", "a"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("--backup-dir")));
  EXPECT_THAT(BackupPath(directory.path() + "/none", "a"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("is not there")));
}

}  // namespace
}  // namespace corkscrew
