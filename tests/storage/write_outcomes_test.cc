// What a write answers when the disk is full, fails, or is not waited for.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "db/engine.h"
#include "db/local_db.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/storage/fault_file_system.h"
#include "tests/storage/fault_state.h"
#include "tests/storage/scratch_directory.h"

namespace corkscrew::testing {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr auto kUnknown = absl::StatusCode::kUnknown;
constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;
constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;

// With as much free space as a test says.
class SpaceFiles : public FaultFileSystem {
 public:
  using FaultFileSystem::FaultFileSystem;
  absl::StatusOr<uint64_t> FreeSpace(const std::string&) override {
    return free;
  }
  uint64_t free = uint64_t{1} << 40;
};

class WriteOutcomesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.threads = 1;
    Open();
    auto created = db_->CreateCollection("c", {.dim = 4, .bits = 2});
    ASSERT_THAT(created, IsOk());
    collection_ = *std::move(created);
  }

  void Open() {
    Environment environment;
    environment.files = &files_;
    environment.store = env_.get();
    environment.boot_id = [] { return "boot"; };
    environment.sync_interval = absl::InfiniteDuration();
    auto engine = Engine::Open(path_, options_, environment);
    ASSERT_THAT(engine, IsOk());
    engine_ = *std::move(engine);
    db_ = std::make_unique<LocalDb>(engine_);
  }
  void Reopen() {
    if (db_ != nullptr) db_->Close().IgnoreError();
    db_.reset();
    engine_.reset();
    ASSERT_NO_FATAL_FAILURE(Open());
    auto opened = db_->OpenCollection("c");
    ASSERT_THAT(opened, IsOk());
    collection_ = *std::move(opened);
  }

  absl::StatusOr<PutReply> Put(absl::string_view id,
                               Durability durability = Durability::kSync,
                               absl::string_view text = "") {
    const std::vector<float> vector = {1, 2, 3, 4};
    PutItem item{RecordView(id)};
    item.record.vector = vector;
    item.record.text = text;
    WriteOptions options;
    options.durability = durability;
    return collection_->Put({&item, 1}, options);
  }
  bool Has(absl::string_view id) {
    const auto got = collection_->Get({&id, 1});
    EXPECT_THAT(got, IsOk());
    return got.ok() && (*got)[0].has_value();
  }
  size_t LogSyncs() {
    size_t count = 0;
    for (const CallKind kind : disk_.kinds()) count += kind == CallKind::kSync;
    return count;
  }
  // Fails the next sync of a put like the last one.
  void FailNextSync() {
    const uint64_t before = disk_.calls();
    ASSERT_THAT(Put("probe"), IsOk());
    const std::vector<CallKind> kinds = disk_.kinds();
    for (uint64_t call = before; call < kinds.size(); ++call) {
      if (kinds[call] != CallKind::kSync) continue;
      disk_.FailAt(kinds.size() + call - before + 1, Fault::kIoError);
      return;
    }
    FAIL() << "a put did not sync";
  }

  ScratchDirectory scratch_;
  const std::string path_ = scratch_.path() + "/db";
  FaultState disk_{path_};
  SpaceFiles files_{&disk_};
  std::unique_ptr<rocksdb::Env> env_ = NewFaultEnv(&disk_);
  Options options_;
  std::shared_ptr<Engine> engine_;
  std::unique_ptr<Db> db_;
  std::shared_ptr<Collection> collection_;
};

TEST_F(WriteOutcomesTest, AfterAFailedSyncNothingIsWrittenUntilReopening) {
  ASSERT_THAT(Put("before"), IsOk());
  FailNextSync();
  EXPECT_THAT(Put("lost"), StatusIs(kUnknown, HasSubstr("may or may not")));
  EXPECT_TRUE(disk_.failed()) << disk_.faulted_call();
  EXPECT_THAT(Put("after"),
              StatusIs(kPrecondition, HasSubstr("open it again")));
  EXPECT_THAT(db_->CreateCollection("d", {.dim = 4}),
              StatusIs(kPrecondition, _));
  EXPECT_THAT(db_->DropCollection("c"), StatusIs(kPrecondition, _));
  auto stats = db_->Stats();
  ASSERT_THAT(stats, IsOk());
  EXPECT_EQ(stats->state, DbState::kFailed);
  EXPECT_THAT(stats->state_reason, HasSubstr("store"));
  EXPECT_TRUE(Has("before"));
  EXPECT_FALSE(Has("lost"));
  const uint64_t incarnation = stats->incarnation;

  // The bytes may be on the disk or not: their (origin, seq) is not used again.
  Reopen();
  stats = db_->Stats();
  EXPECT_EQ(stats->state, DbState::kWritable);
  EXPECT_EQ(stats->state_reason, "");
  EXPECT_NE(stats->incarnation, incarnation);
  EXPECT_TRUE(Has("before"));
  EXPECT_FALSE(Has("after"));
  EXPECT_THAT(Put("after"), IsOk());
  // Once is enough.
  const uint64_t second = stats->incarnation;
  Reopen();
  EXPECT_EQ(db_->Stats()->incarnation, second);
}

TEST_F(WriteOutcomesTest, AFullDiskStopsWritesAndLosesNone) {
  options_.low_space_bytes = 0;
  Reopen();
  ASSERT_THAT(Put("before"), IsOk());
  disk_.SetDiskFull(true);
  EXPECT_THAT(Put("lost"), StatusIs(kUnknown, _));
  EXPECT_THAT(Put("after"), StatusIs(kPrecondition, _));
  EXPECT_EQ(db_->Stats()->state, DbState::kFailed);
  EXPECT_TRUE(Has("before"));
  disk_.SetDiskFull(false);
  Reopen();
  EXPECT_TRUE(Has("before"));
  EXPECT_FALSE(Has("after"));
  EXPECT_THAT(Put("after"), IsOk());
}

TEST_F(WriteOutcomesTest, LowSpaceRefusesWritesUntilThereIsSpace) {
  ASSERT_THAT(Put("before"), IsOk());
  files_.free = options_.low_space_bytes - 1;
  // Not every write looks; the text makes one.
  const std::string text(size_t{1} << 20, 't');
  const auto refused = Put("refused", Durability::kSync, text);
  EXPECT_THAT(refused,
              StatusIs(kExhausted, AllOf(HasSubstr(absl::StrCat(files_.free)),
                                         HasSubstr("free"))));
  EXPECT_THAT(Put("small"), StatusIs(kExhausted, _));
  EXPECT_THAT(db_->CreateCollection("d", {.dim = 4}), StatusIs(kExhausted, _));
  auto stats = db_->Stats();
  ASSERT_THAT(stats, IsOk());
  EXPECT_EQ(stats->state, DbState::kLowSpace);
  EXPECT_THAT(stats->state_reason, HasSubstr("free"));
  EXPECT_TRUE(Has("before"));
  files_.free = uint64_t{1} << 40;
  stats = db_->Stats();
  EXPECT_EQ(stats->state, DbState::kWritable);
  EXPECT_THAT(Put("small"), IsOk());
  EXPECT_FALSE(Has("refused"));
  // What makes room is taken.
  files_.free = 0;
  EXPECT_FALSE(Put("refused", Durability::kSync, text).ok());
  EXPECT_THAT(db_->DropCollection("c"), IsOk());
}

TEST_F(WriteOutcomesTest, LowSpaceDoesNotKeepRecordsFromBeingRemoved) {
  for (const char* id : {"a", "a", "a", "b", "c"}) ASSERT_THAT(Put(id), IsOk());
  files_.free = options_.low_space_bytes - 1;
  const std::string text(size_t{1} << 20, 't');
  EXPECT_THAT(Put("refused", Durability::kSync, text), StatusIs(kExhausted, _));
  // A purge, the rule that lets old versions go, and their removal.
  const absl::string_view b = "b";
  const auto purged = collection_->Purge({&b, 1});
  ASSERT_THAT(purged, IsOk());
  EXPECT_EQ(purged->purged, 1u);
  EXPECT_FALSE(Has("b"));
  ASSERT_THAT(collection_->SetRetention({.keep_versions = 1}), IsOk());
  const auto retained = collection_->ApplyRetention();
  ASSERT_THAT(retained, IsOk());
  EXPECT_EQ(retained->removed, 2u);
  EXPECT_THAT(Put("refused"), StatusIs(kExhausted, _));

  // Without space for rewriting files the record is gone all the same, and
  // files follow later.
  files_.free = 0;
  const absl::string_view c = "c";
  EXPECT_THAT(collection_->Purge({&c, 1}),
              StatusIs(kExhausted, HasSubstr("has 0")));
  EXPECT_FALSE(Has("c"));
  files_.free = uint64_t{1} << 40;
  engine_->maintenance().RunOnce();
  EXPECT_THAT(Put("after"), IsOk());
  EXPECT_TRUE(Has("a"));
  EXPECT_FALSE(engine_->registry().Find("c")->purge_pending);
}

TEST_F(WriteOutcomesTest, AnErrorInTheBackgroundStopsWrites) {
  options_.memory_budget_bytes = size_t{16} << 20;
  Reopen();
  // Files that the store would write next can not be created.
  std::vector<std::string> blocked;
  for (int i = 0; i < 200; ++i) {
    const std::string number = absl::StrCat(i);
    blocked.push_back(absl::StrCat(
        path_, "/store/", std::string(6 - number.size(), '0'), number, ".sst"));
    std::error_code taken;
    if (!std::filesystem::create_directory(blocked.back(), taken)) {
      blocked.pop_back();
    }
  }
  const std::string text(size_t{1} << 18, 't');
  int acknowledged = 0;
  absl::Status status;
  for (int i = 0; i < 10'000 && status.ok(); ++i) {
    status = Put(absl::StrCat("id", i), Durability::kSync, text).status();
    if (status.ok()) ++acknowledged;
  }
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(Put("after"), StatusIs(kPrecondition, _));
  EXPECT_EQ(db_->Stats()->state, DbState::kFailed);
  for (const std::string& path : blocked) {
    std::filesystem::remove(path);
  }
  Reopen();
  for (int i = 0; i < acknowledged; ++i)
    EXPECT_TRUE(Has(absl::StrCat("id", i)));
  EXPECT_THAT(Put("after"), IsOk());
}

TEST_F(WriteOutcomesTest, ARelaxedWriteIsSyncedByTheNextSyncedOne) {
  const auto state = engine_->registry().Find("c");
  ASSERT_THAT(Put("synced"), IsOk());
  const size_t syncs = LogSyncs();
  const uint64_t durable = state->durable();
  EXPECT_EQ(durable, state->writer.feed);
  ASSERT_THAT(Put("relaxed", Durability::kRelaxed), IsOk());
  EXPECT_EQ(LogSyncs(), syncs);
  EXPECT_TRUE(Has("relaxed"));
  EXPECT_EQ(state->durable(), durable);
  EXPECT_GT(state->writer.feed, durable);
  ASSERT_THAT(Put("last"), IsOk());
  EXPECT_GT(LogSyncs(), syncs);
  EXPECT_EQ(state->durable(), state->writer.feed);
  Random random(1);
  disk_.DieAt(disk_.calls() + 1);
  db_.reset();
  engine_.reset();
  collection_.reset();
  disk_.LosePower(&random);
  Reopen();
  EXPECT_TRUE(Has("synced"));
  EXPECT_TRUE(Has("relaxed"));
  EXPECT_TRUE(Has("last"));
}

// The unsynced end of the log is cut, zeroed or garbled. What is left of it is
// a prefix of the writes, and a torn tail, never damage that keeps the database
// closed.
TEST_F(WriteOutcomesTest, APowerLossInRelaxedModeLeavesATornTailThatOpens) {
  constexpr int kRounds = 40;
  constexpr int kRelaxedPuts = 12;
  const uint64_t seed = 5;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  int torn_tails = 0;
  int lost = 0;
  std::vector<std::string> durable;
  for (int round = 0; round < kRounds; ++round) {
    durable.push_back(absl::StrCat("synced", round));
    ASSERT_THAT(Put(durable.back()), IsOk());
    std::vector<std::string> relaxed;
    for (int i = 0; i < kRelaxedPuts; ++i) {
      relaxed.push_back(absl::StrCat("relaxed", round, ".", i));
      const std::string text(random.Next() % 3000, 't');
      ASSERT_THAT(Put(relaxed.back(), Durability::kRelaxed, text), IsOk());
    }
    disk_.DieAt(disk_.calls() + 1);
    db_.reset();
    engine_.reset();
    collection_.reset();
    const std::string done = disk_.LosePower(&random);
    SCOPED_TRACE(done);
    ASSERT_NO_FATAL_FAILURE(Reopen());
    torn_tails += db_->Stats()->recovery_dropped_bytes > 0;
    for (const std::string& id : durable) ASSERT_TRUE(Has(id)) << id;
    bool gone = false;
    for (const std::string& id : relaxed) {
      if (!Has(id)) {
        gone = true;
        continue;
      }
      ASSERT_FALSE(gone) << id << " is there, one before it is not";
      durable.push_back(id);  // Recovered is durable.
    }
    lost += gone;
  }
  EXPECT_GE(torn_tails, 5);
  EXPECT_GE(lost, torn_tails);
}

// A disk may write the blocks of a log in any order.
TEST_F(WriteOutcomesTest,
       AHoleInTheUnsyncedLogIsATornTailAlsoBeforeWholeWrites) {
  ASSERT_THAT(Put("synced"), IsOk());
  std::string log;
  for (const auto& entry :
       std::filesystem::directory_iterator(path_ + "/store")) {
    const std::string name = entry.path().string();
    if (absl::EndsWith(name, ".log")) log = std::max(log, name);
  }
  ASSERT_FALSE(log.empty());
  const uint64_t synced = std::filesystem::file_size(log);
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(Put(absl::StrCat("relaxed", i), Durability::kRelaxed), IsOk());
  }
  disk_.DieAt(disk_.calls() + 1);
  db_.reset();
  engine_.reset();
  collection_.reset();
  const uint64_t size = std::filesystem::file_size(log);
  ASSERT_GT(size, synced + 1000);
  {
    std::fstream file(log, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(synced + 8));
    file << std::string(16, '\0');
  }
  disk_.Restart();
  ASSERT_NO_FATAL_FAILURE(Reopen());
  EXPECT_EQ(db_->Stats()->recovery_dropped_bytes, size - synced);
  EXPECT_TRUE(Has("synced"));
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(Has(absl::StrCat("relaxed", i)));
  EXPECT_THAT(Put("after"), IsOk());
}

TEST_F(WriteOutcomesTest, ClosingSyncsRelaxedWrites) {
  ASSERT_THAT(Put("relaxed", Durability::kRelaxed), IsOk());
  ASSERT_THAT(db_->Close(), IsOk());
  db_.reset();
  engine_.reset();
  collection_.reset();
  Random random(1);
  disk_.LosePower(&random);
  Reopen();
  EXPECT_TRUE(Has("relaxed"));
}

TEST_F(WriteOutcomesTest, TheMemoryBudgetHolds) {
  // Twice as much as fits goes to segments meanwhile.
  options_.memory_budget_bytes = size_t{24} << 20;
  Reopen();
  auto created = db_->CreateCollection("wide", {.dim = 4096, .bits = 8});
  ASSERT_THAT(created, IsOk());
  const std::vector<float> vector(4096, 1.0f);
  absl::Status status;
  size_t most = 0, mapped = 0;
  for (int records = 0; records < 80 && status.ok(); ++records) {
    std::vector<PutItem> items;
    std::vector<std::string> ids;
    for (int i = 0; i < 50; ++i) ids.push_back(absl::StrCat(records, "-", i));
    for (const std::string& id : ids) {
      items.push_back({RecordView(id)});
      items.back().record.vector = vector;
    }
    status = (*created)->Put(items).status();
    const MemoryStats memory = db_->Stats()->memory;
    most = std::max(most, memory.total());
    mapped = memory.mapped;
    EXPECT_LE(memory.total(), options_.memory_budget_bytes)
        << "cache " << memory.block_cache << ", memtables " << memory.memtables
        << ", index " << memory.index << ", rescore " << memory.rescore;
  }
  EXPECT_THAT(status, IsOk());
  EXPECT_GT(most, options_.memory_budget_bytes / 4);
  EXPECT_GT(mapped, options_.memory_budget_bytes);
  EXPECT_EQ(db_->Stats()->state, DbState::kWritable);
  // A write that no queue of this budget can hold.
  const std::string text(size_t{1} << 20, 't');
  std::vector<PutItem> items;
  const std::vector<float> small = {1, 2, 3, 4};
  const std::vector<std::string> ids = {"a", "b", "c", "d"};
  for (const std::string& id : ids) {
    items.push_back({RecordView(id)});
    items.back().record.vector = small;
    items.back().record.text = text;
  }
  EXPECT_THAT(collection_->Put(items),
              StatusIs(kExhausted, HasSubstr("3145728")));
  EXPECT_THAT(db_->DropCollection("wide"), IsOk());
}

}  // namespace
}  // namespace corkscrew::testing
