// The local Db: what only a directory can show. What every Db must do is in
// tests/conformance_test.cc.

#include "db/local_db.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "corkscrew/db.h"
#include "db/keys.h"
#include "db/rows.h"
#include "db/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;
using testing::TempDir;

class LocalDbTest : public ::testing::Test {
 protected:
  std::unique_ptr<Db> Open(const Options& options = {}) {
    auto db = Db::Open(path(), options);
    EXPECT_THAT(db, IsOk());
    return db.ok() ? *std::move(db) : nullptr;
  }
  std::string path() const { return dir_.path() + "/db"; }

  // Changes the rows of the closed database.
  void Edit(const std::function<void(WriteBatch&)>& edit) {
    auto store = Store::Open(path() + "/store", {});
    ASSERT_THAT(store, IsOk());
    WriteBatch batch = (*store)->NewBatch();
    edit(batch);
    ASSERT_THAT((*store)->Write(batch), IsOk());
    ASSERT_THAT((*store)->Close(), IsOk());
  }

  TempDir dir_;
};

PutItem Item(absl::string_view id, absl::Span<const float> vector,
             absl::string_view text = "") {
  PutItem item{RecordView(id)};
  item.record.vector = vector;
  item.record.text = text;
  return item;
}

absl::StatusOr<PutReply> PutOne(Collection& collection, absl::string_view id,
                                std::vector<float> vector,
                                const WriteOptions& options = {}) {
  const PutItem item = Item(id, vector);
  return collection.Put(absl::MakeConstSpan(&item, 1), options);
}

std::vector<std::string> Ids(const SearchReply& reply) {
  std::vector<std::string> ids;
  for (const Hit& hit : reply.hits) ids.push_back(hit.id);
  return ids;
}

TEST_F(LocalDbTest, WhatWasPutIsFoundAlsoAfterReopening) {
  {
    auto db = Open();
    auto notes = db->CreateCollection("notes", {.dim = 2});
    ASSERT_THAT(notes, IsOk());
    ASSERT_THAT(PutOne(**notes, "a", {1, 0}), IsOk());
    ASSERT_THAT(PutOne(**notes, "b", {0, 1}), IsOk());
    ASSERT_THAT(PutOne(**notes, "a", {1, 1}), IsOk());
    const auto reply = (*notes)->Search(Query::Vector({1, 0}));
    ASSERT_THAT(reply, IsOk());
    EXPECT_THAT(Ids(*reply), ElementsAre("a", "b"));
    EXPECT_EQ(reply->at, 3u);
    EXPECT_THAT(db->Close(), IsOk());
  }
  auto db = Open();
  auto notes = db->OpenCollection("notes");
  ASSERT_THAT(notes, IsOk());
  const auto now = (*notes)->Search(Query::Vector({0, 1}));
  ASSERT_THAT(now, IsOk());
  EXPECT_THAT(Ids(*now), ElementsAre("b", "a"));
  Query then = Query::Vector({0, 1});
  then.at = Moment::At(1);
  EXPECT_THAT(Ids(*(*notes)->Search(then)), ElementsAre("a"));
  const auto got = (*notes)->Get({"a", "c"}, {.vector = true}, Moment::At(2));
  ASSERT_THAT(got, IsOk());
  EXPECT_THAT((*got)[0]->record.vector, ElementsAre(1, 0));
  EXPECT_EQ((*got)[1], std::nullopt);
  EXPECT_EQ((*notes)->Info()->records, 2u);
  EXPECT_EQ((*notes)->Stats()->versions, 3u);
}

TEST_F(LocalDbTest, ALockedDirectoryNamesThePidOfTheHolder) {
  auto db = Open();
  EXPECT_THAT(Db::Open(path()),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr(absl::StrCat("process ", getpid()))));
  ASSERT_THAT(db->Close(), IsOk());
  EXPECT_THAT(Db::Open(path()), IsOk());
}

TEST_F(LocalDbTest, AMissingDatabaseIsNotFoundAndNothingIsCreated) {
  EXPECT_THAT(Db::Open(path(), {.create_if_missing = false}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(path())));
  EXPECT_FALSE(std::filesystem::exists(path()));
  std::filesystem::create_directory(path());
  EXPECT_THAT(Db::Open(path(), {.create_if_missing = false}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(path())));
  EXPECT_TRUE(std::filesystem::is_empty(path()));
}

TEST_F(LocalDbTest, APathThatIsAFileIsRefused) {
  std::ofstream(path()) << "x";
  EXPECT_THAT(Db::Open(path()), StatusIs(absl::StatusCode::kFailedPrecondition,
                                         HasSubstr("not a directory")));
}

TEST_F(LocalDbTest, OnlyTheOwnerMayReadTheDirectory) {
  Open();
  for (const char* part : {"", "/store"}) {
    struct stat info;
    ASSERT_EQ(stat((path() + part).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u) << part;
  }
}

TEST_F(LocalDbTest, AnotherFormatVersionOrAnUnknownFeatureIsRefused) {
  Open();
  Edit([](WriteBatch& batch) {
    batch.Put(Family::kRows, MetaKey("format"), Encode(FormatRow{7}));
  });
  EXPECT_THAT(Db::Open(path()),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("format version 7, this build knows 0")));
  Edit([](WriteBatch& batch) {
    batch.Put(Family::kRows, MetaKey("format"),
              Encode(FormatRow{.version = 0, .required = 4}));
  });
  EXPECT_THAT(Db::Open(path()), StatusIs(absl::StatusCode::kFailedPrecondition,
                                         HasSubstr("required 4")));
  Edit([](WriteBatch& batch) {
    batch.Put(Family::kRows, MetaKey("format"), Encode(FormatRow{.compat = 1}));
  });
  EXPECT_THAT(Db::Open(path()), IsOk());
}

}  // namespace
}  // namespace corkscrew
