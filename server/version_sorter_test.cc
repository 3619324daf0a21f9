#include "server/version_sorter.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/random.h"
#include "base/testing.h"
#include "corkscrew/record.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::corkscrew::testing::TempDir;

TEST(VersionSorterTest, LinesComeInTheOrderOfTheirVersionsWhateverTheMemory) {
  const TempDir dir;
  Random random(5);
  for (const size_t memory : {size_t{1}, size_t{500}, size_t{1} << 20}) {
    for (const size_t count : {0, 1, 2, 300}) {
      std::vector<std::pair<Version, std::string>> want;
      {
        VersionSorter sorter(FileSystem::Real(), dir.path() + "/run", memory);
        for (size_t i = 0; i < count; ++i) {
          Version version;
          version.lamport = random.Next() % 50;
          version.replica.bytes[3] = static_cast<uint8_t>(random.Next() % 2);
          version.incarnation = random.Next() % 2;
          version.seq = i;
          const std::string line(random.Next() % 40,
                                 static_cast<char>('a' + i % 26));
          want.emplace_back(version, line);
          ASSERT_THAT(sorter.Add(version, line), IsOk());
        }
        std::sort(want.begin(), want.end());
        size_t next = 0;
        ASSERT_THAT(sorter.Merge([&](absl::string_view line) {
          EXPECT_LT(next, want.size());
          EXPECT_EQ(line, want[next++].second);
          return absl::OkStatus();
        }),
                    IsOk());
        EXPECT_EQ(next, count);
      }
      EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
    }
  }
}

TEST(VersionSorterTest, ErrorsOfTheOutputAndOfFilesComeBack) {
  const TempDir dir;
  VersionSorter sorter(FileSystem::Real(), dir.path() + "/run", 1);
  ASSERT_THAT(sorter.Add({.lamport = 1}, "x"), IsOk());
  EXPECT_THAT(sorter.Merge(
                  [](absl::string_view) { return absl::CancelledError("no"); }),
              StatusIs(absl::StatusCode::kCancelled, "no"));
  VersionSorter nowhere(FileSystem::Real(), dir.path() + "/none/run", 1);
  EXPECT_EQ(nowhere.Add({.lamport = 1}, "x").code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace corkscrew
