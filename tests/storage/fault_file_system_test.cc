// The simulated disk forgets what was not synced, and nothing else.

#include "tests/storage/fault_file_system.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "base/random.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/env.h"
#include "tests/storage/fault_state.h"

namespace corkscrew::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class FaultFileSystemTest : public ::testing::Test {
 protected:
  FaultFileSystemTest() { std::filesystem::create_directory(root_); }

  void Write(const std::string& name, const std::string& synced,
             const std::string& unsynced) {
    const auto file = files_.NewFile(root_ + "/" + name);
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT((*file)->Append(synced), IsOk());
    ASSERT_THAT((*file)->Sync(), IsOk());
    ASSERT_THAT((*file)->Append(unsynced), IsOk());
  }
  std::string Content(const std::string& name) {
    const auto content = FileSystem::Real().Read(root_ + "/" + name, 1000);
    return content.ok() ? *content : "none";
  }

  TempDir dir_;
  const std::string root_ = dir_.path() + "/db";
  FaultState state_{root_};
  FaultFileSystem files_{&state_};
};

TEST_F(FaultFileSystemTest, BytesThatWereNotSyncedAreCutZeroedOrGarbage) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    Write("f", "synced", "tail");
    ASSERT_THAT(files_.SyncDirectory(root_), IsOk());
    state_.LosePower(&random);
    ASSERT_THAT(Content("f"), StartsWith("synced"));
    seen.insert(Content("f"));
  }
  EXPECT_TRUE(seen.count("synced"));
  EXPECT_TRUE(seen.count("syncedtail"));
  EXPECT_TRUE(seen.count("syncedta"));
  EXPECT_TRUE(seen.count(std::string("syncedt\0\0\0", 10)));
}

TEST_F(FaultFileSystemTest, NamesStayOnceTheirDirectoryIsSynced) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    Random random(seed);
    Write("old", "1", "");
    Write("gone", "2", "");
    ASSERT_THAT(files_.SyncDirectory(root_), IsOk());
    Write("new", "3", "");
    ASSERT_THAT(files_.Rename(root_ + "/new", root_ + "/old"), IsOk());
    ASSERT_THAT(files_.Remove(root_ + "/gone"), IsOk());
    if (seed % 2 == 0) {
      ASSERT_THAT(files_.SyncDirectory(root_), IsOk());
    }
    state_.LosePower(&random);
    const std::string after =
        Content("old") + " " + Content("gone") + " " + Content("new");
    if (seed % 2 == 0) {
      ASSERT_EQ(after, "3 none none");
    }
    seen.insert(after);
  }
  // Changes go in the reverse order that they came in.
  EXPECT_THAT(seen, ::testing::IsSubsetOf(
                        {"3 none none", "3 2 none", "1 2 3", "1 2 none"}));
  EXPECT_EQ(seen.size(), 4u);
}

TEST_F(FaultFileSystemTest, AFailedSyncIsNeverMadeUpFor) {
  const auto file = files_.NewFile(root_ + "/f");
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT((*file)->Append("bytes"), IsOk());
  state_.FailAt(state_.calls() + 1, Fault::kIoError);
  EXPECT_THAT((*file)->Sync(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("sync")));
  ASSERT_THAT((*file)->Sync(), IsOk());
  ASSERT_THAT(files_.SyncDirectory(root_), IsOk());
  std::set<std::string> seen;
  Random random(3);
  state_.LosePower(&random);
  EXPECT_NE(Content("f"), "bytes");
}

TEST_F(FaultFileSystemTest, ACallFailsOnceAndADeadDiskForEver) {
  state_.FailAt(1, Fault::kNoSpace);
  EXPECT_THAT(files_.NewFile(root_ + "/f"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("/f")));
  EXPECT_THAT(state_.faulted_call(), StartsWith("create "));
  const auto file = files_.NewFile(root_ + "/f");
  ASSERT_THAT(file, IsOk());
  state_.DieAt(state_.calls() + 1);
  EXPECT_FALSE((*file)->Append("abcd").ok());
  EXPECT_FALSE((*file)->Append("efgh").ok());
  EXPECT_FALSE(files_.List(root_).ok());
  EXPECT_TRUE(state_.dead());
  EXPECT_EQ(Content("f"), "ab");  // A part of the call it died in.
}

TEST_F(FaultFileSystemTest, TheStoreHasTheSameDisk) {
  const auto env = NewFaultEnv(&state_);
  std::unique_ptr<rocksdb::WritableFile> file;
  ASSERT_TRUE(
      env->NewWritableFile(root_ + "/f", &file, rocksdb::EnvOptions()).ok());
  ASSERT_TRUE(file->Append("synced").ok());
  ASSERT_TRUE(file->Sync().ok());
  state_.FailAt(state_.calls() + 1, Fault::kShortWrite);
  EXPECT_TRUE(file->Append("tail").IsNoSpace());
  file.reset();
  EXPECT_EQ(Content("f"), "syncedta");
  ASSERT_THAT(files_.SyncDirectory(root_), IsOk());
  Random random(1);
  state_.LosePower(&random);
  EXPECT_THAT(Content("f"), StartsWith("synced"));
}

}  // namespace
}  // namespace corkscrew::testing
