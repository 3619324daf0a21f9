// The repair of logs; check_test.cc has that of rows and tables.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/file_system.h"
#include "base/testing.h"
#include "corkscrew/check.h"
#include "corkscrew/db.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

namespace fs = std::filesystem;
using testing::IsOk;
using testing::TempDir;

// A database whose log holds 30 records, one per write, as kill -9 leaves it.
// durable.mark knows of all of them. Returns the path of the log.
std::string MakeKilled(const std::string& path) {
  static std::atomic<int64_t> seconds = 1'700'000'000;
  Options options;
  options.now = [] { return absl::FromUnixSeconds(seconds += 2); };
  auto db = Db::Open(path + ".alive", options);
  EXPECT_THAT(db, IsOk());
  auto notes = (*db)->CreateCollection("notes", {.dim = 4});
  EXPECT_THAT(notes, IsOk());
  for (int i = 1; i <= 30; ++i) {
    const std::string id = absl::StrCat("r", i);
    const std::vector<float> vector = {1, static_cast<float>(i), 2, 3};
    PutItem item{RecordView(id)};
    item.record.vector = vector;
    EXPECT_THAT((*notes)->Put({&item, 1}), IsOk());
  }
  fs::copy(path + ".alive", path, fs::copy_options::recursive);
  std::string log;
  for (const auto& entry : fs::directory_iterator(path + "/store")) {
    if (entry.path().extension() == ".log" && entry.file_size() != 0) {
      log = entry.path();
    }
  }
  EXPECT_FALSE(log.empty());
  return log;
}

TEST(RepairTest, NamesTheOpsThatADamagedLogHeld) {
  const TempDir dir;
  const std::string path = dir.path() + "/db";
  const std::string log = MakeKilled(path);
  const std::string bytes = FileSystem::Real().Read(log, 1 << 24).value();
  for (const bool cut : {false, true}) {
    SCOPED_TRACE(cut);
    std::string damaged = bytes;
    if (cut) {
      damaged.resize(bytes.size() / 2);
    } else {
      damaged[bytes.size() / 2] ^= 1;
    }
    std::ofstream(log, std::ios::binary) << damaged;
    const auto plan = RepairDatabase(path);
    ASSERT_THAT(plan, IsOk());
    // Each seq from the damage to the end, and of those behind it all.
    ASSERT_FALSE(plan->lost.empty());
    const uint64_t first = plan->lost[0].version.seq;
    EXPECT_GT(first, 5u);
    EXPECT_LT(first, 25u);
    ASSERT_EQ(plan->lost.size(), 31 - first);
    for (uint64_t seq = first; seq <= 30; ++seq) {
      const LostVersion& lost = plan->lost[seq - first];
      EXPECT_EQ(lost.collection, "notes");
      EXPECT_EQ(lost.version.seq, seq);
      const bool named = !cut && seq > first;
      EXPECT_EQ(lost.id, named ? absl::StrCat("r", seq) : "");
      EXPECT_EQ(lost.version.lamport, named ? seq : 0);
    }
    RepairOptions options;
    options.dry_run = false;
    options.accept_loss = true;
    options.target = absl::StrCat(dir.path(), "/repaired", cut);
    const auto done = RepairDatabase(path, options);
    ASSERT_THAT(done, IsOk());
    EXPECT_EQ(done->lost.size(), plan->lost.size());
    const auto db = Db::Open(options.target);
    ASSERT_THAT(db, IsOk());
    const auto notes = (*db)->OpenCollection("notes");
    ASSERT_THAT(notes, IsOk());
    EXPECT_EQ(*(*notes)->Count(), first - 1);
    // What comes back from elsewhere is older than what is written now.
    EXPECT_EQ((*notes)->Info()->lamport, cut ? first - 1 : 30);
  }
}
}  // namespace
}  // namespace corkscrew
