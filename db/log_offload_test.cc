// Stores of logs: what a database adds to them, and what can be read back.

#include "db/log_offload.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/testing.h"
#include "corkscrew/backup.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "db/environment.h"
#include "db/local_db.h"
#include "db/log_segment.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

namespace fs = std::filesystem;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::RandomNormal;
using ::corkscrew::testing::StatusIs;
using ::corkscrew::testing::TempDir;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr size_t kDim = 16;
constexpr auto kDataLoss = absl::StatusCode::kDataLoss;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

// Files below a directory, but its lock, with their content.
std::map<std::string, std::string> FilesBelow(const std::string& path) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    const std::string name = fs::relative(entry.path(), path).string();
    if (entry.is_regular_file() && name != "LOCK") {
      files[name] = ReadFile(entry.path().string());
    }
  }
  return files;
}

class LogOffloadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    environment_.sync_interval = absl::InfiniteDuration();
    Open();
    ASSERT_THAT(db_->CreateCollection("notes", {.dim = kDim}), IsOk());
  }

  void Open() {
    auto db = OpenLocalDb(path_, {}, environment_);
    ASSERT_THAT(db, IsOk());
    db_ = *std::move(db);
  }
  void Reopen() {
    ASSERT_THAT(db_->Close(), IsOk());
    Open();
  }

  std::shared_ptr<Collection> Notes() {
    auto notes = db_->OpenCollection("notes");
    EXPECT_THAT(notes, IsOk());
    return *notes;
  }

  // Writes `ids` in one Put.
  void Put(const std::vector<std::string>& ids, uint64_t seed,
           Durability durability = Durability::kSync) {
    std::vector<std::vector<float>> vectors;
    std::vector<Metadata> metadata;
    const std::string text = absl::StrCat("text ", seed);
    for (size_t i = 0; i < ids.size(); ++i) {
      vectors.push_back(RandomNormal(kDim, seed * 100 + i));
      metadata.push_back({{"seed", static_cast<int64_t>(seed)}});
    }
    std::vector<PutItem> items;
    for (size_t i = 0; i < ids.size(); ++i) {
      PutItem& item = items.emplace_back();
      item.record = RecordView(ids[i]);
      item.record.vector = vectors[i];
      item.record.text = text;
      item.record.metadata = &metadata[i];
    }
    ASSERT_THAT(Notes()->Put(items, {.durability = durability}), IsOk());
  }

  void Fill() {
    for (uint64_t i = 0; i < 20; ++i) {
      Put({absl::StrCat("a", i % 7), absl::StrCat("b", i)}, i);
    }
    ASSERT_THAT(Notes()->Delete({"a1", "b3"}), IsOk());
    Put({"a1"}, 50);
  }

  absl::StatusOr<OffloadReply> Offload(size_t segment_bytes = 2000) {
    return OffloadLogsTo(static_cast<LocalDb&>(*db_).engine(), store_, {}, {},
                         segment_bytes);
  }

  // All versions of all records of a collection, as text without wall times
  // and lives.
  static std::string Dump(Collection& collection) {
    std::string out;
    ListOptions list;
    list.page_size = 1000;
    list.include_deleted = true;
    const auto page = collection.List(list);
    EXPECT_THAT(page, IsOk());
    for (const StoredRecord& record : page->records) {
      const auto history =
          collection.History(record.record.id, {.fields = {true, true, true}});
      EXPECT_THAT(history, IsOk());
      for (const StoredRecord& version : history->versions) {
        absl::StrAppend(&out, version.record.id, "@", version.version.lamport,
                        version.deleted ? " deleted" : "", " ",
                        version.record.text, " ",
                        version.record.metadata.size());
        for (const float x : version.record.vector) {
          absl::StrAppend(&out, " ", x);
        }
        absl::StrAppend(&out, "\n");
      }
    }
    return out;
  }

  // The collection that the newest log gives, as Dump().
  std::string Replayed(const LogChoice& choice = {}) {
    const std::string path = Sub(absl::StrCat("replay", ++replays_));
    auto db = Db::Open(path);
    EXPECT_THAT(db, IsOk());
    const auto store = DirectoryBackupStore(store_);
    const auto reply = ReplayLog(*store, choice, **db);
    EXPECT_THAT(reply, IsOk());
    if (!reply.ok()) return "";
    reply_ = *reply;
    return Dump(**(*db)->OpenCollection(reply->log.name));
  }

  std::string Sub(const std::string& name) const {
    return dir_.path() + "/" + name;
  }

  TempDir dir_;
  const std::string path_ = Sub("db");
  const std::string store_ = Sub("logs");
  Environment environment_;
  std::unique_ptr<Db> db_;
  ReplayReply reply_;  // Of the last Replayed().
  int replays_ = 0;
};

TEST_F(LogOffloadTest, AReplayedLogIsTheCollectionWithItsHistory) {
  Fill();
  const auto reply = Offload();
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->new_ops, 43u);
  ASSERT_EQ(reply->logs.size(), 1u);
  EXPECT_EQ(reply->logs[0].name, "notes");
  EXPECT_EQ(reply->logs[0].lineage, 1u);
  EXPECT_EQ(reply->logs[0].position, 43u);
  EXPECT_GT(reply->logs[0].segments, 2u);
  EXPECT_EQ(reply->logs[0].bytes, reply->new_bytes);
  EXPECT_EQ(Replayed(), Dump(*Notes()));
  EXPECT_EQ(reply_.written, 43u);
  EXPECT_EQ(reply_.left_out, 0u);
  const auto store = DirectoryBackupStore(store_);
  const auto logs = ListLogs(*store);
  ASSERT_THAT(logs, IsOk());
  ASSERT_EQ(logs->size(), 1u);
  EXPECT_EQ((*logs)[0].uuid, Notes()->Info()->uuid);
  EXPECT_THAT(VerifyLog(*store, {}), IsOk());
}

TEST_F(LogOffloadTest, EveryKindOfOriginalComesBack) {
  for (const Originals originals :
       {Originals::kBFloat16, Originals::kCodesOnly}) {
    for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
      ASSERT_THAT(db_->DropCollection("notes"), IsOk());
      ASSERT_THAT(
          db_->CreateCollection(
              "notes", {.dim = kDim, .metric = metric, .originals = originals}),
          IsOk());
      Put({"a", "b"}, 1);
      Put({"a"}, 2);
      ASSERT_THAT(Offload(), IsOk());
      const std::string replayed = Replayed({.name = "notes"});
      if (originals == Originals::kBFloat16) {
        EXPECT_EQ(replayed, Dump(*Notes()));
      } else {
        EXPECT_EQ(std::count(replayed.begin(), replayed.end(), '\n'), 3);
      }
      fs::remove_all(store_);
    }
  }
}

TEST_F(LogOffloadTest, OnlyWhatIsNewIsAdded) {
  Fill();
  ASSERT_THAT(Offload(), IsOk());
  const auto before = FilesBelow(store_);
  const auto again = Offload();
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->new_ops, 0u);
  EXPECT_EQ(again->new_bytes, 0u);
  EXPECT_EQ(again->logs[0].position, 43u);
  EXPECT_EQ(FilesBelow(store_), before);
  Reopen();
  Put({"c"}, 60);
  const auto more = Offload();
  ASSERT_THAT(more, IsOk());
  EXPECT_EQ(more->new_ops, 1u);
  EXPECT_EQ(more->logs[0].lineage, 1u);
  const auto after = FilesBelow(store_);
  EXPECT_EQ(after.size(), before.size() + 1);
  for (const auto& [name, content] : before) EXPECT_EQ(after.at(name), content);
  EXPECT_EQ(Replayed(), Dump(*Notes()));
}

TEST_F(LogOffloadTest, AWriteIsNeverCutIntoTwoSegments) {
  std::vector<std::string> ids;
  for (int i = 0; i < 100; ++i) ids.push_back(absl::StrCat("n", i));
  Put(ids, 1);
  Put({"x"}, 2);
  Put({"y"}, 3);
  ASSERT_THAT(Offload(1), IsOk());
  const auto store = DirectoryBackupStore(store_);
  std::vector<uint64_t> lasts;
  const StoredLogs logs = *FindLogs(*store);
  for (const auto& [key, objects] : logs) {
    for (const LogObject& object : objects) lasts.push_back(object.last);
  }
  EXPECT_THAT(lasts, ElementsAre(100, 101, 102));
}

TEST_F(LogOffloadTest, WhatAPowerLossMayTakeIsNotSealed) {
  Put({"a"}, 1);
  Put({"b"}, 2, Durability::kRelaxed);
  Put({"c"}, 3, Durability::kRelaxed);
  auto reply = Offload();
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->logs[0].position, 1u);
  Put({"d"}, 4);  // Its sync is that of all before.
  reply = Offload();
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->new_ops, 3u);
  EXPECT_EQ(reply->logs[0].position, 4u);
}

TEST_F(LogOffloadTest, AnInterruptedPushIsFinishedByTheNextCall) {
  Fill();
  ASSERT_THAT(Offload(), IsOk());
  const auto want = FilesBelow(store_);
  std::vector<std::string> names;
  for (const auto& [name, content] : want) {
    if (absl::StartsWith(name, "logs/")) names.push_back(name);
  }
  ASSERT_GT(names.size(), 2u);
  for (size_t stop = 0; stop < names.size(); ++stop) {
    fs::remove_all(store_);
    // The temporary file of this one can not be made.
    fs::create_directories(store_ + "/" + names[stop] + ".tmp");
    EXPECT_FALSE(Offload().ok());
    EXPECT_EQ(FilesBelow(store_).size(), 1 + stop);
    fs::remove(store_ + "/" + names[stop] + ".tmp");
    // A crash leaves half of a temporary file.
    const std::string& whole = want.at(names[stop]);
    WriteFile(store_ + "/" + names[stop] + ".tmp",
              whole.substr(0, whole.size() / 2));
    if (stop > 0) {
      const auto store = DirectoryBackupStore(store_);
      EXPECT_THAT(VerifyLog(*store, {}), IsOk());
    }
    ASSERT_THAT(Offload(), IsOk());
    EXPECT_EQ(FilesBelow(store_), want) << stop;
  }
}

TEST_F(LogOffloadTest, WhatCanNotBeContinuedBeginsANewLineage) {
  Fill();
  ASSERT_THAT(Offload(), IsOk());
  // Another life of the same history.
  ASSERT_THAT(db_->Snapshot(Sub("snapshot")), IsOk());
  Put({"lost"}, 70);
  ASSERT_THAT(Offload(), IsOk());
  const std::string first = Dump(*Notes());
  ASSERT_THAT(db_->Close(), IsOk());
  fs::remove_all(path_);
  ASSERT_THAT(RestoreSnapshot(Sub("snapshot"), path_), IsOk());
  Open();
  Put({"other"}, 71);
  auto reply = Offload();
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->logs[0].lineage, 2u);
  EXPECT_EQ(reply->new_ops, 44u);
  EXPECT_EQ(Replayed(), Dump(*Notes()));
  EXPECT_EQ(Replayed({.lineage = 1}), first);
  // A segment is missing: what follows it proves nothing.
  const auto store = DirectoryBackupStore(store_);
  const StoredLogs logs = *FindLogs(*store);
  const LogObjects& newest = logs.rbegin()->second;
  ASSERT_GT(newest.size(), 2u);
  fs::remove(store_ + "/" + newest[1].name);
  EXPECT_THAT(VerifyLog(*store, {}),
              StatusIs(kDataLoss, HasSubstr("is missing before")));
  reply = Offload();
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->logs[0].lineage, 3u);
  EXPECT_EQ(Replayed(), Dump(*Notes()));
}

// Fails when `left` objects were removed, and stays failed.
class StoppingStore : public BackupStore {
 public:
  StoppingStore(BackupStore& store, size_t left) : store_(store), left_(left) {}

  absl::Status Push(absl::string_view name,
                    absl::string_view content) override {
    return store_.Push(name, content);
  }
  absl::StatusOr<std::vector<Object>> List(absl::string_view prefix) override {
    return store_.List(prefix);
  }
  absl::StatusOr<std::string> Pull(absl::string_view name,
                                   uint64_t most) override {
    return store_.Pull(name, most);
  }
  absl::Status Delete(absl::string_view name) override {
    if (left_ == 0) return absl::UnavailableError("stopped");
    --left_;
    return store_.Delete(name);
  }

 private:
  BackupStore& store_;
  size_t left_;
};

class PruneLogsTest : public LogOffloadTest {
 protected:
  // Three lives with the same ops, and a few more in each.
  void SetUp() override {
    LogOffloadTest::SetUp();
    Fill();
    for (int life = 0; life < 3; ++life) {
      if (life > 0) {
        ASSERT_THAT(db_->Snapshot(Sub("snapshot")), IsOk());
        ASSERT_THAT(db_->Close(), IsOk());
        fs::remove_all(path_);
        ASSERT_THAT(RestoreSnapshot(Sub("snapshot"), path_), IsOk());
        fs::remove_all(Sub("snapshot"));
        Open();
      }
      Put({absl::StrCat("life", life)}, 80 + life);
      const auto reply = Offload();
      ASSERT_THAT(reply, IsOk());
      ASSERT_EQ(reply->logs[0].lineage, 1u + life);
    }
    whole_ = FilesBelow(store_);
    for (const auto& [name, content] : whole_) {
      if (absl::StrContains(name, "/00000000000000000003/")) {
        newest_.push_back(name);
      }
    }
    ASSERT_GT(newest_.size(), 2u);
  }

  static std::vector<uint64_t> Lineages(const std::vector<LogInfo>& logs) {
    std::vector<uint64_t> out;
    for (const LogInfo& log : logs) out.push_back(log.lineage);
    return out;
  }

  // The store as it was.
  void Refill() {
    fs::remove_all(store_);
    for (const auto& [name, content] : whole_) {
      fs::create_directories(fs::path(store_ + "/" + name).parent_path());
      WriteFile(store_ + "/" + name, content);
    }
  }

  std::map<std::string, std::string> whole_;
  std::vector<std::string> newest_;  // Its segments.
};

TEST_F(PruneLogsTest, LineagesThatTheNewestReplacesGo) {
  const std::string want = Dump(*Notes());
  auto reply = PruneLogs(*DirectoryBackupStore(store_), {.dry_run = true});
  ASSERT_THAT(reply, IsOk());
  EXPECT_THAT(Lineages(reply->removed), ElementsAre(1, 2));
  EXPECT_GT(reply->bytes, 4000u);
  EXPECT_EQ(FilesBelow(store_), whole_);
  reply = PruneLogs(*DirectoryBackupStore(store_), {.keep = 2});
  ASSERT_THAT(reply, IsOk());
  EXPECT_THAT(Lineages(reply->removed), ElementsAre(1));
  reply = PruneLogs(*DirectoryBackupStore(store_), {});
  ASSERT_THAT(reply, IsOk());
  EXPECT_THAT(Lineages(reply->removed), ElementsAre(2));
  EXPECT_EQ(FilesBelow(store_).size(), 1 + newest_.size());
  EXPECT_EQ(Replayed(), want);
  // The log goes on where it ended.
  Put({"more"}, 90);
  const auto more = Offload();
  ASSERT_THAT(more, IsOk());
  EXPECT_EQ(more->new_ops, 1u);
  EXPECT_EQ(more->logs[0].lineage, 3u);
  reply = PruneLogs(*DirectoryBackupStore(store_), {});
  ASSERT_THAT(reply, IsOk());
  EXPECT_THAT(reply->removed, IsEmpty());
}

TEST_F(PruneLogsTest, WhatIsCutOffOrDamagedReplacesNothing) {
  for (size_t left = 0; left < newest_.size(); ++left) {
    Refill();
    for (size_t i = left; i < newest_.size(); ++i) {
      fs::remove(store_ + "/" + newest_[i]);
    }
    // Half of the next one, as a crash leaves it.
    const std::string& next = whole_.at(newest_[left]);
    WriteFile(store_ + "/" + newest_[left] + ".tmp",
              next.substr(0, next.size() / 2));
    const auto before = FilesBelow(store_);
    const auto reply = PruneLogs(*DirectoryBackupStore(store_), {});
    ASSERT_THAT(reply, IsOk());
    if (left == 0) {
      // Nothing of it is there: the second is the newest.
      EXPECT_THAT(Lineages(reply->removed), ElementsAre(1));
      continue;
    }
    EXPECT_THAT(reply->removed, IsEmpty()) << left;
    EXPECT_THAT(Lineages(reply->kept_back), ElementsAre(1, 2));
    EXPECT_EQ(FilesBelow(store_), before);
  }
  for (const std::string& name : newest_) {
    Refill();
    std::string bytes = whole_.at(name);
    bytes[bytes.size() / 2] ^= 4;
    WriteFile(store_ + "/" + name, bytes);
    const auto reply = PruneLogs(*DirectoryBackupStore(store_), {});
    ASSERT_THAT(reply, IsOk());
    EXPECT_THAT(reply->removed, IsEmpty());
    EXPECT_THAT(Lineages(reply->kept_back), ElementsAre(1, 2));
  }
}

TEST_F(PruneLogsTest, StoppedAnywhereTheNextOneFinishesIt) {
  const size_t older = whole_.size() - 1 - newest_.size();
  const std::string want = Replayed();
  for (size_t removed = 0; removed < older; ++removed) {
    Refill();
    {
      const auto directory = DirectoryBackupStore(store_);
      StoppingStore store(*directory, removed);
      EXPECT_FALSE(PruneLogs(store, {}).ok());
      EXPECT_EQ(FilesBelow(store_).size(), whole_.size() - removed);
      // What is left of an old one is all of it, or refused.
      const auto logs = ListLogs(store);
      ASSERT_THAT(logs, IsOk());
      for (const LogInfo& log : *logs) {
        size_t segments = 0;
        const std::string folder = absl::StrFormat("/%020d/", log.lineage);
        for (const auto& [name, content] : whole_) {
          segments += absl::StrContains(name, folder);
        }
        EXPECT_EQ(VerifyLog(store, {.lineage = log.lineage}).ok(),
                  log.segments == segments)
            << removed << " " << log.lineage;
      }
    }
    const auto reply = PruneLogs(*DirectoryBackupStore(store_), {});
    ASSERT_THAT(reply, IsOk());
    EXPECT_THAT(reply->kept_back, IsEmpty());
    EXPECT_EQ(FilesBelow(store_).size(), 1 + newest_.size());
  }
  EXPECT_EQ(Replayed(), want);
}

TEST_F(PruneLogsTest, ItNeedsAStoreAndSomethingToKeep) {
  EXPECT_THAT(PruneLogs(*DirectoryBackupStore(store_), {.keep = 0}),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
  EXPECT_THAT(PruneLogs(*DirectoryBackupStore(Sub("none")), {}),
              StatusIs(absl::StatusCode::kNotFound, _));
}

TEST_F(LogOffloadTest, AnotherLifeIsAnotherLineageAlsoWithTheSameOps) {
  Fill();
  ASSERT_THAT(db_->Snapshot(Sub("snapshot")), IsOk());
  ASSERT_THAT(Offload(), IsOk());
  ASSERT_THAT(db_->Close(), IsOk());
  fs::remove_all(path_);
  ASSERT_THAT(RestoreSnapshot(Sub("snapshot"), path_), IsOk());
  Open();
  const auto reply = Offload();
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->logs[0].lineage, 2u);
  EXPECT_EQ(reply->new_ops, 43u);
  EXPECT_EQ(Replayed({.lineage = 1}), Replayed({.lineage = 2}));
}

TEST_F(LogOffloadTest, ASegmentMustContinueTheOneBefore) {
  Put({"a"}, 1);
  Put({"b"}, 2);
  ASSERT_THAT(Offload(1), IsOk());
  const auto store = DirectoryBackupStore(store_);
  const StoredLogs logs = *FindLogs(*store);
  const std::string file = store_ + "/" + logs.begin()->second[1].name;
  // Good by itself, of the same place, behind another op.
  LogSegmentBuilder builder;
  auto head = DecodeLogSegment(ReadFile(file), [&](const LoggedOp& op) {
    builder.Add(op);
    return absl::OkStatus();
  });
  ASSERT_THAT(head, IsOk());
  head->before[0] ^= 1;
  WriteFile(file, builder.Finish(&*head));
  EXPECT_THAT(VerifyLog(*store, {}),
              StatusIs(kDataLoss, HasSubstr("another place")));
}

TEST_F(LogOffloadTest, ADamagedSegmentIsNamedAndNeverContinued) {
  Put({"a"}, 1);
  Put({"b"}, 2);
  ASSERT_THAT(Offload(1), IsOk());
  const auto store = DirectoryBackupStore(store_);
  const StoredLogs logs = *FindLogs(*store);
  const LogObjects& objects = logs.begin()->second;
  ASSERT_EQ(objects.size(), 2u);
  auto target = Db::Open(Sub("target"));
  ASSERT_THAT(target, IsOk());
  for (const LogObject& object : objects) {
    const std::string file = store_ + "/" + object.name;
    const std::string good = ReadFile(file);
    const auto refused = [&](const std::string& what) {
      const auto verified = VerifyLog(*store, {});
      EXPECT_THAT(
          verified.status().code(),
          ::testing::AnyOf(kDataLoss, absl::StatusCode::kFailedPrecondition))
          << what;
    };
    for (size_t i = 0; i < good.size(); ++i) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
      WriteFile(file, bad);
      refused(absl::StrCat("byte ", i));
      WriteFile(file, good.substr(0, i));
      refused(absl::StrCat("cut at ", i));
    }
    // Nothing is written of a log that is not good.
    EXPECT_FALSE(ReplayLog(*store, {}, **target).ok());
    EXPECT_THAT((*target)->ListCollections()->size(), 0u);
    WriteFile(file, good);
  }
  // One in the place of another.
  const std::string second = ReadFile(store_ + "/" + objects[1].name);
  WriteFile(store_ + "/" + objects[1].name,
            ReadFile(store_ + "/" + objects[0].name));
  EXPECT_THAT(VerifyLog(*store, {}),
              StatusIs(kDataLoss, HasSubstr("another place")));
  WriteFile(store_ + "/" + objects[1].name,
            second.substr(0, second.size() - 1));
  Put({"c"}, 3);
  const auto reply = Offload();
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->logs[0].lineage, 2u);
  EXPECT_THAT(VerifyLog(*store, {}), IsOk());
}

TEST_F(LogOffloadTest, WhatWasPurgedNeitherLeavesNorComesBack) {
  Put({"a", "b"}, 1);
  Put({"a"}, 2);
  ASSERT_THAT(Offload(), IsOk());
  Put({"c"}, 3);
  const auto purge = Notes()->Purge({"a", "c"});
  ASSERT_THAT(purge, IsOk());
  EXPECT_THAT(purge->untouched, ElementsAre(store_));
  const auto before = FilesBelow(store_);
  ASSERT_THAT(Offload(), IsOk());
  for (const auto& [name, content] : FilesBelow(store_)) {
    if (before.count(name) == 0) {
      EXPECT_FALSE(absl::StrContains(content, "text 3"));
    }
  }
  const std::string replayed = Replayed();
  EXPECT_FALSE(absl::StrContains(replayed, "a@"));
  EXPECT_FALSE(absl::StrContains(replayed, "c@"));
  EXPECT_TRUE(absl::StrContains(replayed, "b@1 text 1"));
  EXPECT_EQ(reply_.left_out, 3u);
  // Written again after the purge, it is there.
  Put({"a"}, 4);
  ASSERT_THAT(Offload(), IsOk());
  EXPECT_TRUE(absl::StrContains(Replayed(), "text 4"));
}

TEST_F(LogOffloadTest, WhatRetentionRemovedIsLeftOut) {
  for (uint64_t i = 1; i <= 5; ++i) Put({"a"}, i);
  ASSERT_THAT(Notes()->SetRetention({.keep_versions = 2}), IsOk());
  ASSERT_THAT(Notes()->ApplyRetention(), IsOk());
  ASSERT_THAT(Offload(), IsOk());
  const std::string replayed = Replayed();
  EXPECT_TRUE(absl::StrContains(replayed, "text 5"));
  EXPECT_TRUE(absl::StrContains(replayed, "text 4"));
  EXPECT_EQ(reply_.written, 2u);
  EXPECT_EQ(reply_.left_out, 3u);
}

TEST_F(LogOffloadTest, ALogIsChosenByNameAndLineage) {
  Put({"a"}, 1);
  ASSERT_THAT(db_->CreateCollection("other", {.dim = kDim}), IsOk());
  const std::vector<float> vector = RandomNormal(kDim, 1);
  PutItem item{RecordView("o")};
  item.record.vector = vector;
  ASSERT_THAT((*db_->OpenCollection("other"))->Put({&item, 1}), IsOk());
  const auto reply = Offload();
  ASSERT_THAT(reply, IsOk());
  ASSERT_EQ(reply->logs.size(), 2u);
  EXPECT_EQ(reply->logs[1].name, "other");
  const auto store = DirectoryBackupStore(store_);
  EXPECT_THAT(VerifyLog(*store, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("\"notes\" and \"other\"")));
  EXPECT_EQ(VerifyLog(*store, {.name = "other"})->position, 1u);
  EXPECT_THAT(VerifyLog(*store, {.name = "none"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"none\"")));
  EXPECT_THAT(VerifyLog(*store, {.name = "notes", .lineage = 2}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("lineage 2")));
  EXPECT_THAT(ReplayLog(*store, {.name = "notes"}, *db_),
              StatusIs(absl::StatusCode::kAlreadyExists, _));
  // Dropped and made again it is another collection.
  ASSERT_THAT(db_->DropCollection("notes"), IsOk());
  ASSERT_THAT(db_->CreateCollection("notes", {.dim = kDim}), IsOk());
  Put({"new"}, 2);
  ASSERT_THAT(Offload(), IsOk());
  EXPECT_EQ(ListLogs(*store)->size(), 3u);
  EXPECT_EQ(Replayed({.name = "notes"}), Dump(*Notes()));
  fs::remove_all(store_);
  EXPECT_THAT(ListLogs(*store), StatusIs(absl::StatusCode::kNotFound, _));
}

TEST_F(LogOffloadTest, PatienceEndsIt) {
  Fill();
  BackupOptions options;
  options.cancelled = [] { return true; };
  EXPECT_THAT(db_->OffloadLogs(store_, options),
              StatusIs(absl::StatusCode::kCancelled, _));
  CallOptions call;
  call.deadline = absl::InfinitePast();
  EXPECT_THAT(db_->OffloadLogs(store_, {}, call),
              StatusIs(absl::StatusCode::kDeadlineExceeded, _));
  uint64_t done = 0;
  options.cancelled = nullptr;
  options.progress = [&](const BackupProgress& progress) {
    EXPECT_EQ(progress.total, 43u);
    done = progress.bytes;
  };
  ASSERT_THAT(db_->OffloadLogs(store_, options), IsOk());
  EXPECT_EQ(done, 43u);
}

}  // namespace
}  // namespace corkscrew
