// Opening after a crash, and after damage to what a crash left.

#include "db/recovery.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/testing.h"
#include "corkscrew/db.h"
#include "db/durable_mark.h"
#include "db/keys.h"
#include "db/rows.h"
#include "db/store.h"
#include "db/wal_scanner.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;
using testing::TempDir;

std::string ReadFile(const std::string& path) {
  const auto bytes = FileSystem::Real().Read(path, size_t{1} << 30);
  EXPECT_THAT(bytes, IsOk());
  return bytes.value_or("");
}

void WriteFile(const std::string& path, absl::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A database whose process ended without closing it.
class RecoveryTest : public ::testing::Test {
 protected:
  std::string path() const { return dir_.path() + "/db"; }
  std::string store() const { return path() + "/store"; }

  // Puts records r0 to r<puts - 1> in another process that then dies.
  void Crash(int puts) {
    const pid_t pid = fork();
    if (pid == 0) {
      (void)!freopen("/dev/null", "w", stdout);
      execl(CORKSCREW_CRASH_CHILD, CORKSCREW_CRASH_CHILD, path().c_str(),
            "puts", absl::StrCat(puts).c_str(), nullptr);
      _exit(127);
    }
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    ASSERT_EQ(status, 0);
  }

  // The logs of the store, oldest first.
  std::vector<std::string> Logs() const {
    std::vector<std::string> logs;
    for (const auto& entry : fs::directory_iterator(store())) {
      if (entry.path().extension() == ".log") logs.push_back(entry.path());
    }
    std::sort(logs.begin(), logs.end());
    return logs;
  }

  absl::StatusOr<std::unique_ptr<Db>> Open() {
    Options options;
    options.create_if_missing = false;
    options.threads = 1;
    return Db::Open(path(), options);
  }

  // The records there are: r0 to r<n - 1>.
  size_t Records(Db& db) {
    const auto collection = db.OpenCollection("c");
    EXPECT_THAT(collection, IsOk());
    if (!collection.ok()) return 0;
    ListOptions all;
    all.page_size = 1000;
    const auto list = (*collection)->List(all);
    EXPECT_THAT(list, IsOk());
    if (!list.ok()) return 0;
    std::set<std::string> ids;
    for (const StoredRecord& record : list->records) {
      ids.insert(record.record.id);
    }
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_TRUE(ids.count(absl::StrCat("r", i))) << i;
    }
    return ids.size();
  }

  DbStats Stats(Db& db) {
    auto stats = db.Stats();
    EXPECT_THAT(stats, IsOk());
    return stats.value_or(DbStats{});
  }

  // Rows ever written to the closed store.
  uint64_t LastRow() {
    const auto closed = Store::Open(store(), {.read_only = true});
    EXPECT_THAT(closed, IsOk());
    return closed.ok() ? (*closed)->last_sequence() : 0;
  }

  TempDir dir_;
};

TEST_F(RecoveryTest, ACrashAloneLosesNothingAndKeepsTheIncarnation) {
  Crash(20);
  uint64_t incarnation = 0;
  for (int i = 0; i < 3; ++i) {
    const auto db = Open();
    ASSERT_THAT(db, IsOk());
    EXPECT_EQ(Records(**db), 20u);
    const DbStats stats = Stats(**db);
    EXPECT_EQ(stats.recovery_dropped_bytes, 0u);
    if (i > 0) {
      EXPECT_EQ(stats.incarnation, incarnation);
    }
    incarnation = stats.incarnation;
  }
}

TEST_F(RecoveryTest, ATornTailIsDroppedSaidAndBeginsANewIncarnation) {
  Crash(20);
  const std::string log = Logs().back();
  const std::string whole = ReadFile(log);
  const auto mark = ReadDurableMark(FileSystem::Real(), path());
  ASSERT_TRUE(mark.has_value());
  // What a power loss leaves of a write that was never acknowledged.
  WriteFile(log, whole + std::string(777, '\x5a'));
  uint64_t incarnation = 0;
  {
    const auto db = Open();
    ASSERT_THAT(db, IsOk());
    EXPECT_EQ(Records(**db), 20u);
    const DbStats stats = Stats(**db);
    EXPECT_EQ(stats.recovery_dropped_bytes, 777u);
    EXPECT_NE(stats.incarnation, mark->incarnation);
    incarnation = stats.incarnation;
    EXPECT_FALSE(fs::exists(path() + "/RECOVERY"));
  }
  const auto db = Open();
  ASSERT_THAT(db, IsOk());
  EXPECT_EQ(Records(**db), 20u);
  EXPECT_EQ(Stats(**db).recovery_dropped_bytes, 0u);
  EXPECT_EQ(Stats(**db).incarnation, incarnation);
}

TEST_F(RecoveryTest, AcknowledgedWritesThatAreDamagedAreRefusedAndNamed) {
  Crash(20);
  const std::string log = Logs().back();
  std::string bytes = ReadFile(log);
  bytes[bytes.size() / 2] ^= 4;
  WriteFile(log, bytes);
  const size_t files = std::distance(fs::directory_iterator(store()), {});
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss,
                                 AllOf(HasSubstr(path()),
                                       HasSubstr(fs::path(log).filename()),
                                       HasSubstr("at byte"),
                                       HasSubstr("repair DIR --accept-loss"))));
    EXPECT_EQ(ReadFile(log), bytes);  // Nothing was changed.
    EXPECT_EQ(std::distance(fs::directory_iterator(store()), {}), files);
  }
}

// Every bit of the log with the scanner, some by opening.
TEST_F(RecoveryTest, EveryFlippedBitOfTheLogIsNoticed) {
  Crash(12);
  const std::string log = Logs().back();
  const std::string whole = ReadFile(log);
  std::string bytes = whole;
  size_t torn = 0, damaged = 0;
  std::optional<size_t> first_torn;
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
      const WalScan scan = ScanWalFiles({{1, "log", bytes}}, std::nullopt);
      ASSERT_NE(scan.verdict, WalVerdict::kClean) << i << " bit " << bit;
      if (scan.verdict == WalVerdict::kTornTail) {
        ++torn;
        if (!first_torn.has_value()) first_torn = i;
      } else {
        ++damaged;
        ASSERT_FALSE(first_torn.has_value()) << "damage behind the tail";
      }
      bytes[i] = whole[i];
    }
  }
  EXPECT_GT(damaged, torn * 5);
  for (size_t i = 3; i < whole.size(); i += whole.size() / 40) {
    SCOPED_TRACE(i);
    TempDir copy;
    fs::copy(path(), copy.path() + "/db", fs::copy_options::recursive);
    bytes[i] ^= 1;
    WriteFile(copy.path() + "/db/store/" + fs::path(log).filename().string(),
              bytes);
    bytes[i] = whole[i];
    const auto db = Db::Open(copy.path() + "/db");
    if (i < *first_torn) {
      EXPECT_THAT(db, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("log")));
    } else if (db.ok()) {
      EXPECT_EQ(Records(**db), 11u);
      EXPECT_GT(Stats(**db).recovery_dropped_bytes, 0u);
    }
  }
}

TEST_F(RecoveryTest, ALogThatIsCutOpensWithAPrefixOrIsRefusedByTheMark) {
  Crash(12);
  const std::string log = Logs().back();
  const std::string whole = ReadFile(log);
  const auto mark = ReadDurableMark(FileSystem::Real(), path());
  ASSERT_TRUE(mark.has_value());
  size_t refused = 0, opened = 0, last = 0;
  for (size_t cut = 0; cut <= whole.size(); cut += whole.size() / 50) {
    SCOPED_TRACE(cut);
    const WalScan scan = ScanWalFiles(
        {{1, "log", absl::string_view(whole).substr(0, cut)}}, std::nullopt);
    TempDir copy;
    fs::copy(path(), copy.path() + "/db", fs::copy_options::recursive);
    WriteFile(copy.path() + "/db/store/" + fs::path(log).filename().string(),
              absl::string_view(whole).substr(0, cut));
    const auto db = Db::Open(copy.path() + "/db");
    if (scan.last_sequence < mark->sequence) {
      ++refused;
      EXPECT_THAT(
          db, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("durable.mark")));
      continue;
    }
    ++opened;
    ASSERT_THAT(db, IsOk());
    EXPECT_EQ(Stats(**db).recovery_dropped_bytes,
              scan.verdict == WalVerdict::kClean ? 0 : cut - scan.offset);
    if (!(*db)->OpenCollection("c").ok()) continue;
    const size_t records = Records(**db);
    EXPECT_GE(records, last);
    last = records;
  }
  EXPECT_GT(refused, 0u);
  EXPECT_GT(opened, 10u);
}

TEST_F(RecoveryTest, ALogFileThatIsGoneIsNoticed) {
  Crash(12);
  for (const std::string& log : Logs()) fs::remove(log);
  EXPECT_THAT(Open(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("durable.mark")));
}

TEST_F(RecoveryTest, AMarkThatCanNotBeReadOrIsOfAnotherLifeIsRewritten) {
  Crash(3);
  const std::string file = path() + "/durable.mark";
  auto mark = ReadDurableMark(FileSystem::Real(), path());
  ASSERT_TRUE(mark.has_value());
  const uint64_t incarnation = mark->incarnation;
  std::string damaged = ReadFile(file);
  damaged[20] ^= 1;
  mark->incarnation ^= 1;
  mark->sequence = uint64_t{1} << 40;
  for (const std::string& bytes :
       {damaged, std::string(), std::string(4096, '\0'),
        EncodeDurableMark(*mark)}) {
    WriteFile(file, bytes);
    ASSERT_THAT(Open(), IsOk());
    const auto now = ReadDurableMark(FileSystem::Real(), path());
    ASSERT_TRUE(now.has_value());
    EXPECT_EQ(now->incarnation, incarnation);
    EXPECT_LE(now->sequence, LastRow());
  }
  fs::remove(file);
  ASSERT_THAT(Open(), IsOk());
  EXPECT_TRUE(fs::exists(file));
  // One that knows more is loss.
  mark->incarnation = incarnation;
  mark->sequence = LastRow() + 1;
  WriteFile(file, EncodeDurableMark(*mark));
  EXPECT_THAT(Open(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("durable.mark")));
  // So is another op where the mark names one.
  mark->sequence = 1;
  ASSERT_TRUE(mark->position.has_value());  // The first op was marked.
  mark->position->content_hash[3] ^= 1;
  WriteFile(file, EncodeDurableMark(*mark));
  EXPECT_THAT(Open(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("another op")));
}

TEST_F(RecoveryTest, ACrashWhileATailIsDroppedIsTakenUpAgain) {
  Crash(5);
  const RecoveryNote note{.incarnation = 0x1234,
                          .dropped_bytes = 99,
                          .file = "000004.log",
                          .offset = 7};
  EXPECT_EQ(DecodeRecoveryNote(EncodeRecoveryNote(note)), note);
  // Dropped, but not yet in the store.
  WriteFile(path() + "/RECOVERY", EncodeRecoveryNote(note));
  {
    const auto db = Open();
    ASSERT_THAT(db, IsOk());
    EXPECT_EQ(Stats(**db).incarnation, 0x1234u);
    EXPECT_EQ(Stats(**db).recovery_dropped_bytes, 99u);
    EXPECT_EQ(Records(**db), 5u);
  }
  EXPECT_FALSE(fs::exists(path() + "/RECOVERY"));
  // In the store, but the note is still there.
  WriteFile(path() + "/RECOVERY", EncodeRecoveryNote(note));
  {
    const auto db = Open();
    ASSERT_THAT(db, IsOk());
    EXPECT_EQ(Stats(**db).incarnation, 0x1234u);
  }
  // A note that can not be read counts.
  WriteFile(path() + "/RECOVERY", "garbage");
  const auto db = Open();
  ASSERT_THAT(db, IsOk());
  EXPECT_NE(Stats(**db).incarnation, 0x1234u);
  EXPECT_EQ(Records(**db), 5u);
}

TEST_F(RecoveryTest, OpeningAgainAndAgainDoesNotGrowTheStore) {
  Crash(10);
  ASSERT_THAT(Open(), IsOk());
  const uint64_t rows = LastRow();
  size_t most = 0;
  for (int i = 0; i < 6; ++i) {
    const auto db = Open();
    ASSERT_THAT(db, IsOk());
    most = std::max(most, Stats(**db).disk_bytes);
    ASSERT_THAT((*db)->Close(), IsOk());
  }
  EXPECT_EQ(LastRow(), rows);
  for (int i = 0; i < 6; ++i) Crash(0);
  EXPECT_EQ(LastRow(), rows);
  const auto db = Open();
  ASSERT_THAT(db, IsOk());
  EXPECT_LE(Stats(**db).disk_bytes, most + 4096);
  EXPECT_LE(Logs().size(), 2u);
}

TEST_F(RecoveryTest, StrayFilesDoNotHurtAndGo) {
  Crash(10);
  const auto mark = ReadDurableMark(FileSystem::Real(), path());
  const std::vector<std::string> stray = {"OPEN.new", "durable.mark.tmp",
                                          "RECOVERY.tmp", "store/000099.dbtmp",
                                          "store/OPTIONS-000098.dbtmp"};
  for (const std::string& name : stray) {
    WriteFile(path() + "/" + name, "half a file");
  }
  {
    const auto db = Open();
    ASSERT_THAT(db, IsOk());
    EXPECT_EQ(Records(**db), 10u);
    EXPECT_EQ(Stats(**db).incarnation, mark->incarnation);
  }
  Crash(11);
  for (const std::string& name : stray) {
    EXPECT_FALSE(fs::exists(path() + "/" + name)) << name;
  }
}

TEST_F(RecoveryTest, ACrashBetweenTheMarkerAndItsRowKeepsTheIncarnation) {
  Crash(4);
  const auto mark = ReadDurableMark(FileSystem::Real(), path());
  ASSERT_TRUE(mark.has_value());
  // The store names the new marker, which has not got its place.
  fs::rename(path() + "/OPEN", path() + "/OPEN.new");
  WriteFile(path() + "/OPEN", "");
  {
    const auto db = Open();
    ASSERT_THAT(db, IsOk());
    EXPECT_EQ(Stats(**db).incarnation, mark->incarnation);
    EXPECT_FALSE(fs::exists(path() + "/OPEN.new"));
  }
  // The new marker has been made, the store names the old one.
  WriteFile(path() + "/OPEN.new", "");
  const auto db = Open();
  ASSERT_THAT(db, IsOk());
  EXPECT_EQ(Stats(**db).incarnation, mark->incarnation);
}

TEST_F(RecoveryTest, ACopyBeginsAnotherIncarnationAndTheFirstOneKeepsIts) {
  Crash(4);
  ASSERT_THAT(Open(), IsOk());
  const auto mark = ReadDurableMark(FileSystem::Real(), path());
  const std::string copy = dir_.path() + "/copy";
  fs::copy(path(), copy, fs::copy_options::recursive);
  const auto db = Open();
  const auto other = Db::Open(copy);
  ASSERT_THAT(db, IsOk());
  ASSERT_THAT(other, IsOk());
  EXPECT_EQ(Stats(**db).incarnation, mark->incarnation);
  EXPECT_NE(Stats(**other).incarnation, mark->incarnation);
  EXPECT_EQ(Records(**other), 4u);
}

TEST(DurableMarkTest, EveryChangedByteIsNoticed) {
  const DurableMark mark{.incarnation = 7,
                         .sequence = 8,
                         .position = FeedPosition{9, 10, {1, 2, 3}}};
  std::string bytes = EncodeDurableMark(mark);
  ASSERT_EQ(bytes.size(), 4096u);
  EXPECT_EQ(DecodeDurableMark(bytes), mark);
  EXPECT_EQ(DecodeDurableMark(EncodeDurableMark({1, 2})), (DurableMark{1, 2}));
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] ^= 0x40;
    EXPECT_EQ(DecodeDurableMark(bytes), std::nullopt) << i;
    bytes[i] ^= 0x40;
    EXPECT_EQ(DecodeDurableMark(absl::string_view(bytes).substr(0, i)),
              std::nullopt);
  }
}

}  // namespace
}  // namespace corkscrew
