// The check of segments: each way in which files and store can disagree.

#include "db/check_segments.h"

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/testing.h"
#include "corkscrew/check.h"
#include "corkscrew/db.h"
#include "db/body.h"
#include "db/environment.h"
#include "db/keys.h"
#include "db/local_db.h"
#include "db/metadata_codec.h"
#include "db/op.h"
#include "db/purge.h"
#include "db/rows.h"
#include "db/segment_catalogue.h"
#include "db/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::TempDir;

class CheckSegmentsTest : public ::testing::TestWithParam<Originals> {
 protected:
  void SetUp() override {
    Open();
    auto notes =
        db_->CreateCollection("notes", {.dim = 4, .originals = GetParam()});
    ASSERT_THAT(notes, IsOk());
    // Segments of both kinds, a tail that is in none, and late deaths.
    for (int i = 0; i < 90; ++i) Put(**notes, i % 50, i);
    ASSERT_THAT((*notes)->Delete({"r3"}), IsOk());
    Close();
    Open();
    notes = db_->OpenCollection("notes");
    ASSERT_THAT(notes, IsOk());
    for (int i = 90; i < 96; ++i) Put(**notes, i % 50, i);
    Close();
    fs::copy(path(), dir_.path() + "/sound", fs::copy_options::recursive);
  }

  std::string path() const { return dir_.path() + "/db"; }

  void Open() {
    Environment environment;
    environment.background = false;
    environment.maintenance_thread = false;
    environment.segment_slots = 16;
    auto db = OpenLocalDb(path(), {}, environment);
    ASSERT_THAT(db, IsOk());
    db_ = *std::move(db);
  }
  void Close() {
    ASSERT_THAT(db_->Close(), IsOk());
    db_ = nullptr;
  }
  static void Put(Collection& notes, int record, int i) {
    const std::string id = absl::StrCat("r", record);
    const std::vector<float> vector = {1, static_cast<float>(i), 2, 3};
    const Metadata metadata = {{"n", static_cast<int64_t>(i)}};
    PutItem item{RecordView(id)};
    item.record.vector = vector;
    item.record.metadata = &metadata;
    ASSERT_THAT(notes.Put({&item, 1}), IsOk());
  }

  void MakeSound() {
    fs::remove_all(path());
    fs::copy(dir_.path() + "/sound", path(), fs::copy_options::recursive);
  }
  void Edit(const std::function<void(const Store&, WriteBatch&)>& edit) {
    auto store = Store::Open(path() + "/store", {});
    ASSERT_THAT(store, IsOk());
    WriteBatch batch = (*store)->NewBatch();
    edit(**store, batch);
    ASSERT_THAT((*store)->Write(batch), IsOk());
    ASSERT_THAT((*store)->Close(), IsOk());
  }
  std::vector<std::string> Segments(absl::string_view extension) const {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(path() + "/segments")) {
      if (entry.path().extension() == std::string(extension)) {
        files.push_back(entry.path());
      }
    }
    return files;
  }

  CheckReport Run() {
    CheckOptions options;
    options.deep = true;
    const auto report = CheckDatabase(path(), options);
    EXPECT_THAT(report, IsOk());
    return report.value_or(CheckReport{});
  }
  // The findings on segments, one line each.
  static std::string Found(const CheckReport& report) {
    std::string all;
    for (const CheckFinding& finding : report.findings) {
      if (!absl::StartsWith(finding.where, "segments/") &&
          !absl::StartsWith(finding.where, "row 73")) {
        continue;
      }
      EXPECT_EQ(finding.severity, CheckStatus::kRepairable);
      EXPECT_FALSE(finding.advice.empty());
      absl::StrAppend(&all, finding.where, " [", finding.invariant, "] ",
                      finding.what, "\n");
    }
    return all;
  }

  // The key and body of a version, the `nth` of record `id` from the newest.
  static std::pair<std::string, std::string> BodyOf(const Store& store,
                                                    absl::string_view id,
                                                    int nth = 0) {
    const std::string prefix = BodyPrefix({1, 0}, id);
    const auto it =
        store.NewIterator(Family::kBodies, prefix, PrefixEnd(prefix));
    it->Seek(prefix);
    for (; nth > 0 && it->valid(); --nth) it->Next();
    EXPECT_TRUE(it->valid());
    return {std::string(it->key()), std::string(it->value())};
  }

  TempDir dir_;
  std::unique_ptr<Db> db_;
};

TEST_P(CheckSegmentsTest, SoundSegmentsHaveNoFindings) {
  EXPECT_FALSE(Segments(".seg").empty());
  EXPECT_FALSE(Segments(".died").empty());
  const CheckReport report = Run();
  EXPECT_EQ(report.status, CheckStatus::kClean) << Found(report);
  EXPECT_THAT(report.findings, IsEmpty());
}

TEST_P(CheckSegmentsTest, AFileThatIsNotWhatTheCatalogueSaysIsMadeAgain) {
  std::vector<std::string> files = Segments(".seg");
  for (const std::string& file : Segments(".died")) files.push_back(file);
  ASSERT_GE(files.size(), 4u);
  for (const std::string& file : files) {
    SCOPED_TRACE(file);
    const std::string bytes = FileSystem::Real().Read(file, 1 << 20).value();
    const auto damage = [&](const std::string& changed) {
      std::ofstream(file, std::ios::binary) << changed;
      const CheckReport report = Run();
      EXPECT_EQ(report.status, CheckStatus::kRepairable);
      EXPECT_THAT(Found(report), HasSubstr(fs::path(file).filename().string()));
    };
    std::string flipped = bytes;
    flipped[bytes.size() / 3] ^= 4;  // Checked by the whole, or padding.
    flipped[40] ^= 4;
    damage(flipped);
    damage(bytes.substr(0, bytes.size() - 1));
    fs::remove(file);
    EXPECT_THAT(Found(Run()), HasSubstr(fs::path(file).filename().string()));
    // As it advises. What a sidecar says is in the feed too.
    Open();
    Close();
    if (absl::EndsWith(file, ".seg")) {
      EXPECT_EQ(Run().status, CheckStatus::kClean) << Found(Run());
    }
    MakeSound();
  }
}

TEST_P(CheckSegmentsTest, StraysAndRowsAreFound) {
  std::ofstream(path() + "/segments/stray.seg") << "x";
  EXPECT_THAT(Found(Run()), HasSubstr("no row of the catalogue names it"));
  MakeSound();
  Edit([](const Store&, WriteBatch& batch) {
    batch.Put(Family::kRows, SegmentKey(1, 0), "?");
  });
  EXPECT_THAT(Found(Run()), HasSubstr("[form]"));
  MakeSound();
  Edit([](const Store&, WriteBatch& batch) {
    batch.Delete(Family::kRows, SegmentKey(1, 0));
  });
  EXPECT_THAT(Found(Run()), HasSubstr("segments are named"));
  MakeSound();
  Edit([](const Store& store, WriteBatch& batch) {
    auto row = DecodeCatalogueRow(**store.Get(Family::kRows, SegmentKey(1, 0)));
    ASSERT_THAT(row, IsOk());
    row->covered.op_hash[0] ^= 1;
    batch.Put(Family::kRows, SegmentKey(1, 0), Encode(*row));
  });
  EXPECT_THAT(Found(Run()), HasSubstr("another op at position"));
  MakeSound();
  // A segment that is forgotten: its slots are missing.
  Edit([](const Store& store, WriteBatch& batch) {
    const std::string prefix = KindPrefix('s', 1);
    const auto it = store.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
    it->SeekToLast();
    batch.Delete(Family::kRows, it->key());
  });
  EXPECT_THAT(Found(Run()), HasSubstr("which are not the same"));
}

TEST_P(CheckSegmentsTest, SlotsThatSayOtherThanTheStoreAreFound) {
  struct Disagreement {
    const char* name;
    const char* what;
    std::function<void(const Store&, WriteBatch&)> edit;
  };
  const auto change = [](const std::function<void(Body*)>& edit) {
    return [edit](const Store& store, WriteBatch& batch) {
      const auto [key, value] = BodyOf(store, "r20");
      Body body = *DecodeBody(key, value);
      edit(&body);
      batch.Put(Family::kBodies, key, EncodeBodyToString(key, body));
    };
  };
  const auto change_metadata = [&](const Metadata& metadata) {
    const std::string bytes = EncodeMetadata(metadata).value();
    return change([bytes](Body* body) { body->metadata = bytes; });
  };
  const int64_t n = 70;  // Of the newest version of r20.
  std::vector<Disagreement> all = {
      {"metadata", "its metadata is another",
       change_metadata({{"n", int64_t{7}}})},
      {"type of metadata", "its metadata is another",
       change_metadata({{"n", static_cast<double>(n)}})},
      {"more metadata", "its metadata is another",
       change_metadata({{"n", n}, {"o", true}})},
      {"no metadata", "its metadata is another", change_metadata({})},
      {"no op", "there is no such op",
       [](const Store& store, WriteBatch& batch) {
         batch.Delete(Family::kRows, OpKey({1, 0}, 0, 7));
         static_cast<void>(store);
       }},
      {"another op", "its op is of",
       [](const Store& store, WriteBatch& batch) {
         Op op = *DecodeOp(**store.Get(Family::kRows, OpKey({1, 0}, 0, 7)));
         op.id = "other";
         batch.Put(Family::kRows, OpKey({1, 0}, 0, 7), EncodeOp(op));
       }},
      {"died too early", "want that it is alive",
       [](const Store& store, WriteBatch& batch) {
         // r20 has two versions; without the newer one the older is alive.
         const auto [key, value] = BodyOf(store, "r20");
         batch.Delete(Family::kBodies, key);
       }},
      {"alive, but dead", "it is alive, but died at",
       [](const Store& store, WriteBatch& batch) {
         const auto [key, value] = BodyOf(store, "r20");
         const Body body = *DecodeBody(key, value);
         const std::string later = BodyRowKey(1, {0, "r20", 1000, 0, 1000});
         batch.Put(Family::kBodies, later, EncodeBodyToString(later, body));
       }},
      {"purged", "it was purged",
       [](const Store& store, WriteBatch& batch) {
         const std::string key = OpKey({1, 0}, 0, 21);  // r20, the first.
         Op op = *DecodeOp(**store.Get(Family::kRows, key));
         ASSERT_EQ(op.id, "r20");
         op.body_dropped = true;
         batch.Put(Family::kRows, key, EncodeOp(op));
         batch.Put(Family::kRows, PurgeKey({1, 0}, "r20"),
                   Encode(PurgeRow{1000, 0, 1000, /*erased=*/true}));
       }},
  };
  const std::string coordinate(4, '\x40');
  if (GetParam() != Originals::kCodesOnly) {
    all.push_back({"vector", "its code is not that of the vector",
                   [&](const Store& store, WriteBatch& batch) {
                     const auto [key, value] = BodyOf(store, "r20");
                     Body body = *DecodeBody(key, value);
                     std::string vector(body.vector);
                     vector.replace(0, 4, coordinate);
                     body.vector = vector;
                     batch.Put(Family::kBodies, key,
                               EncodeBodyToString(key, body));
                   }});
  }
  for (const Disagreement& disagreement : all) {
    SCOPED_TRACE(disagreement.name);
    MakeSound();
    Edit(disagreement.edit);
    EXPECT_THAT(Found(Run()), HasSubstr(disagreement.what));
  }
}

INSTANTIATE_TEST_SUITE_P(All, CheckSegmentsTest,
                         ::testing::Values(Originals::kFloat32,
                                           Originals::kCodesOnly),
                         [](const auto& instance) {
                           return instance.param == Originals::kFloat32
                                      ? "Float32"
                                      : "CodesOnly";
                         });

}  // namespace
}  // namespace corkscrew
