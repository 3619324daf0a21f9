// The segments of a whole database: however its slots lie in files, whatever
// happened to these files, it answers like one that was never closed.

#include "db/index_files.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/random.h"
#include "base/testing.h"
#include "corkscrew/db.h"
#include "db/invariants.h"
#include "db/keys.h"
#include "db/local_db.h"
#include "db/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

namespace fs = std::filesystem;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::TempDir;
using ::testing::IsEmpty;

constexpr size_t kDim = 8;
constexpr size_t kIds = 400;

Environment SmallSegments() {
  Environment environment;
  environment.background = false;
  environment.segment_slots = 64;
  return environment;
}

std::unique_ptr<Db> OpenOrFail(const std::string& path,
                               const Environment& environment) {
  auto db = OpenLocalDb(path, {}, environment);
  EXPECT_THAT(db, IsOk());
  return db.ok() ? *std::move(db) : nullptr;
}

std::shared_ptr<Collection> CollectionOf(Db& db) {
  auto collection = db.OpenCollection("c");
  EXPECT_THAT(collection, IsOk());
  return collection.ok() ? *collection : nullptr;
}

// Writes the same random things to each of some databases.
class Workload {
 public:
  explicit Workload(uint64_t seed) : random_(seed) {}

  void Create(Db& db, const CollectionOptions& options) {
    ASSERT_THAT(db.CreateCollection("c", options), IsOk());
  }

  void Write(const std::vector<Db*>& dbs) {
    if (random_.Next() % 4 == 0) {
      std::vector<std::string> ids;
      for (uint64_t n = 1 + random_.Next() % 5; n > 0; --n) {
        ids.push_back(Id());
      }
      const std::vector<absl::string_view> views(ids.begin(), ids.end());
      for (Db* db : dbs) {
        ASSERT_THAT(CollectionOf(*db)->Delete(views), IsOk());
      }
      return;
    }
    const size_t count = 1 + random_.Next() % 12;
    std::vector<std::string> ids;
    std::vector<std::vector<float>> vectors;
    std::vector<Metadata> metadata;
    for (size_t i = 0; i < count; ++i) {
      ids.push_back(Id());
      vectors.push_back(Vector());
      metadata.push_back({{"n", static_cast<int64_t>(random_.Next() % 5)}});
    }
    std::vector<PutItem> items(count);
    for (size_t i = 0; i < count; ++i) {
      items[i].record = RecordView(ids[i]);
      items[i].record.vector = vectors[i];
      items[i].record.metadata = &metadata[i];
    }
    for (Db* db : dbs) ASSERT_THAT(CollectionOf(*db)->Put(items), IsOk());
  }

  std::vector<float> Vector() {
    std::vector<float> vector(kDim);
    for (float& x : vector) x = static_cast<float>(random_.Normal());
    return vector;
  }
  Random& random() { return random_; }

 private:
  std::string Id() { return absl::StrCat("id", random_.Next() % kIds); }

  Random random_;
};

std::vector<std::string> Hits(const SearchReply& reply) {
  std::vector<std::string> out;
  for (const Hit& hit : reply.hits) {
    out.push_back(
        absl::StrFormat("%s@%d=%a", hit.id, hit.version.lamport, hit.score));
  }
  return out;
}

void ExpectEqual(Db& a, Db& b, Workload* workload, bool exact = true,
                 bool past = true) {
  const auto x = CollectionOf(a);
  const auto y = CollectionOf(b);
  const CollectionStats s = *x->Stats();
  const CollectionStats t = *y->Stats();
  ASSERT_EQ(s.info.records, t.info.records);
  ASSERT_EQ(s.versions, t.versions);
  ASSERT_EQ(s.tombstones, t.tombstones);
  ASSERT_EQ(s.info.lamport, t.info.lamport);
  for (int i = 0; i < 8; ++i) {
    Query query = Query::Vector(workload->Vector());
    query.k = 1 + workload->random().Next() % 30;
    if (past && i % 2 == 1) {
      query.at = Moment::At(workload->random().Next() % (s.info.lamport + 1));
    }
    if (i % 4 >= 2) query.filter = Filter::Eq("n", int64_t{i % 3});
    query.exact = exact && i % 3 == 0;
    const auto p = x->Search(query);
    const auto q = y->Search(query);
    ASSERT_THAT(p, IsOk());
    ASSERT_THAT(q, IsOk());
    ASSERT_EQ(Hits(*p), Hits(*q)) << "query " << i;
    ASSERT_EQ(*x->Count(query.filter, query.at),
              *y->Count(query.filter, query.at));
  }
}

std::vector<std::string> SegmentFiles(const std::string& db) {
  std::vector<std::string> names;
  if (!fs::exists(db + "/segments")) return names;
  for (const auto& entry : fs::directory_iterator(db + "/segments")) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)),
                     std::istreambuf_iterator<char>());
}
void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// What a kill -9 at this moment leaves, as a second directory.
void CopyDirectory(const std::string& from, const std::string& to) {
  fs::remove_all(to);
  fs::copy(from, to, fs::copy_options::recursive);
}

TEST(IndexFilesTest, ReopenedAndKilledItAnswersAsIfItNeverWas) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    TempDir dir;
    const std::string path = dir.path() + "/a";
    const CollectionOptions options = {
        .dim = kDim,
        .metric = seed % 3 == 0 ? Metric::kL2 : Metric::kCosine,
        .bits = 2,
        .originals = seed == 2 ? Originals::kCodesOnly : Originals::kFloat32};
    const bool exact = options.originals == Originals::kFloat32;
    auto whole = OpenOrFail(dir.path() + "/whole", Environment());
    auto db = OpenOrFail(path, SmallSegments());
    Workload workload(seed);
    workload.Create(*whole, options);
    workload.Create(*db, options);
    size_t most_files = 0;
    for (int round = 0; round < 12; ++round) {
      for (uint64_t n = workload.random().Next() % 60; n > 0; --n) {
        ASSERT_NO_FATAL_FAILURE(workload.Write({whole.get(), db.get()}));
      }
      most_files = std::max(most_files, SegmentFiles(path).size());
      ASSERT_NO_FATAL_FAILURE(ExpectEqual(*whole, *db, &workload, exact));
      if (round % 3 == 0) {
        CopyDirectory(path, dir.path() + "/b");
        db = nullptr;
        fs::remove_all(path);
        fs::rename(dir.path() + "/b", path);
      }
      db = nullptr;
      // Opening uses what is there: read from bodies, it would be written anew.
      OpenOrFail(path, SmallSegments()).reset();
      const std::vector<std::string> files = SegmentFiles(path);
      OpenOrFail(path, SmallSegments()).reset();
      EXPECT_EQ(SegmentFiles(path), files);
      db = OpenOrFail(path, SmallSegments());
      ASSERT_NE(db, nullptr);
      ASSERT_NO_FATAL_FAILURE(ExpectEqual(*whole, *db, &workload, exact));
    }
    EXPECT_GE(most_files, 5u);
    EXPECT_LE(SegmentFiles(path).size(), 60u);
    db = nullptr;
    auto store = Store::Open(path + "/store", {});
    ASSERT_THAT(store, IsOk());
    EXPECT_THAT(FindViolations(**store), IsEmpty());
  }
}

class DamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    whole_ = OpenOrFail(dir_.path() + "/whole", Environment());
    auto db = OpenOrFail(path(), SmallSegments());
    workload_.Create(*whole_, {.dim = kDim, .bits = 2});
    workload_.Create(*db, {.dim = kDim, .bits = 2});
    Write(db.get(), 60);
    db = nullptr;
    CopyDirectory(path() + "/segments", dir_.path() + "/older");
    db = OpenOrFail(path(), SmallSegments());
    Write(db.get(), 100);
    // Not closed: the last writes are only in the feed.
    CopyDirectory(path(), dir_.path() + "/good");
  }

  void Write(Db* db, int times) {
    for (; times > 0; --times) {
      ASSERT_NO_FATAL_FAILURE(workload_.Write({whole_.get(), db}));
    }
  }

  // Opens the database as `damage` leaves it, twice.
  template <typename Damage>
  void Check(const Damage& damage) {
    CopyDirectory(dir_.path() + "/good", path());
    damage();
    for (int i = 0; i < 2; ++i) {
      const auto db = OpenOrFail(path(), SmallSegments());
      ASSERT_NE(db, nullptr);
      ASSERT_NO_FATAL_FAILURE(ExpectEqual(*whole_, *db, &workload_));
    }
  }

  std::string path() const { return dir_.path() + "/a"; }

  TempDir dir_;
  std::unique_ptr<Db> whole_;
  Workload workload_{7};
};

TEST_F(DamageTest, AnyFileMayBeMissingOrCutOrChangedOrOlder) {
  const std::vector<std::string> names = SegmentFiles(dir_.path() + "/good");
  ASSERT_GE(names.size(), 4u);
  Random random(1);
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const std::string file = path() + "/segments/" + name;
    Check([&] { fs::remove(file); });
    Check([&] { fs::resize_file(file, fs::file_size(file) / 2); });
    for (int i = 0; i < 2; ++i) {
      Check([&] {
        std::string bytes = ReadFile(file);
        bytes[random.Next() % bytes.size()] ^= 0x10;
        WriteFile(file, bytes);
      });
    }
    for (const std::string& other : names) {
      if (other == name || random.Next() % 8 != 0) continue;
      Check([&] {
        fs::copy_file(path() + "/segments/" + other, file,
                      fs::copy_options::overwrite_existing);
      });
    }
  }
  Check([&] { fs::remove_all(path() + "/segments"); });
  Check([&] { CopyDirectory(dir_.path() + "/older", path() + "/segments"); });
  Check([&] {
    WriteFile(path() + "/segments/x.tmp", "x");
    WriteFile(path() + "/segments/stray.seg", "x");
  });
  EXPECT_FALSE(fs::exists(path() + "/segments/x.tmp"));
  EXPECT_FALSE(fs::exists(path() + "/segments/stray.seg"));
}

// Puts records [begin, end), each with a vector of its own, as one write.
void PutNumbered(const std::vector<Db*>& dbs, size_t begin, size_t end,
                 Workload* workload) {
  std::vector<std::string> ids;
  std::vector<std::vector<float>> vectors;
  std::vector<PutItem> items(end - begin);
  for (size_t i = begin; i < end; ++i) {
    ids.push_back(absl::StrCat("n", i));
    vectors.push_back(workload->Vector());
  }
  for (size_t i = 0; i < items.size(); ++i) {
    items[i].record = RecordView(ids[i]);
    items[i].record.vector = vectors[i];
  }
  for (Db* db : dbs) ASSERT_THAT(CollectionOf(*db)->Put(items), IsOk());
}

// With `retention`, bodies of dead slots are gone.
void LoseEachOfFourSegments(bool retention) {
  TempDir dir;
  const std::string good = dir.path() + "/good";
  const std::string path = dir.path() + "/a";
  auto whole = OpenOrFail(dir.path() + "/whole", Environment());
  auto db = OpenOrFail(good, SmallSegments());
  Workload workload(1);
  workload.Create(*whole, {.dim = kDim, .bits = 2});
  workload.Create(*db, {.dim = kDim, .bits = 2});
  const std::vector<Db*> both = {whole.get(), db.get()};
  for (size_t i = 0; i < 4; ++i) {
    ASSERT_NO_FATAL_FAILURE(PutNumbered(both, 64 * i, 64 * (i + 1), &workload));
  }
  // Lives that end in each of them, which the sidecar or the feed tells.
  for (size_t i = 0; i < 4; ++i) {
    ASSERT_NO_FATAL_FAILURE(
        PutNumbered(both, 64 * i + 10, 64 * i + 13, &workload));
    for (Db* each : both) {
      ASSERT_THAT(CollectionOf(*each)->Delete({absl::StrCat("n", 64 * i)}),
                  IsOk());
    }
  }
  for (Db* each : both) {
    if (!retention) break;
    ASSERT_THAT(CollectionOf(*each)->SetRetention({.keep_versions = 1}),
                IsOk());
    EXPECT_GT(CollectionOf(*each)->ApplyRetention()->removed, 0u);
  }
  db = nullptr;
  std::vector<std::string> segments;
  std::string sidecar;
  for (const std::string& name : SegmentFiles(good)) {
    if (absl::EndsWith(name, ".seg")) segments.push_back(name);
    if (absl::EndsWith(name, ".died")) sidecar = name;
  }
  ASSERT_EQ(segments.size(), 4u);
  for (const std::string& lost : segments) {
    for (const bool with_sidecar : {true, false}) {
      SCOPED_TRACE(absl::StrCat(lost, with_sidecar ? "" : " and the sidecar"));
      db = nullptr;
      CopyDirectory(good, path);
      const std::string file = absl::StrCat(path, "/segments/", lost);
      std::string bytes = ReadFile(file);
      bytes[100] ^= 1;  // Of the header.
      WriteFile(file, bytes);
      if (!with_sidecar) fs::remove(absl::StrCat(path, "/segments/", sidecar));
      db = OpenOrFail(path, SmallSegments());
      ASSERT_NE(db, nullptr);
      const auto expect_equal = [&] {
        ExpectEqual(*whole, *db, &workload, /*exact=*/true, !retention);
      };
      ASSERT_NO_FATAL_FAILURE(expect_equal());
      // Files are written when a write ends, whatever it is.
      ASSERT_THAT(db->CreateCollection("d", {.dim = kDim}), IsOk());
      ASSERT_NO_FATAL_FAILURE(expect_equal());
      db = nullptr;
      EXPECT_FALSE(fs::exists(file));
      for (const std::string& name : segments) {
        if (name == lost) continue;
        SCOPED_TRACE(name);
        const std::string other = absl::StrCat("/segments/", name);
        ASSERT_TRUE(fs::exists(absl::StrCat(path, other)));
        EXPECT_EQ(ReadFile(absl::StrCat(path, other)),
                  ReadFile(absl::StrCat(good, other)));
      }
      db = OpenOrFail(path, SmallSegments());
      ASSERT_NE(db, nullptr);
      ASSERT_NO_FATAL_FAILURE(expect_equal());
    }
  }
}

TEST(IndexFilesTest, OfFourSegmentsOnlyTheOneThatIsLostIsMadeAnew) {
  LoseEachOfFourSegments(/*retention=*/false);
}

TEST(IndexFilesTest, TheOthersKeepTheirDeadWhoseBodiesAreGone) {
  LoseEachOfFourSegments(/*retention=*/true);
}

TEST_F(DamageTest, AnyRowOfTheCatalogueMayBeMalformed) {
  std::vector<std::string> keys;
  {
    CopyDirectory(dir_.path() + "/good", path());
    auto store = Store::Open(path() + "/store", {});
    ASSERT_THAT(store, IsOk());
    const auto it = (*store)->NewIterator(Family::kRows, "s", "t");
    for (it->Seek("s"); it->valid(); it->Next()) keys.emplace_back(it->key());
  }
  ASSERT_GE(keys.size(), 3u);
  keys.push_back(keys[1] + "?");
  for (const std::string& key : keys) {
    Check([&] {
      auto store = Store::Open(path() + "/store", {});
      ASSERT_THAT(store, IsOk());
      WriteBatch batch = (*store)->NewBatch();
      batch.Put(Family::kRows, key, "?");
      ASSERT_THAT((*store)->Write(batch), IsOk());
      ASSERT_THAT((*store)->Close(), IsOk());
    });
    // Once the index is written anew, nothing is left of it.
    auto store = Store::Open(path() + "/store", {});
    ASSERT_THAT(store, IsOk());
    const auto row = (*store)->Get(Family::kRows, key);
    ASSERT_THAT(row, IsOk());
    EXPECT_NE(*row, "?");
  }
}

TEST(IndexFilesTest, FilesOfADroppedCollectionGo) {
  TempDir dir;
  const std::string path = dir.path() + "/a";
  auto db = OpenOrFail(path, SmallSegments());
  Workload workload(1);
  workload.Create(*db, {.dim = kDim});
  for (int i = 0; i < 60; ++i) workload.Write({db.get()});
  EXPECT_GE(SegmentFiles(path).size(), 2u);
  CopyDirectory(path, dir.path() + "/killed");
  ASSERT_THAT(db->DropCollection("c"), IsOk());
  EXPECT_THAT(SegmentFiles(path), IsEmpty());
  db = nullptr;
  // Killed after the drop was written and before the files were removed.
  fs::copy(dir.path() + "/killed/segments", path + "/segments",
           fs::copy_options::recursive);
  db = OpenOrFail(path, SmallSegments());
  EXPECT_THAT(SegmentFiles(path), IsEmpty());
  workload.Create(*db, {.dim = kDim});
  EXPECT_EQ(*CollectionOf(*db)->Count(), 0u);
}

TEST(IndexFilesTest, WritingInTheBackgroundChangesNoAnswer) {
  TempDir dir;
  Environment background = SmallSegments();
  background.background = true;
  auto whole = OpenOrFail(dir.path() + "/whole", Environment());
  auto db = OpenOrFail(dir.path() + "/a", background);
  Workload workload(3);
  workload.Create(*whole, {.dim = kDim, .bits = 1});
  workload.Create(*db, {.dim = kDim, .bits = 1});
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 40; ++i) {
      ASSERT_NO_FATAL_FAILURE(workload.Write({whole.get(), db.get()}));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectEqual(*whole, *db, &workload));
  }
}

}  // namespace
}  // namespace corkscrew
