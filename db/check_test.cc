// The check: what a sound database gives, and each kind of damage.

#include "corkscrew/check.h"

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/testing.h"
#include "corkscrew/db.h"
#include "db/keys.h"
#include "db/op.h"
#include "db/rows.h"
#include "db/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::StatusIs;
using testing::TempDir;

class CheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto db = Db::Open(path());
    ASSERT_THAT(db, IsOk());
    for (const char* name : {"notes", "gone", "others"}) {
      auto collection = (*db)->CreateCollection(name, {.dim = 4});
      ASSERT_THAT(collection, IsOk());
      for (int i = 0; i < 40; ++i) {
        const std::string id = absl::StrCat("r", i % 15);
        PutItem item{RecordView(id)};
        const std::vector<float> vector = {1, static_cast<float>(i), 2, 3};
        item.record.vector = vector;
        const std::string text = absl::StrCat("text number ", i);
        item.record.text = text;
        WriteOptions options;
        options.request_id = absl::StrCat("request ", i);
        ASSERT_THAT((*collection)->Put({&item, 1}, options), IsOk());
      }
      ASSERT_THAT((*collection)->Delete({"r3", "r4"}), IsOk());
    }
    ASSERT_THAT((*db)->DropCollection("gone"), IsOk());
    ASSERT_THAT((*db)->SetAlias("side", "notes"), IsOk());
    ASSERT_THAT((*db)->Close(), IsOk());
  }

  std::string path() const { return dir_.path() + "/db"; }

  CheckReport Run(bool deep = true) {
    CheckOptions options;
    options.deep = deep;
    const auto report = CheckDatabase(path(), options);
    EXPECT_THAT(report, IsOk());
    return report.value_or(CheckReport{});
  }

  // Changes the rows of the closed database.
  void Edit(const std::function<void(const Store&, WriteBatch&)>& edit) {
    auto store = Store::Open(path() + "/store", {});
    ASSERT_THAT(store, IsOk());
    WriteBatch batch = (*store)->NewBatch();
    edit(**store, batch);
    ASSERT_THAT((*store)->Write(batch), IsOk());
    ASSERT_THAT((*store)->Close(), IsOk());
  }

  // The bytes of all files.
  std::map<std::string, std::string> Files() {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(path())) {
      if (!entry.is_regular_file()) continue;
      files[entry.path()] =
          FileSystem::Real().Read(entry.path(), size_t{1} << 30).value();
    }
    return files;
  }

 public:
  // The first row of a kind in collection 1 ("notes").
  static std::pair<std::string, std::string> First(const Store& store,
                                                   char kind) {
    const std::string prefix = KindPrefix(kind, 1);
    const auto it = store.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
    it->Seek(prefix);
    EXPECT_TRUE(it->valid());
    return {std::string(it->key()), std::string(it->value())};
  }
  static std::pair<std::string, std::string> FirstBody(const Store& store) {
    const std::string prefix = BodyCollectionPrefix(1);
    const auto it =
        store.NewIterator(Family::kBodies, prefix, PrefixEnd(prefix));
    it->Seek(prefix);
    EXPECT_TRUE(it->valid());
    return {std::string(it->key()), std::string(it->value())};
  }

 protected:
  TempDir dir_;
};

std::string Describe(const CheckReport& report) {
  std::string all;
  for (const CheckFinding& finding : report.findings) {
    absl::StrAppend(&all, static_cast<int>(finding.severity), " ",
                    finding.where, " [", finding.invariant, "] ", finding.what,
                    "\n");
  }
  return all;
}

TEST_F(CheckTest, ASoundDatabaseIsCleanAndNothingInItChanges) {
  const auto before = Files();
  for (const bool deep : {false, true}) {
    const CheckReport report = Run(deep);
    EXPECT_EQ(report.status, CheckStatus::kClean) << Describe(report);
    EXPECT_THAT(report.findings, IsEmpty());
    EXPECT_EQ(report.collections, 2u);
    EXPECT_EQ(report.records, 2 * 15u + 4);  // 4 records of _system.
    EXPECT_GE(report.versions, 2 * 42u);
  }
  EXPECT_EQ(Files(), before);
}

TEST_F(CheckTest, ADatabaseThatIsOpenOrNotThereIsAnError) {
  EXPECT_THAT(CheckDatabase(dir_.path() + "/none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  EXPECT_THAT(CheckDatabase(""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty")));
  const auto db = Db::Open(path());
  ASSERT_THAT(db, IsOk());
  EXPECT_THAT(CheckDatabase(path()),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr(absl::StrCat("process ", getpid()))));
}

TEST_F(CheckTest, ACheckCanBeCancelledAndLimitsItsFindings) {
  Edit([](const Store&, WriteBatch& batch) {
    const std::string prefix = KindPrefix('h', 1);
    batch.DeleteRange(Family::kRows, prefix, PrefixEnd(prefix));
    for (int i = 0; i < 5000; ++i) {  // Requests of no collection.
      batch.Put(Family::kRows, RequestKey({9, 0}, absl::StrCat("x", i)), "");
    }
  });
  CheckOptions options;
  options.max_findings = 7;
  const auto report = CheckDatabase(path(), options);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->findings.size(), 7u);
  EXPECT_GT(report->found, 5000u);
  options.cancelled = [] { return true; };
  EXPECT_THAT(CheckDatabase(path(), options),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("check")));
}

struct Damage {
  const char* name;
  CheckStatus status;
  const char* invariant;
  std::function<void(const Store&, WriteBatch&)> edit;
  bool deep = false;
};

// Damage to rows: what the check should call it.
std::vector<Damage> Damages() {
  const auto drop = [](char kind) {
    return [kind](const Store& store, WriteBatch& batch) {
      batch.Delete(Family::kRows, CheckTest::First(store, kind).first);
    };
  };
  const auto garble = [](char kind) {
    return [kind](const Store& store, WriteBatch& batch) {
      batch.Put(Family::kRows, CheckTest::First(store, kind).first, "?");
    };
  };
  return {
      {"no head", CheckStatus::kRepairable, "K2", drop('h')},
      {"bad head", CheckStatus::kRepairable, "form", garble('h')},
      {"old head", CheckStatus::kRepairable, "K2",
       [](const Store& store, WriteBatch& batch) {
         const auto [key, value] = CheckTest::First(store, 'h');
         HeadRow row = *DecodeHeadRow(value);
         const auto op = store.Get(Family::kRows, OpKey({1, 0}, row.origin, 1));
         row.seq = 1;
         row.lamport = 1;
         row.content_hash = DecodeOp(**op)->content_hash;
         batch.Put(Family::kRows, key, Encode(row));
       }},
      {"no op", CheckStatus::kDataLoss, "K1",
       [](const Store&, WriteBatch& batch) {
         batch.Delete(Family::kRows, OpKey({1, 0}, 0, 7));
       }},
      {"no last op", CheckStatus::kDataLoss, "K1",
       [](const Store&, WriteBatch& batch) {
         batch.Delete(Family::kRows, OpKey({1, 0}, 0, 42));
       }},
      {"bad op", CheckStatus::kDataLoss, "form", garble('o')},
      {"no vector", CheckStatus::kRepairable, "K1", drop('v')},
      {"vector behind", CheckStatus::kRepairable, "K1",
       [](const Store& store, WriteBatch& batch) {
         batch.Put(Family::kRows, CheckTest::First(store, 'v').first,
                   EncodeU64(5));
       }},
      {"feed row gone", CheckStatus::kRepairable, "K4", drop('f')},
      {"feed row twice", CheckStatus::kRepairable, "K4",
       [](const Store& store, WriteBatch& batch) {
         batch.Put(Family::kRows, FeedKey(1, 1000),
                   CheckTest::First(store, 'f').second);
       }},
      {"no clock", CheckStatus::kRepairable, "K5", drop('k')},
      {"clock behind", CheckStatus::kRepairable, "K5",
       [](const Store& store, WriteBatch& batch) {
         ClockRow row = *DecodeClockRow(CheckTest::First(store, 'k').second);
         --row.lamport;
         batch.Put(Family::kRows, ClockKey(1), Encode(row));
       }},
      {"wrong counts", CheckStatus::kRepairable, "counts",
       [](const Store& store, WriteBatch& batch) {
         ClockRow row = *DecodeClockRow(CheckTest::First(store, 'k').second);
         ++row.tombstones;
         batch.Put(Family::kRows, ClockKey(1), Encode(row));
       }},
      {"bad time", CheckStatus::kRepairable, "form", garble('x')},
      {"bad request", CheckStatus::kRepairable, "form", garble('i')},
      {"no name", CheckStatus::kRepairable, "names",
       [](const Store&, WriteBatch& batch) {
         batch.Delete(Family::kRows, NameKey("notes"));
       }},
      {"no name of an alias", CheckStatus::kRepairable, "names",
       [](const Store&, WriteBatch& batch) {
         batch.Delete(Family::kRows, NameKey("side"));
       }},
      {"alias of another", CheckStatus::kRepairable, "form",
       [](const Store&, WriteBatch& batch) {
         batch.Put(Family::kRows, NameKey("side"), EncodeU32(3));
       }},
      {"a name too many", CheckStatus::kRepairable, "form",
       [](const Store&, WriteBatch& batch) {
         batch.Put(Family::kRows, NameKey("more"), EncodeU32(1));
       }},
      {"bad collection", CheckStatus::kUnreadable, "form",
       [](const Store&, WriteBatch& batch) {
         batch.Put(Family::kRows, CollectionKey(1), "?");
       }},
      {"bad origin", CheckStatus::kUnreadable, "form",
       [](const Store&, WriteBatch& batch) {
         batch.Put(Family::kRows, OriginKey(0), "?");
       }},
      {"no uuid", CheckStatus::kUnreadable, "identity",
       [](const Store&, WriteBatch& batch) {
         batch.Delete(Family::kRows, MetaKey("uuid"));
       }},
      {"newer format", CheckStatus::kUnreadable, "format",
       [](const Store&, WriteBatch& batch) {
         batch.Put(Family::kRows, MetaKey("format"),
                   Encode(FormatRow{.version = 9}));
       }},
      {"no body", CheckStatus::kDataLoss, "K3",
       [](const Store& store, WriteBatch& batch) {
         batch.Delete(Family::kBodies, CheckTest::FirstBody(store).first);
       }},
      {"a body of no op", CheckStatus::kRepairable, "K3",
       [](const Store& store, WriteBatch& batch) {
         std::string key = CheckTest::FirstBody(store).first;
         key.back() ^= 0x40;
         batch.Put(Family::kBodies, key, CheckTest::FirstBody(store).second);
       }},
      {"bad body", CheckStatus::kDataLoss, "K3",
       [](const Store& store, WriteBatch& batch) {
         auto [key, value] = CheckTest::FirstBody(store);
         value[value.size() / 2] ^= 1;
         batch.Put(Family::kBodies, key, value);
       },
       true},
      {"another content hash", CheckStatus::kDataLoss, "K3",
       [](const Store& store, WriteBatch& batch) {
         const auto [key, value] = CheckTest::First(store, 'o');
         Op op = *DecodeOp(value);
         op.wall_ms += 1;
         batch.Put(Family::kRows, key, EncodeOp(op));
       },
       true},
  };
}

TEST_F(CheckTest, EachDamageToRowsIsFoundAndRated) {
  const std::string sound = dir_.path() + "/sound";
  fs::copy(path(), sound, fs::copy_options::recursive);
  for (const Damage& damage : Damages()) {
    SCOPED_TRACE(damage.name);
    fs::remove_all(path());
    fs::copy(sound, path(), fs::copy_options::recursive);
    Edit(damage.edit);
    const CheckReport report = Run(damage.deep);
    EXPECT_EQ(report.status, damage.status) << Describe(report);
    bool named = false;
    for (const CheckFinding& finding : report.findings) {
      named |= finding.invariant == damage.invariant;
      EXPECT_FALSE(finding.where.empty());
      EXPECT_FALSE(finding.what.empty());
      EXPECT_FALSE(finding.advice.empty());
    }
    EXPECT_TRUE(named) << Describe(report);
  }
}

TEST_F(CheckTest, DamagedFilesAreFoundAndRated) {
  const auto files = Files();
  size_t tables = 0;
  for (const auto& [name, bytes] : files) {
    SCOPED_TRACE(name);
    if (!absl::EndsWith(name, ".sst")) continue;
    ++tables;
    // Byte by byte would take long: the proof of storage does that.
    for (size_t i = 5; i < bytes.size(); i += 1 + bytes.size() / 12) {
      std::string damaged = bytes;
      damaged[i] ^= 0x20;
      std::ofstream(name, std::ios::binary) << damaged;
      const CheckReport report = Run();
      // A few bytes of a table mean nothing.
      if (report.status != CheckStatus::kClean) {
        EXPECT_GE(report.status, CheckStatus::kDataLoss) << Describe(report);
      }
    }
    std::ofstream(name, std::ios::binary) << bytes.substr(0, 100);
    EXPECT_GE(Run().status, CheckStatus::kDataLoss);
    std::ofstream(name, std::ios::binary) << bytes;
  }
  EXPECT_GT(tables, 0u);
  EXPECT_EQ(Run().status, CheckStatus::kClean);
  const std::string mark = path() + "/durable.mark";
  std::ofstream(mark, std::ios::binary) << "garbage";
  EXPECT_EQ(Run().status, CheckStatus::kRepairable);
  std::ofstream(mark, std::ios::binary) << files.at(mark);
  fs::remove(path() + "/store/CURRENT");
  EXPECT_EQ(Run().status, CheckStatus::kUnreadable);
}

TEST_F(CheckTest, AnUpgradeHasNothingToDoYet) {
  const auto upgrade = UpgradeDatabase(path());
  ASSERT_THAT(upgrade, IsOk());
  EXPECT_FALSE(upgrade->changed);
  EXPECT_EQ(upgrade->from_version, 0u);
  EXPECT_EQ(upgrade->to_version, 0u);
  EXPECT_EQ(Run().status, CheckStatus::kClean);
  EXPECT_THAT(UpgradeDatabase(dir_.path() + "/none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

// Records as they are now, and the number of versions of each.
std::map<std::string, std::string> Content(const std::string& path) {
  std::map<std::string, std::string> content;
  const auto db = Db::Open(path);
  EXPECT_THAT(db, IsOk());
  if (!db.ok()) return content;
  for (const char* name : {"notes", "others"}) {
    const auto collection = (*db)->OpenCollection(name);
    EXPECT_THAT(collection, IsOk());
    if (!collection.ok()) continue;
    ListOptions all;
    all.page_size = 1000;
    const auto list = (*collection)->List(all);
    EXPECT_THAT(list, IsOk());
    if (!list.ok()) continue;
    for (const StoredRecord& record : list->records) {
      const std::string& id = record.record.id;
      const auto history = (*collection)->History(id);
      EXPECT_THAT(history, IsOk());
      content[absl::StrCat(name, "/", id)] = absl::StrCat(
          record.record.text, " ", history.ok() ? history->versions.size() : 0);
    }
    const auto search = (*collection)->Search(Query::Vector({1, 2, 3, 4}));
    EXPECT_THAT(search, IsOk());
  }
  return content;
}

TEST_F(CheckTest, ARepairMakesASoundCopyAndSaysWhatIsGone) {
  const auto whole = Content(path());
  ASSERT_EQ(whole.size(), 2 * 13u);
  const std::string sound = dir_.path() + "/sound";
  fs::copy(path(), sound, fs::copy_options::recursive);
  const auto incarnation = [](const std::string& database) {
    const auto db = Db::Open(database);
    return db.ok() ? (*db)->Stats()->incarnation : 0;
  };
  const uint64_t old_life = incarnation(path());
  for (const Damage& damage : Damages()) {
    SCOPED_TRACE(damage.name);
    fs::remove_all(path());
    fs::copy(sound, path(), fs::copy_options::recursive);
    Edit(damage.edit);
    const std::string target = path() + ".repaired";
    fs::remove_all(target);
    const auto before = Files();
    RepairOptions options;
    if (damage.status == CheckStatus::kUnreadable) {
      EXPECT_THAT(RepairDatabase(path(), options),
                  StatusIs(absl::StatusCode::kDataLoss,
                           HasSubstr("can not be repaired")));
      continue;
    }
    const auto plan = RepairDatabase(path(), options);
    ASSERT_THAT(plan, IsOk());
    EXPECT_FALSE(fs::exists(target)) << "a dry run writes nothing";
    const bool loss = damage.status == CheckStatus::kDataLoss;
    EXPECT_EQ(plan->lost.size(), loss ? 1u : 0u);
    options.dry_run = false;
    if (loss) {
      EXPECT_THAT(
          RepairDatabase(path(), options),
          StatusIs(absl::StatusCode::kDataLoss, HasSubstr("--accept-loss")));
      EXPECT_FALSE(fs::exists(target));
      options.accept_loss = true;
    }
    const auto done = RepairDatabase(path(), options);
    ASSERT_THAT(done, IsOk());
    EXPECT_EQ(done->actions, plan->actions);
    EXPECT_EQ(done->lost.size(), plan->lost.size());
    EXPECT_EQ(Files(), before) << "the original has changed";
    EXPECT_THAT(RepairDatabase(path(), options),
                StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(target)));

    CheckOptions deep;
    deep.deep = true;
    const auto again = CheckDatabase(target, deep);
    ASSERT_THAT(again, IsOk());
    EXPECT_EQ(again->status, CheckStatus::kClean) << Describe(*again);
    EXPECT_NE(incarnation(target), 0u);
    EXPECT_NE(incarnation(target), old_life);
    const auto content = Content(target);
    if (!loss) {
      EXPECT_EQ(content, whole);
      continue;
    }
    // At most the record of the lost version differs.
    const LostVersion& lost = done->lost[0];
    EXPECT_EQ(lost.collection, "notes");
    EXPECT_GT(lost.version.seq, 0u);
    size_t differences = 0;
    for (const auto& [id, text] : whole) {
      const auto found = content.find(id);
      if (found == content.end() || found->second != text) ++differences;
    }
    EXPECT_LE(differences, 1u);
    EXPECT_LE(content.size(), whole.size() + 1);
  }
}

TEST_F(CheckTest, ARepairReadsAroundADamagedTable) {
  {
    // A table of bodies of several blocks.
    auto db = Db::Open(path());
    ASSERT_THAT(db, IsOk());
    auto notes = (*db)->OpenCollection("notes");
    ASSERT_THAT(notes, IsOk());
    std::mt19937_64 random(7);
    const std::vector<float> vector = {1, 2, 3, 4};
    for (int i = 0; i < 300; ++i) {
      const std::string id = absl::StrCat("long ", i);
      std::string text;
      for (int word = 0; word < 100; ++word) {
        absl::StrAppend(&text, random(), " ");
      }
      PutItem item{RecordView(id)};
      item.record.vector = vector;
      item.record.text = text;
      WriteOptions options;
      options.durability = Durability::kRelaxed;
      ASSERT_THAT((*notes)->Put({&item, 1}, options), IsOk());
    }
    ASSERT_THAT((*db)->Close(), IsOk());
  }
  std::string largest;
  for (const auto& entry : fs::directory_iterator(path() + "/store")) {
    if (entry.path().extension() != ".sst") continue;
    if (largest.empty() || entry.file_size() > fs::file_size(largest)) {
      largest = entry.path();
    }
  }
  std::string bytes = FileSystem::Real().Read(largest, 1 << 24).value();
  ASSERT_GT(bytes.size(), size_t{200} << 10);  // It is that one.
  bytes[bytes.size() / 3] ^= 1;
  std::ofstream(largest, std::ios::binary) << bytes;
  RepairOptions options;
  options.dry_run = false;
  options.accept_loss = true;
  options.target = dir_.path() + "/saved";
  const auto repaired = RepairDatabase(path(), options);
  ASSERT_THAT(repaired, IsOk());
  EXPECT_GE(repaired->before.status, CheckStatus::kDataLoss);
  const auto report = CheckDatabase(options.target);
  ASSERT_THAT(report, IsOk());
  EXPECT_LE(report->status, CheckStatus::kRepairable) << Describe(*report);
  Content(options.target);
}

}  // namespace
}  // namespace corkscrew
