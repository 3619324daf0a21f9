// corkscrew import-v1 into a real database.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/testing.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "corkscrew/record.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/cli.h"
#include "server/cli_run.h"
#include "server/v1_writer.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::CliRunTest;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::TempDir;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class ImportV1Test : public CliRunTest {
 protected:
  ImportV1Test() : CliRunTest(RealSystem()) {}

  void Write(const std::string& path, absl::string_view bytes) {
    std::filesystem::create_directories(
        std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
  }

  // A directory of the original with one collection of this log.
  std::string Directory(const std::string& name, absl::string_view log) {
    std::string path = absl::StrCat(dir_.path(), "/v1-", name);
    Write(path + "/manifest.json",
          testing::V1Manifest(std::vector<std::string>{name}));
    Write(absl::StrCat(path, "/collections/", name, "/wal/000001.wal"), log);
    return path;
  }

  // All versions of `id`, oldest first.
  static std::vector<StoredRecord> HistoryOf(Collection& collection,
                                             absl::string_view id) {
    HistoryOptions options;
    options.page_size = 1000;
    options.fields.vector = true;
    absl::StatusOr<HistoryReply> reply = collection.History(id, options);
    EXPECT_THAT(reply, IsOk());
    return {std::make_move_iterator(reply->versions.rbegin()),
            std::make_move_iterator(reply->versions.rend())};
  }

  std::unique_ptr<Db> Open() {
    absl::StatusOr<std::unique_ptr<Db>> db = Db::Open(target_);
    EXPECT_THAT(db, IsOk());
    return *std::move(db);
  }

  nlohmann::json Out() const { return nlohmann::json::parse(out_); }

  TempDir dir_;
  std::string target_ = dir_.path() + "/target";
};

V1Version Put(uint64_t lamport, std::string id, std::vector<float> vector) {
  V1Version version;
  version.id = std::move(id);
  version.vector = std::move(vector);
  version.text = absl::StrCat("text ", lamport);
  version.lamport = lamport;
  version.actor = "a";
  version.wall_ns =
      1'700'000'000'000'000'000 + static_cast<int64_t>(lamport) * 1'000'000'000;
  return version;
}
V1Version Delete(uint64_t lamport, std::string id) {
  V1Version version = Put(lamport, std::move(id), {});
  version.tombstone = true;
  return version;
}
std::string Log(const std::vector<V1Version>& versions) {
  std::string log;
  for (const V1Version& version : versions) {
    log += testing::V1LogRecord(version, "c");
  }
  return log;
}

TEST_F(ImportV1Test, TimesAndMomentsAreKeptAndASecondRunWritesNothing) {
  const std::string from = Directory(
      "c", Log({Put(1, "x", {1, 0}), Put(2, "y", {0, 2}), Put(3, "x", {3, 3}),
                Delete(4, "y"), Put(5, "y", {0, 0})}));
  ASSERT_EQ(Run({"import-v1", from, target_, "--json"}), 0) << err_;
  EXPECT_EQ(Out()["written"], 5);
  EXPECT_EQ(Out()["same_lamport"], 5);
  EXPECT_EQ(Out()["same_wall"], 5);
  {
    const std::unique_ptr<Db> db = Open();
    const auto collection = *db->OpenCollection("c");
    const std::vector<StoredRecord> y = HistoryOf(*collection, "y");
    ASSERT_THAT(y, SizeIs(3));
    EXPECT_EQ(y[0].version.lamport, 2u);
    EXPECT_EQ(y[0].wall_ms, 1'700'000'002'000);
    EXPECT_TRUE(y[1].deleted);
    EXPECT_EQ(y[2].record.vector, (std::vector<float>{0, 0}));
    EXPECT_EQ(*collection->Count({}, Moment::At(4)), 1u);
    EXPECT_EQ(collection->Info()->options.metric, Metric::kDot);
    // A later write, also of a record that came over.
    PutItem item{RecordView("x")};
    const std::vector<float> vector = {9, 9};
    item.record.vector = vector;
    ASSERT_THAT(collection->Put({&item, 1}), IsOk());
    const absl::string_view id = "y";
    ASSERT_THAT(collection->Delete({&id, 1}), IsOk());
  }
  ASSERT_EQ(Run({"import-v1", from, target_, "--json"}), 0) << err_;
  EXPECT_EQ(Out()["written"], 0);
  EXPECT_EQ(Out()["present"], 5);
  const std::unique_ptr<Db> db = Open();
  EXPECT_EQ((*db->OpenCollection("c"))->Info()->lamport, 7u);
}

TEST_F(ImportV1Test, AStoppedRunGoesOnWhereItStopped) {
  std::vector<V1Version> versions;
  for (uint64_t i = 1; i <= 12; ++i) {
    const std::string id = absl::StrCat("id", i % 3);
    // Twice the same content, and deletes, redundant ones too.
    versions.push_back(i % 5 == 0 ? Delete(i, id) : Put(i, id, {1, 1}));
    versions.back().text = "same";
  }
  versions.push_back(Delete(13, "id0"));
  versions.push_back(Delete(14, "id0"));
  for (size_t stop = 1; stop < versions.size(); ++stop) {
    // What a stopped run leaves is what a shorter log gives.
    target_ = absl::StrCat(dir_.path(), "/target", stop);
    const std::vector<V1Version> part(
        versions.begin(), versions.begin() + static_cast<ptrdiff_t>(stop));
    ASSERT_EQ(Run({"import-v1", Directory("c", Log(part)), target_}), 0);
    ASSERT_EQ(
        Run({"import-v1", Directory("c", Log(versions)), target_, "--json"}), 0)
        << err_;
    EXPECT_EQ(Out()["conflicts"], 0);
    const std::unique_ptr<Db> db = Open();
    const auto collection = *db->OpenCollection("c");
    EXPECT_EQ(collection->Info()->lamport, 13u) << stop;
    for (const char* const id : {"id0", "id1", "id2"}) {
      std::vector<Lamport> want;
      for (const V1Version& version : versions) {
        if (version.id == id && version.lamport <= 13) {
          want.push_back(version.lamport);
        }
      }
      std::vector<Lamport> got;
      for (const StoredRecord& stored : HistoryOf(*collection, id)) {
        got.push_back(stored.version.lamport);
      }
      EXPECT_EQ(got, want) << id << " after " << stop;
    }
  }
}

TEST_F(ImportV1Test, WhatDoesNotComeOverIsReportedWithExitCodeThree) {
  const std::string log =
      Log({Put(1, "x", {1, 0}), Delete(2, "nothing"), Put(3, "bad", {1, 2, 3}),
           Delete(4, "bad"), Put(5, "x", {2, 0})});
  const std::string from =
      Directory("c", log.substr(0, log.size() - 5) + "torn");
  EXPECT_EQ(Run({"import-v1", from, target_, "--json"}), 3);
  EXPECT_THAT(err_, HasSubstr("version 2 of bad: "));
  EXPECT_THAT(err_, HasSubstr("has 3 coordinates, want 2"));
  EXPECT_THAT(err_, HasSubstr("not read: collections/c/wal/000001.wal at "));
  EXPECT_EQ(Out()["written"], 1);
  EXPECT_EQ(Out()["refused"], 1);
  EXPECT_EQ(Out()["nothing_to_delete"], 2);
  EXPECT_EQ(Out()["not_read"][0]["file"], "collections/c/wal/000001.wal");

  // The user goes on with x; what is behind x=1 no longer fits.
  {
    const std::unique_ptr<Db> db = Open();
    PutItem item{RecordView("x")};
    const std::vector<float> vector = {9, 9};
    item.record.vector = vector;
    ASSERT_THAT((*db->OpenCollection("c"))->Put({&item, 1}), IsOk());
  }
  EXPECT_EQ(Run({"import-v1", Directory("c", log), target_, "--json"}), 3);
  EXPECT_EQ(Out()["written"], 0);
  EXPECT_EQ(Out()["conflicts"], 1);

  EXPECT_EQ(Run({"import-v1", from, target_, "--collection", "none"}), 4);
  EXPECT_EQ(Run({"import-v1", dir_.path(), target_}), 4);
  EXPECT_EQ(Run({"import-v1", from, target_, "--into", "d"}), 2);

  // Into another collection, with the times as metadata.
  EXPECT_EQ(Run({"import-v1", Directory("c", log), target_, "--collection", "c",
                 "--into", "d", "--keep-times", "--bits", "8"}),
            3);
  EXPECT_THAT(out_, HasSubstr("c: 5 versions: 2 written (1 at their Lamport "
                              "time, 2 at their wall time), 2 deletes of "
                              "nothing, 1 refused"));
  const std::unique_ptr<Db> db = Open();
  const auto d = *db->OpenCollection("d");
  EXPECT_EQ(d->Info()->options.bits, 8);
  const StoredRecord x = HistoryOf(*d, "x")[1];
  EXPECT_EQ(x.record.metadata,
            (Metadata{{"v1_actor", "a"},
                      {"v1_lamport", int64_t{5}},
                      {"v1_wall_ms", int64_t{1'700'000'005'000}}}));
}

// A directory that the original wrote, with a list of what it holds.
TEST_F(ImportV1Test, EveryVersionOfTheOriginalsDirectoryComesOver) {
  const std::string data = CORKSCREW_DATA_DIR "/data/upstream-v1";
  std::ifstream file(data + "/expected.json");
  const nlohmann::json expected = nlohmann::json::parse(file);
  ASSERT_THAT(expected, SizeIs(3));
  ASSERT_EQ(Run({"import-v1", data + "/db", target_}), 0) << err_;
  const std::unique_ptr<Db> db = Open();
  size_t compared = 0;
  for (const auto& [name, list] : expected.items()) {
    const auto collection = db->OpenCollection(name);
    ASSERT_THAT(collection, IsOk());
    std::map<uint64_t, nlohmann::json> by_lamport;
    for (const auto& version : list) {
      by_lamport[version["Lamport"].get<uint64_t>()] = version;
    }
    std::map<std::string, std::vector<nlohmann::json>> want;
    std::map<std::string, bool> live;
    for (const auto& [lamport, version] : by_lamport) {
      const std::string id = version["ID"];
      const bool tombstone = version["Tombstone"];
      // A delete of what is not there is no version here.
      if (!tombstone || live[id]) want[id].push_back(version);
      live[id] = !tombstone;
    }
    for (const auto& [id, versions] : want) {
      const std::vector<StoredRecord> got = HistoryOf(**collection, id);
      ASSERT_THAT(got, SizeIs(versions.size())) << name << " " << id;
      for (size_t i = 0; i < got.size(); ++i) {
        ++compared;
        ASSERT_EQ(got[i].deleted, versions[i]["Tombstone"].get<bool>());
        if (got[i].deleted) continue;
        EXPECT_EQ(got[i].record.text, versions[i]["Text"].get<std::string>());
        EXPECT_EQ(got[i].record.vector,
                  versions[i]["Vector"].get<std::vector<float>>());
        Metadata metadata;
        for (const auto& [key, value] : versions[i]["Metadata"].items()) {
          metadata[key] = value.get<std::string>();
        }
        EXPECT_EQ(got[i].record.metadata, metadata);
      }
    }
  }
  EXPECT_GT(compared, 200u);
}

}  // namespace
}  // namespace corkscrew
