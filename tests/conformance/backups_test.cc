// Snapshots, backups and stores of logs, for every kind of Db.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/testing.h"
#include "corkscrew/backup.h"
#include "corkscrew/db.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/harness.h"

namespace corkscrew::testing {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BackupsTest : public ConformanceTest {
 protected:
  // Ids of the live records of "points" in the database in a directory.
  static std::vector<std::string> IdsIn(const std::string& directory) {
    auto db = Db::Open(directory, {.create_if_missing = false});
    EXPECT_THAT(db, IsOk());
    if (!db.ok()) return {};
    auto points = (*db)->OpenCollection("points");
    EXPECT_THAT(points, IsOk());
    if (!points.ok()) return {};
    return Ids(*(*points)->List());
  }

  void ExpectContent(const BackupContent& content, Lamport lamport) {
    const auto stats = db().Stats();
    ASSERT_THAT(stats, IsOk());
    EXPECT_EQ(content.uuid, stats->uuid);
    EXPECT_EQ(content.replica, stats->replica);
    EXPECT_EQ(content.incarnation, stats->incarnation);
    EXPECT_EQ(content.format_version, stats->format_version);
    EXPECT_GT(content.wall_ms, 0);
    EXPECT_GT(content.files, 2u);
    EXPECT_GT(content.bytes, 0u);
    ASSERT_EQ(content.collections.size(), 1u);
    EXPECT_EQ(content.collections[0].name, "points");
    EXPECT_EQ(content.collections[0].uuid, stats->collections[0].info.uuid);
    EXPECT_EQ(content.collections[0].lamport, lamport);
  }
};

TEST_P(BackupsTest, ASnapshotHoldsWhatWasWrittenBefore) {
  auto points = Vectors("points", 2);
  ASSERT_THAT(PutVector(*points, "a", {1, 0}), IsOk());
  const auto content = db().Snapshot(Where("s"));
  ASSERT_THAT(content, IsOk());
  ExpectContent(*content, 1);
  ASSERT_THAT(PutVector(*points, "b", {1, 0}), IsOk());
  EXPECT_THAT(
      db().Snapshot(Where("s")),
      StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(SavedTo("s"))));
  const auto verified = VerifySnapshot(SavedTo("s"));
  ASSERT_THAT(verified, IsOk());
  EXPECT_EQ(verified->bytes, content->bytes);
  ASSERT_THAT(RestoreSnapshot(SavedTo("s"), path() + "/new"), IsOk());
  EXPECT_THAT(IdsIn(path() + "/new"), ElementsAre("a"));
}

TEST_P(BackupsTest, ABackupAddsAGeneration) {
  auto points = Vectors("points", 2);
  ASSERT_THAT(PutVector(*points, "a", {1, 0}), IsOk());
  const auto first = db().Backup(Where("r"));
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first->generation, 1u);
  EXPECT_EQ(first->new_bytes, first->content.bytes);
  ExpectContent(first->content, 1);
  ASSERT_THAT(PutVector(*points, "b", {1, 0}), IsOk());
  Restart();
  const auto second = db().Backup(Where("r"));
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->generation, 2u);
  EXPECT_LT(second->new_bytes, second->content.bytes);
  const auto repository = DirectoryBackupStore(SavedTo("r"));
  ASSERT_THAT(RestoreBackup(*repository, 1, path() + "/one"), IsOk());
  ASSERT_THAT(RestoreBackup(*repository, 0, path() + "/two"), IsOk());
  EXPECT_THAT(IdsIn(path() + "/one"), ElementsAre("a"));
  EXPECT_THAT(IdsIn(path() + "/two"), ElementsAre("a", "b"));
}

TEST_P(BackupsTest, AStoreOfLogsGetsWhatIsNew) {
  auto points = Vectors("points", 2);
  ASSERT_THAT(PutVector(*points, "a", {1, 0}), IsOk());
  ASSERT_THAT(PutVector(*points, "b", {1, 0}), IsOk());
  ASSERT_THAT(db().OffloadLogs(Where("l")), IsOk());
  ASSERT_THAT(DeleteId(*points, "a"), IsOk());
  const auto reply = db().OffloadLogs(Where("l"));
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->new_ops, 1u);
  EXPECT_GT(reply->new_bytes, 0u);
  ASSERT_EQ(reply->logs.size(), 1u);
  EXPECT_EQ(reply->logs[0].name, "points");
  EXPECT_EQ(reply->logs[0].uuid, points->Info()->uuid);
  EXPECT_EQ(reply->logs[0].lineage, 1u);
  EXPECT_EQ(reply->logs[0].position, 3u);
  EXPECT_EQ(reply->logs[0].segments, 2u);
  EXPECT_GT(reply->logs[0].bytes, reply->new_bytes);
  // It can be written again, through any kind of Db.
  const auto store = DirectoryBackupStore(SavedTo("l"));
  EXPECT_THAT(ReplayLog(*store, {}, db()),
              StatusIs(absl::StatusCode::kAlreadyExists, _));
  ASSERT_THAT(db().DropCollection("points"), IsOk());
  const auto replayed = ReplayLog(*store, {}, db());
  ASSERT_THAT(replayed, IsOk());
  EXPECT_EQ(replayed->written, 3u);
  EXPECT_EQ(replayed->left_out, 0u);
  points = *db().OpenCollection("points");
  EXPECT_THAT(Ids(*points->List()), ElementsAre("b"));
  EXPECT_EQ(points->History("a")->versions.size(), 2u);
  EXPECT_EQ(*points->Count({}, Moment::At(2)), 2u);
}

TEST_P(BackupsTest, PurgeNamesWhereItWasSaved) {
  auto points = Vectors("points", 2);
  ASSERT_THAT(PutVector(*points, "a", {1, 0}), IsOk());
  ASSERT_THAT(db().Snapshot(Where("s")), IsOk());
  ASSERT_THAT(db().Backup(Where("r")), IsOk());
  ASSERT_THAT(db().OffloadLogs(Where("l")), IsOk());
  const auto reply = points->Purge({"a"});
  ASSERT_THAT(reply, IsOk());
  EXPECT_THAT(reply->untouched, ::testing::UnorderedElementsAre(
                                    SavedTo("s"), SavedTo("r"), SavedTo("l")));
}

TEST_P(BackupsTest, ProgressIsToldAndPatienceEndsTheCall) {
  auto points = Vectors("points", 2);
  ASSERT_THAT(PutVector(*points, "a", {1, 0}), IsOk());
  const std::vector<std::function<absl::Status(
      const std::string&, const BackupOptions&, const CallOptions&)>>
      calls = {[this](const std::string& name, const BackupOptions& options,
                      const CallOptions& call) {
                 return db().Snapshot(Where(name), options, call).status();
               },
               [this](const std::string& name, const BackupOptions& options,
                      const CallOptions& call) {
                 return db().Backup(Where(name), options, call).status();
               },
               [this](const std::string& name, const BackupOptions& options,
                      const CallOptions& call) {
                 return db().OffloadLogs(Where(name), options, call).status();
               }};
  for (size_t i = 0; i < calls.size(); ++i) {
    const std::string name = "x" + std::to_string(i);
    BackupOptions options;
    options.cancelled = [] { return true; };
    EXPECT_THAT(calls[i](name, options, {}),
                StatusIs(absl::StatusCode::kCancelled, _));
    CallOptions call;
    call.cancelled = [] { return true; };
    EXPECT_THAT(calls[i](name, {}, call),
                StatusIs(absl::StatusCode::kCancelled, _));
    call = {.deadline = absl::Now() - absl::Seconds(1)};
    EXPECT_THAT(calls[i](name, {}, call),
                StatusIs(absl::StatusCode::kDeadlineExceeded, _));
    // Nothing is left that would be in the way.
    options = {};
    BackupProgress last;
    options.progress = [&](const BackupProgress& progress) {
      EXPECT_LE(progress.bytes, progress.total);
      EXPECT_GE(progress.bytes, last.bytes);
      last = progress;
    };
    EXPECT_THAT(calls[i](name, options, {}), IsOk());
    EXPECT_GT(last.total, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Db, BackupsTest,
                         ::testing::Values(Kind::kLocal, Kind::kRemote),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace corkscrew::testing
