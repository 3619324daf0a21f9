// Snapshots, backups and restore: what comes back, and what is refused.

#include "db/backup.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/testing.h"
#include "corkscrew/backup.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "db/backup_manifest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

namespace fs = std::filesystem;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::RandomNormal;
using ::corkscrew::testing::StatusIs;
using ::corkscrew::testing::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr size_t kDim = 16;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

std::vector<std::string> FilesBelow(const std::string& path) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

absl::Status Put(Db& db, const std::string& id, uint64_t seed) {
  auto notes = db.OpenCollection("notes");
  if (!notes.ok()) return notes.status();
  const std::vector<float> vector = RandomNormal(kDim, seed);
  const std::string text = absl::StrCat("text ", seed);
  PutItem item{RecordView(id)};
  item.record.vector = vector;
  item.record.text = text;
  return (*notes)->Put({&item, 1}).status();
}

// Everything of the collection "notes", as text.
std::string Dump(const std::string& path) {
  auto db = Db::Open(path, {.create_if_missing = false});
  EXPECT_THAT(db, IsOk());
  if (!db.ok()) return "";
  auto notes = (*db)->OpenCollection("notes");
  EXPECT_THAT(notes, IsOk());
  if (!notes.ok()) return "";
  std::string out;
  ListOptions list;
  list.page_size = 1000;
  list.fields.vector = true;
  const auto page = (*notes)->List(list);
  EXPECT_THAT(page, IsOk());
  for (const StoredRecord& record : page->records) {
    absl::StrAppend(&out, record.record.id, "=", record.record.text, "@",
                    record.version.lamport, " ", record.record.vector[0], "\n");
    const auto history = (*notes)->History(record.record.id);
    EXPECT_THAT(history, IsOk());
    absl::StrAppend(&out, history->versions.size(), "\n");
    Query query = Query::Vector(record.record.vector);
    query.k = 1;
    const auto hits = (*notes)->Search(query);
    EXPECT_THAT(hits, IsOk());
    EXPECT_EQ(hits->hits[0].id, record.record.id);
  }
  return out;
}

uint64_t IncarnationOf(const std::string& path) {
  auto db = Db::Open(path, {.create_if_missing = false});
  EXPECT_THAT(db, IsOk());
  return (*db)->Stats()->incarnation;
}

class BackupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto db = Db::Open(path_, {.now = [this] { return now_; }});
    ASSERT_THAT(db, IsOk());
    db_ = *std::move(db);
    ASSERT_THAT(db_->CreateCollection("notes", {.dim = kDim}), IsOk());
    for (uint64_t i = 0; i < 30; ++i) {
      ASSERT_THAT(Put(*db_, absl::StrCat("n", i % 20), i), IsOk());
    }
  }

  std::string Sub(const std::string& name) const {
    return dir_.path() + "/" + name;
  }

  TempDir dir_;
  const std::string path_ = Sub("db");
  const std::string repository_ = Sub("backups");
  const std::string snapshot_ = Sub("snapshot");
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::unique_ptr<Db> db_;
};

TEST_F(BackupTest, ASnapshotIsTheDatabaseAtThatMomentInANewLife) {
  const auto content = db_->Snapshot(snapshot_);
  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->uuid, db_->Stats()->uuid);
  ASSERT_EQ(content->collections.size(), 1u);
  EXPECT_EQ(content->collections[0].name, "notes");
  EXPECT_EQ(content->collections[0].lamport, 30u);
  ASSERT_THAT(Put(*db_, "later", 99), IsOk());
  ASSERT_THAT(VerifySnapshot(snapshot_), IsOk());
  ASSERT_THAT(RestoreSnapshot(snapshot_, Sub("new")), IsOk());
  auto restored = Db::Open(Sub("new"));
  ASSERT_THAT(restored, IsOk());
  const auto stats = (*restored)->Stats();
  EXPECT_EQ(stats->uuid, content->uuid);
  EXPECT_EQ(stats->replica, content->replica);
  EXPECT_NE(stats->incarnation, content->incarnation);
  ASSERT_THAT(Put(**restored, "other", 98), IsOk());
  ASSERT_THAT((*restored)->Close(), IsOk());
  ASSERT_THAT(db_->Close(), IsOk());
  const std::string now = Dump(path_);
  const std::string then = Dump(Sub("new"));
  EXPECT_NE(now.find("later=text 99@31"), now.npos);
  EXPECT_NE(then.find("other=text 98@31"), then.npos);
  EXPECT_EQ(now.substr(now.find("n0=")),
            then.substr(then.find("n0=")).substr(0, then.find("other")));
}

TEST_F(BackupTest, GenerationsShareFilesAndEachComesBack) {
  std::vector<std::string> states;
  uint64_t first_bytes = 0;
  for (uint64_t generation = 1; generation <= 3; ++generation) {
    ASSERT_THAT(Put(*db_, absl::StrCat("g", generation), generation), IsOk());
    const auto info = db_->Backup(repository_);
    ASSERT_THAT(info, IsOk());
    EXPECT_EQ(info->generation, generation);
    if (generation == 1) {
      first_bytes = info->new_bytes;
      EXPECT_EQ(info->new_bytes, info->content.bytes);
    } else {
      EXPECT_LT(info->new_bytes, info->content.bytes);
    }
    const std::string copy = Sub(absl::StrCat("copy", generation));
    const auto store = DirectoryBackupStore(repository_);
    ASSERT_THAT(RestoreBackup(*store, generation, copy), IsOk());
    states.push_back(Dump(copy));
  }
  EXPECT_GT(first_bytes, 0u);
  EXPECT_FALSE(fs::exists(path_ + "/backup.tmp"));
  ASSERT_THAT(db_->Close(), IsOk());
  EXPECT_EQ(Dump(path_), states[2]);
  EXPECT_NE(states[0], states[1]);
  const auto store = DirectoryBackupStore(repository_);
  const auto all = ListBackups(*store);
  ASSERT_THAT(all, IsOk());
  EXPECT_EQ(all->size(), 3u);
  // Each again, from the shared files, and two of one are two lives.
  for (uint64_t generation = 1; generation <= 3; ++generation) {
    EXPECT_THAT(VerifyBackup(*store, generation), IsOk());
    const std::string copy = Sub(absl::StrCat("again", generation));
    ASSERT_THAT(RestoreBackup(*store, generation, copy), IsOk());
    EXPECT_EQ(Dump(copy), states[generation - 1]);
    EXPECT_NE(IncarnationOf(copy),
              IncarnationOf(Sub(absl::StrCat("copy", generation))));
  }
}

TEST_F(BackupTest, AGenerationUnderTheNumberOfAnotherIsRefused) {
  for (uint64_t generation = 1; generation <= 2; ++generation) {
    ASSERT_THAT(Put(*db_, absl::StrCat("g", generation), generation), IsOk());
    ASSERT_THAT(db_->Backup(repository_), IsOk());
  }
  const auto store = DirectoryBackupStore(repository_);
  const auto first = store->Pull(GenerationName(1), kMaxManifestBytes);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(store->Push(GenerationName(2), *first), IsOk());
  EXPECT_THAT(VerifyBackup(*store, 1), IsOk());
  for (const absl::Status& status :
       {VerifyBackup(*store, 2).status(), ListBackups(*store).status(),
        RestoreBackup(*store, 2, Sub("copy")).status()}) {
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(status.message(),
                HasSubstr("manifest of generation 1, want 2"));
  }
  EXPECT_FALSE(fs::exists(Sub("copy")));
  // Nor is it a snapshot.
  ASSERT_THAT(db_->Snapshot(Sub("snapshot")), IsOk());
  std::ofstream(Sub("snapshot") + "/SNAPSHOT", std::ios::binary) << *first;
  const absl::Status status = VerifySnapshot(Sub("snapshot")).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("generation 1"));
}

TEST_F(BackupTest, ABackupWithoutChangesCopiesAlmostNothing) {
  const auto first = db_->Backup(repository_);
  ASSERT_THAT(first, IsOk());
  const auto second = db_->Backup(repository_);
  ASSERT_THAT(second, IsOk());
  EXPECT_LT(second->new_bytes, first->new_bytes / 2);
}

TEST_F(BackupTest, PruningKeepsWhatARuleKeepsAndNeverTheNewestOnly) {
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(Put(*db_, "n0", 100 + i), IsOk());
    ASSERT_THAT(db_->Backup(repository_), IsOk());
    now_ += absl::Hours(24);
  }
  const auto numbers = [&] {
    const auto store = DirectoryBackupStore(repository_);
    std::vector<uint64_t> out;
    const auto all = ListBackups(*store);
    EXPECT_THAT(all, IsOk());
    for (const BackupInfo& info : *all) {
      out.push_back(info.generation);
      EXPECT_THAT(VerifyBackup(*store, info.generation), IsOk());
    }
    return out;
  };
  const auto prune = [&](const BackupRetention& retention) {
    const auto store = DirectoryBackupStore(repository_);
    return PruneBackups(*store, retention, now_);
  };
  ASSERT_THAT(prune({.keep = 5}), IsOk());
  EXPECT_THAT(numbers(), ElementsAre(1, 2, 3, 4, 5));
  // Generation 1 is five days old, generation 5 one.
  auto reply = prune({.keep = 2, .keep_for = absl::Hours(72)});
  ASSERT_THAT(reply, IsOk());
  EXPECT_THAT(reply->removed, ElementsAre(1, 2));
  EXPECT_GT(reply->bytes, 0u);
  EXPECT_THAT(numbers(), ElementsAre(3, 4, 5));
  ASSERT_THAT(prune({}), IsOk());
  EXPECT_THAT(numbers(), ElementsAre(5));
  // No file is left that no generation needs.
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(repository_ + "/files")) {
    files += entry.is_regular_file();
  }
  const auto store = DirectoryBackupStore(repository_);
  EXPECT_LE(files, ListBackups(*store)->back().content.files);
  ASSERT_THAT(db_->Backup(repository_), IsOk());
  EXPECT_THAT(numbers(), ElementsAre(5, 6));
}

TEST_F(BackupTest, ADamagedFileOfABackupIsNamedAndNothingIsRestored) {
  ASSERT_THAT(db_->Backup(repository_), IsOk());
  const auto store = DirectoryBackupStore(repository_);
  size_t cases = 0;
  for (const std::string& file : FilesBelow(repository_)) {
    if (absl::EndsWith(file, "/LOCK")) continue;
    const std::string good = ReadFile(file);
    const auto refused = [&](const std::string& what) {
      ++cases;
      const auto listed = ListBackups(*store);
      const auto restored = RestoreBackup(*store, 0, Sub("bad"));
      EXPECT_FALSE(restored.ok() && listed.ok()) << file << " " << what;
      if (!restored.ok()) {
        EXPECT_THAT(restored.status().code(),
                    ::testing::AnyOf(absl::StatusCode::kDataLoss,
                                     absl::StatusCode::kNotFound,
                                     absl::StatusCode::kFailedPrecondition))
            << file << " " << what << ": " << restored.status();
        EXPECT_FALSE(fs::exists(Sub("bad"))) << file << " " << what;
      }
      fs::remove_all(Sub("bad"));
    };
    // About 40 bytes of each file, one bit each, and some lengths.
    const size_t step = std::max<size_t>(1, good.size() / 40);
    for (size_t i = 0; i < good.size(); i += step) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
      WriteFile(file, bad);
      refused(absl::StrCat("bit at ", i));
    }
    for (const size_t size : {size_t{0}, good.size() / 2, good.size() - 1}) {
      WriteFile(file, good.substr(0, size));
      refused(absl::StrCat("cut to ", size));
    }
    WriteFile(file, good + "x");
    refused("longer");
    fs::remove(file);
    refused("missing");
    WriteFile(file + ".real", good);
    fs::create_symlink(file + ".real", file);
    refused("a link");
    fs::remove(file);
    fs::remove(file + ".real");
    WriteFile(file, good);
  }
  EXPECT_GT(cases, 200u);
  EXPECT_THAT(RestoreBackup(*store, 0, Sub("good")), IsOk());
}

TEST_F(BackupTest, ADamagedFileOfASnapshotIsNamedAndNothingIsRestored) {
  ASSERT_THAT(db_->Snapshot(snapshot_), IsOk());
  for (const std::string& file : FilesBelow(snapshot_)) {
    const std::string good = ReadFile(file);
    fs::remove(file);  // It is a hard link.
    for (size_t i = 0; i < good.size();
         i += std::max<size_t>(1, good.size() / 20)) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ 4);
      WriteFile(file, bad);
      EXPECT_THAT(RestoreSnapshot(snapshot_, Sub("bad")),
                  StatusIs(absl::StatusCode::kDataLoss, HasSubstr("")))
          << file << " " << i;
      EXPECT_FALSE(fs::exists(Sub("bad")));
    }
    WriteFile(file, good);
  }
  EXPECT_THAT(RestoreSnapshot(snapshot_, Sub("good")), IsOk());
  fs::remove(snapshot_ + "/SNAPSHOT");
  EXPECT_THAT(RestoreSnapshot(snapshot_, Sub("bad")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("SNAPSHOT")));
}

TEST_F(BackupTest, TakesPlacesThatAreFreeOnly) {
  ASSERT_THAT(db_->Snapshot(snapshot_), IsOk());
  EXPECT_THAT(
      db_->Snapshot(snapshot_),
      StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("snapshot")));
  fs::create_directory(Sub("empty"));
  EXPECT_THAT(RestoreSnapshot(snapshot_, Sub("empty")), IsOk());
  EXPECT_THAT(RestoreSnapshot(snapshot_, Sub("empty")),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("empty")));
  EXPECT_THAT(RestoreSnapshot(snapshot_, path_),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(path_)));
  // What a crash left of a restore is in nobody's way.
  fs::create_directories(Sub("late.restoring/store"));
  WriteFile(Sub("late.restoring/store/CURRENT"), "x");
  EXPECT_THAT(RestoreSnapshot(snapshot_, Sub("late")), IsOk());
  EXPECT_FALSE(fs::exists(Sub("late.restoring")));
  const auto none = DirectoryBackupStore(Sub("nothing"));
  EXPECT_THAT(ListBackups(*none),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("repository")));
  EXPECT_THAT(RestoreBackup(*none, 0, Sub("x")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("")));
}

TEST_F(BackupTest, WhatACrashLeftIsNoGenerationAndInNobodysWay) {
  ASSERT_THAT(db_->Backup(repository_), IsOk());
  // Half-written objects have another name; a stage may have been left.
  WriteFile(repository_ + "/files/" + std::string(64, 'a') + ".tmp", "half");
  WriteFile(repository_ + "/generations/00000000000000000002.tmp", "half");
  fs::create_directories(path_ + "/backup.tmp/store");
  WriteFile(path_ + "/backup.tmp/store/000001.sst", "half");
  {
    const auto store = DirectoryBackupStore(repository_);
    EXPECT_EQ(ListBackups(*store)->size(), 1u);
  }
  const auto info = db_->Backup(repository_);
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->generation, 2u);
  EXPECT_FALSE(fs::exists(path_ + "/backup.tmp"));
}

TEST_F(BackupTest, IsTakenWhileOthersWrite) {
  std::thread writer([this] {
    for (uint64_t i = 0; i < 200; ++i) {
      EXPECT_THAT(Put(*db_, absl::StrCat("w", i), i), IsOk());
    }
  });
  std::vector<Lamport> lamports;
  for (int i = 0; i < 4; ++i) {
    const auto info = db_->Backup(repository_);
    ASSERT_THAT(info, IsOk());
    lamports.push_back(info->content.collections[0].lamport);
  }
  writer.join();
  for (uint64_t i = 0; i < 4; ++i) {
    const auto store = DirectoryBackupStore(repository_);
    const std::string copy = Sub(absl::StrCat("copy", i));
    ASSERT_THAT(RestoreBackup(*store, i + 1, copy), IsOk());
    auto db = Db::Open(copy);
    ASSERT_THAT(db, IsOk());
    auto notes = (*db)->OpenCollection("notes");
    EXPECT_EQ((*notes)->Info()->lamport, lamports[i]);
    EXPECT_EQ(*(*notes)->Count(), 20 + lamports[i] - 30);
  }
}

TEST_F(BackupTest, ReportsProgressAndCanBeCancelled) {
  uint64_t last = 0;
  uint64_t total = 0;
  BackupOptions options;
  options.progress = [&](const BackupProgress& progress) {
    EXPECT_GE(progress.bytes, last);
    last = progress.bytes;
    total = progress.total;
  };
  ASSERT_THAT(db_->Backup(repository_, options), IsOk());
  EXPECT_GT(total, 0u);
  EXPECT_EQ(last, total);
  options.progress = nullptr;
  options.cancelled = [] { return true; };
  EXPECT_THAT(db_->Snapshot(snapshot_, options),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("")));
  EXPECT_FALSE(fs::exists(snapshot_));
  const auto store = DirectoryBackupStore(repository_);
  EXPECT_THAT(RestoreBackup(*store, 0, Sub("new"), options),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("")));
  EXPECT_FALSE(fs::exists(Sub("new")));
}

TEST_F(BackupTest, AReaderTakesNone) {
  auto reader = Db::Open(path_, {.read_only = true});
  ASSERT_THAT(reader, IsOk());
  EXPECT_THAT((*reader)->Snapshot(snapshot_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("reading only")));
  EXPECT_FALSE(fs::exists(snapshot_));
}

TEST_F(BackupTest, TheDatabaseKnowsWhereItsBackupsAre) {
  ASSERT_THAT(db_->Backup(repository_), IsOk());
  ASSERT_THAT(db_->Backup(repository_), IsOk());
  ASSERT_THAT(db_->Snapshot(snapshot_), IsOk());
  EXPECT_THAT(KnownBackups(FileSystem::Real(), path_),
              ElementsAre(repository_, snapshot_));
  fs::remove_all(snapshot_);
  EXPECT_THAT(KnownBackups(FileSystem::Real(), path_),
              ElementsAre(repository_));
}

TEST_F(BackupTest, OneProcessAtATimeChangesARepository) {
  ASSERT_THAT(db_->Backup(repository_), IsOk());
  const auto store = DirectoryBackupStore(repository_);
  ASSERT_THAT(store->Push("files/x", "y"), IsOk());
  EXPECT_THAT(
      db_->Backup(repository_),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(repository_)));
}

TEST(BackupStoreTest, ObjectsAreWholeAndNamesStayInside) {
  const TempDir dir;
  const auto store = DirectoryBackupStore(dir.path() + "/objects");
  EXPECT_TRUE(store->List("")->empty());
  ASSERT_THAT(store->Push("a/b", "content"), IsOk());
  ASSERT_THAT(store->Push("a/b", "content"), IsOk());
  ASSERT_THAT(store->Push("a/c", ""), IsOk());
  ASSERT_THAT(store->Push("top", "other"), IsOk());
  ASSERT_THAT(store->Push("top", "replaced"), IsOk());
  EXPECT_EQ(*store->Pull("a/b", 7), "content");
  EXPECT_EQ(*store->Pull("top", 100), "replaced");
  EXPECT_THAT(store->Pull("a/b", 6),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("")));
  EXPECT_THAT(store->Pull("a/d", 6),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("")));
  EXPECT_EQ(store->List("")->size(), 3u);
  EXPECT_EQ(store->List("a/")->size(), 2u);
  ASSERT_THAT(store->Delete("a/c"), IsOk());
  ASSERT_THAT(store->Delete("a/c"), IsOk());
  EXPECT_EQ(store->List("a/")->size(), 1u);
  for (const char* name :
       {"", "/", "../x", "a/../b", "a//b", "/abs", "a/", ".hidden", "a/.x", "A",
        "a b", "x.tmp", "a/b/c/d/e", "LOCK"}) {
    EXPECT_THAT(store->Push(name, "x"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("name")))
        << name;
    EXPECT_FALSE(store->Pull(name, 1).ok());
    EXPECT_FALSE(store->Delete(name).ok());
  }
  // Links are not followed.
  WriteFile(dir.path() + "/secret", "secret");
  fs::create_symlink(dir.path() + "/secret", dir.path() + "/objects/a/link");
  EXPECT_FALSE(store->Pull("a/link", 100).ok());
  EXPECT_EQ(store->List("a/")->size(), 1u);
}

TEST(BackupManifestTest, EveryByteAndLengthMatters) {
  BackupManifest manifest;
  manifest.uuid.bytes[3] = 7;
  manifest.incarnation = 5;
  manifest.wall_ms = 1'700'000'000'000;
  manifest.collections = {{Uuid{}, "notes", 30, 30}};
  manifest.seen = {{Uuid{}, 0, {Uuid{}, 5}, 30}};
  manifest.purged = {{Uuid{}, "gone", {12, Uuid{}, 5, 9}}};
  manifest.files = {{"000012.sst", 100, {}},
                    {"CURRENT", 16, {}},
                    {"MANIFEST-000005", 200, {}}};
  const std::string good = EncodeManifest(manifest);
  const auto decoded = DecodeManifest(good);
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(*decoded, manifest);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(DecodeManifest(bad).ok()) << i;
    EXPECT_FALSE(DecodeManifest(good.substr(0, i)).ok()) << i;
  }
}

TEST(BackupManifestTest, NamesThatAStoreDoesNotHaveAreRefused) {
  for (const char* name : {"000012.sst", "123456789.sst", "000001.log",
                           "MANIFEST-000005", "OPTIONS-000007", "CURRENT"}) {
    EXPECT_TRUE(IsStoreFileName(name)) << name;
  }
  for (const char* name :
       {"", "12.sst", "000012.sst/", "../000012.sst", "/000012.sst", "a.sst",
        "000012.SST", "CURRENT.tmp", "MANIFEST-", "MANIFEST-00000x", "LOCK",
        "IDENTITY", "000012.sst\n", ".", "..", "000012.blob"}) {
    EXPECT_FALSE(IsStoreFileName(name)) << name;
    BackupManifest manifest;
    manifest.files = {
        {"CURRENT", 16, {}}, {"MANIFEST-000005", 200, {}}, {name, 1, {}}};
    std::sort(manifest.files.begin(), manifest.files.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    EXPECT_THAT(DecodeManifest(EncodeManifest(manifest)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("")))
        << name;
  }
}

}  // namespace
}  // namespace corkscrew
