#include "db/disk_space.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/file_system.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kLow = 64 * kMiB;

// A file system with as much free space as a test says.
class SpaceFiles : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<WritableFile>> NewFile(
      const std::string& path) override {
    return real_.NewFile(path);
  }
  absl::StatusOr<std::unique_ptr<WritableFile>> AppendToFile(
      const std::string& path) override {
    if (full) return absl::ResourceExhaustedError("disk full");
    return real_.AppendToFile(path);
  }
  absl::StatusOr<std::string> Read(const std::string& path,
                                   size_t most) override {
    return real_.Read(path, most);
  }
  absl::StatusOr<std::unique_ptr<FileContent>> Map(
      const std::string& path) override {
    return real_.Map(path);
  }
  absl::StatusOr<uint64_t> Size(const std::string& path) override {
    return real_.Size(path);
  }
  bool Exists(const std::string& path) override { return real_.Exists(path); }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return real_.Rename(from, to);
  }
  absl::Status Link(const std::string& from, const std::string& to) override {
    return real_.Link(from, to);
  }
  absl::Status Remove(const std::string& path) override {
    return real_.Remove(path);
  }
  absl::Status RemoveDirectory(const std::string& path) override {
    return real_.RemoveDirectory(path);
  }
  absl::Status MakeDirectory(const std::string& path) override {
    return real_.MakeDirectory(path);
  }
  absl::StatusOr<std::vector<std::string>> List(
      const std::string& path) override {
    return real_.List(path);
  }
  absl::Status SyncDirectory(const std::string& path) override {
    return real_.SyncDirectory(path);
  }
  absl::StatusOr<uint64_t> FreeSpace(const std::string&) override {
    ++looks;
    return free;
  }

  uint64_t free = 1000 * kMiB;
  bool full = false;
  int looks = 0;

 private:
  FileSystem& real_ = FileSystem::Real();
};

class DiskSpaceTest : public ::testing::Test {
 protected:
  uint64_t ReserveOnDisk() {
    const auto size = files_.Size(directory_.path() + "/RESERVE");
    return size.ok() ? *size : 0;
  }

  testing::TempDir directory_;
  SpaceFiles files_;
  const absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
};

TEST_F(DiskSpaceTest, WritesAreRefusedBelowTheMarkAndTakenAgainAboveIt) {
  DiskSpace space(&files_, directory_.path(), kLow);
  files_.free = kLow;
  EXPECT_THAT(space.Check(100, now_), IsOk());
  files_.free = kLow - 1;
  EXPECT_THAT(space.Check(kMiB, now_),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("67108863"), HasSubstr("67108864"),
                             HasSubstr(directory_.path()))));
  // While it is low, every write looks.
  EXPECT_THAT(space.Check(1, now_),
              StatusIs(absl::StatusCode::kResourceExhausted, _));
  files_.free = kLow;
  EXPECT_THAT(space.Check(1, now_), IsOk());
}

TEST_F(DiskSpaceTest, TheSystemIsAskedOncePerMebibyteOrSecond) {
  DiskSpace space(&files_, directory_.path(), kLow);
  EXPECT_THAT(space.Check(1, now_), IsOk());
  EXPECT_EQ(files_.looks, 1);
  for (int i = 0; i < 1000; ++i) EXPECT_THAT(space.Check(1000, now_), IsOk());
  EXPECT_EQ(files_.looks, 1);
  EXPECT_THAT(space.Check(kMiB, now_), IsOk());
  EXPECT_EQ(files_.looks, 2);
  EXPECT_THAT(space.Check(1, now_ + absl::Seconds(1)), IsOk());
  EXPECT_EQ(files_.looks, 3);
  // A clock that was set back does not stop the looks.
  EXPECT_THAT(space.Check(1, now_ - absl::Hours(1)), IsOk());
  EXPECT_EQ(files_.looks, 4);
}

TEST_F(DiskSpaceTest, ZeroMeansNoMark) {
  DiskSpace space(&files_, directory_.path(), 0);
  files_.free = 0;
  EXPECT_THAT(space.Check(10 * kMiB, now_), IsOk());
  EXPECT_EQ(files_.looks, 0);
}

TEST_F(DiskSpaceTest, TheReserveGrowsWithWhatIsWrittenUpToItsSize) {
  DiskSpace space(&files_, directory_.path(), kLow);
  EXPECT_THAT(space.Check(kMiB, now_), IsOk());
  EXPECT_EQ(ReserveOnDisk(), 0u);
  EXPECT_THAT(space.Check(kMiB, now_), IsOk());
  EXPECT_EQ(ReserveOnDisk(), kMiB);
  for (int i = 0; i < 100; ++i) EXPECT_THAT(space.Check(kMiB, now_), IsOk());
  EXPECT_EQ(ReserveOnDisk(), DiskSpace::kMaxReserve);
  EXPECT_EQ(space.reserve_bytes(), DiskSpace::kMaxReserve);
  // The next life finds it.
  DiskSpace again(&files_, directory_.path(), kLow);
  EXPECT_EQ(again.reserve_bytes(), DiskSpace::kMaxReserve);
}

TEST_F(DiskSpaceTest, TheReserveIsGivenBackWhenSpaceEndsAndMadeAnew) {
  DiskSpace space(&files_, directory_.path(), kLow);
  for (int i = 0; i < 10; ++i) EXPECT_THAT(space.Check(kMiB, now_), IsOk());
  EXPECT_GT(ReserveOnDisk(), 0u);
  files_.free = kLow / 2;
  EXPECT_FALSE(space.Check(kMiB, now_).ok());
  EXPECT_GT(ReserveOnDisk(), 0u);
  files_.free = DiskSpace::kMaxReserve - 1;
  EXPECT_FALSE(space.Check(kMiB, now_).ok());
  EXPECT_EQ(ReserveOnDisk(), 0u);
  EXPECT_EQ(space.reserve_bytes(), 0u);
  files_.free = 1000 * kMiB;
  EXPECT_THAT(space.Check(kMiB, now_), IsOk());
  EXPECT_GT(ReserveOnDisk(), 0u);
  EXPECT_TRUE(DiskSpace::Release(files_, directory_.path()));
  EXPECT_EQ(ReserveOnDisk(), 0u);
  EXPECT_FALSE(DiskSpace::Release(files_, directory_.path()));
}

TEST_F(DiskSpaceTest, ADatabaseThatWasClosedKeepsAMebibyte) {
  DiskSpace::Shrink(files_, directory_.path());
  EXPECT_EQ(ReserveOnDisk(), 0u);
  DiskSpace space(&files_, directory_.path(), kLow);
  for (int i = 0; i < 10; ++i) EXPECT_THAT(space.Check(kMiB, now_), IsOk());
  EXPECT_GT(ReserveOnDisk(), kMiB);
  for (int i = 0; i < 2; ++i) {
    DiskSpace::Shrink(files_, directory_.path());
    EXPECT_EQ(ReserveOnDisk(), kMiB);
  }
}

TEST_F(DiskSpaceTest, AReserveThatCanNotBeMadeRefusesNothing) {
  DiskSpace space(&files_, directory_.path(), kLow);
  files_.full = true;
  for (int i = 0; i < 10; ++i) EXPECT_THAT(space.Check(kMiB, now_), IsOk());
  EXPECT_EQ(space.reserve_bytes(), 0u);
}

}  // namespace
}  // namespace corkscrew
