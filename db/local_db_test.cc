// The local Db: what only a directory can show. What every Db must do is in
// tests/conformance_test.cc.

#include "db/local_db.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/testing.h"
#include "corkscrew/db.h"
#include "db/body.h"
#include "db/directory.h"
#include "db/invariants.h"
#include "db/keys.h"
#include "db/metadata_codec.h"
#include "db/rows.h"
#include "db/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Not;
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

  // What is wrong with the rows of the closed database.
  std::vector<std::string> Violations() {
    auto store = Store::Open(path() + "/store", {});
    EXPECT_THAT(store, IsOk());
    return FindViolations(**store);
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

TEST_F(LocalDbTest, AStoreThatLostItsFilesIsNotTakenForANewOne) {
  Open();
  std::filesystem::remove(path() + "/store/CURRENT");
  EXPECT_THAT(Db::Open(path()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("CURRENT")));
  std::filesystem::remove_all(path() + "/store");
  EXPECT_THAT(Db::Open(path()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("CURRENT")));
}

TEST_F(LocalDbTest, APathMayEndInASlashButNeedsItsParent) {
  EXPECT_THAT(Db::Open(path() + "/"), IsOk());
  EXPECT_TRUE(std::filesystem::exists(path() + "/store/CURRENT"));
  EXPECT_THAT(Db::Open(dir_.path() + "/no/db"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no")));
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
                                         HasSubstr("required bits 0x4")));
  Edit([](WriteBatch& batch) {
    batch.Put(Family::kRows, MetaKey("format"), Encode(FormatRow{.compat = 1}));
  });
  EXPECT_THAT(Db::Open(path()), IsOk());
}

TEST_F(LocalDbTest, TheRowsOfEveryKindOfWriteAgreeWithEachOther) {
  {
    auto db = Open();
    auto a = *db->CreateCollection("a", {.dim = 2});
    auto b = *db->CreateCollection(
        "b", {.dim = 3, .originals = Originals::kCodesOnly});
    auto gone = *db->CreateCollection("gone", {.dim = 2});
    for (int i = 0; i < 30; ++i) {
      const std::string id = absl::StrCat("id", i % 7);
      ASSERT_THAT(PutOne(*a, id, {1, static_cast<float>(i)}), IsOk());
      ASSERT_THAT(PutOne(*b, id, {1, 2, static_cast<float>(i)}), IsOk());
      ASSERT_THAT(PutOne(*gone, id, {1, 0}), IsOk());
      if (i % 5 != 0) continue;
      ASSERT_THAT(a->Delete({id, "missing"}), IsOk());
    }
    ASSERT_THAT(db->DropCollection("gone"), IsOk());
    ASSERT_THAT(PutOne(**db->CreateCollection("gone", {.dim = 2}), "x", {1, 1}),
                IsOk());
  }
  EXPECT_THAT(Violations(), IsEmpty());
  // The checks find what is wrong.
  Edit([](WriteBatch& batch) {
    batch.Delete(Family::kRows, OpKey({1, 0}, 0, 3));
  });
  EXPECT_THAT(Violations(), Not(IsEmpty()));
}

TEST_F(LocalDbTest, DroppingRemovesTheRowsAndLeavesARecordOfWhatWasSeen) {
  Uuid uuid;
  {
    auto db = Open();
    auto gone = *db->CreateCollection("gone", {.dim = 2});
    uuid = gone->Info()->uuid;
    ASSERT_THAT(PutOne(*gone, "a", {1, 0}), IsOk());
    ASSERT_THAT(PutOne(*gone, "b", {1, 0}), IsOk());
    ASSERT_THAT(db->DropCollection("gone"), IsOk());
    EXPECT_EQ(gone->Get({"a"}).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(PutOne(*gone, "a", {1, 0}).status().code(),
              absl::StatusCode::kNotFound);
    auto again = *db->CreateCollection("gone", {.dim = 2});
    EXPECT_EQ(again->Info()->generation, 2u);
    EXPECT_NE(again->Info()->uuid, uuid);
    EXPECT_EQ(again->Info()->records, 0u);
    EXPECT_EQ(again->Info()->lamport, 0u);
  }
  auto store = Store::Open(path() + "/store", {});
  ASSERT_THAT(store, IsOk());
  for (const char kind : {'f', 'h', 'i', 'k', 'o', 'v', 'x'}) {
    const std::string prefix = KindPrefix(kind, 1);
    const auto it =
        (*store)->NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
    it->Seek(prefix);
    EXPECT_FALSE(it->valid()) << kind;
  }
  const std::string id = "collection/" + uuid.ToString();
  const auto it = (*store)->NewIterator(Family::kBodies, BodyPrefix({0, 0}, id),
                                        PrefixEnd(BodyPrefix({0, 0}, id)));
  it->Seek(BodyPrefix({0, 0}, id));
  ASSERT_TRUE(it->valid());
  const auto body = DecodeBody(it->key(), it->value());
  ASSERT_THAT(body, IsOk());
  const auto metadata = DecodeMetadata(body->metadata);
  ASSERT_THAT(metadata, IsOk());
  EXPECT_EQ(metadata->at("state"), Value(std::string("dropped")));
  EXPECT_EQ(metadata->at("name"), Value(std::string("gone")));
  EXPECT_THAT(std::string(body->text), EndsWith(" 2\n"));
}

TEST_F(LocalDbTest, ADamagedBodyIsDataLossWhereItMattersAndNowhereElse) {
  {
    auto db = Open();
    auto c = *db->CreateCollection("c", {.dim = 2});
    ASSERT_THAT(PutOne(*c, "b", {0, 1}), IsOk());
    ASSERT_THAT(PutOne(*c, "a", {1, 0}), IsOk());
    ASSERT_THAT(PutOne(*c, "a", {1, 1}), IsOk());
    ASSERT_THAT(PutOne(*c, "b", {1, 2}), IsOk());
    ASSERT_THAT(
        PutOne(**db->CreateCollection("other", {.dim = 2}), "x", {1, 0}),
        IsOk());
  }
  const std::string key = BodyRowKey(1, {0, "a", 3, 0, 3});
  Edit([&](WriteBatch& batch) {
    batch.Put(Family::kBodies, key, "not what was written");
  });
  const auto damaged = StatusIs(
      absl::StatusCode::kDataLoss,
      AllOf(HasSubstr("\"a\""), HasSubstr(absl::BytesToHexString(key))));
  for (int i = 0; i < 2; ++i) {
    auto db = Open();
    ASSERT_NE(db, nullptr);
    auto c = *db->OpenCollection("c");
    // No search at which it is alive leaves it out in silence.
    Query query = Query::Vector({1, 0});
    EXPECT_THAT(c->Search(query), damaged);
    EXPECT_THAT(c->Count(), damaged);
    query.at = Moment::At(3);
    EXPECT_THAT(c->Search(query), damaged);
    EXPECT_THAT(c->Get({"a"}),
                StatusIs(absl::StatusCode::kDataLoss,
                         HasSubstr(absl::BytesToHexString(key))));
    // Other moments, records and collections answer.
    query.at = Moment::At(2);
    const auto before = c->Search(query);
    ASSERT_THAT(before, IsOk());
    EXPECT_THAT(Ids(*before), ElementsAre("a", "b"));
    EXPECT_THAT(c->Get({"b"}), IsOk());
    EXPECT_THAT((*db->OpenCollection("other"))->Search(Query::Vector({1, 0})),
                IsOk());
  }
  // A new version ends it.
  for (int i = 0; i < 2; ++i) {
    auto db = Open();
    auto c = *db->OpenCollection("c");
    if (i == 0) {
      ASSERT_THAT(PutOne(*c, "a", {2, 1}), IsOk());
    }
    const auto now = c->Search(Query::Vector({1, 0}));
    ASSERT_THAT(now, IsOk());
    EXPECT_THAT(Ids(*now), ElementsAre("a", "b"));
    EXPECT_THAT(c->Count(), IsOk());
    Query query = Query::Vector({1, 0});
    query.at = Moment::At(4);
    EXPECT_THAT(c->Search(query), damaged);
  }
}

TEST_F(LocalDbTest, ACopiedDirectoryIsAnotherIncarnationOfTheSameReplica) {
  DbStats first;
  {
    auto db = Open();
    ASSERT_THAT(PutOne(**db->CreateCollection("c", {.dim = 2}), "a", {1, 0}),
                IsOk());
    first = *db->Stats();
  }
  std::filesystem::copy(path(), dir_.path() + "/copy",
                        std::filesystem::copy_options::recursive);
  EXPECT_EQ(Open()->Stats()->incarnation, first.incarnation);
  {
    auto copy = *Db::Open(dir_.path() + "/copy");
    const DbStats stats = *copy->Stats();
    EXPECT_EQ(stats.replica, first.replica);
    EXPECT_EQ(stats.uuid, first.uuid);
    EXPECT_NE(stats.incarnation, first.incarnation);
    auto c = *copy->OpenCollection("c");
    const auto reply = PutOne(*c, "a", {0, 1});
    ASSERT_THAT(reply, IsOk());
    EXPECT_EQ(reply->items[0].version.incarnation, stats.incarnation);
    EXPECT_EQ(reply->items[0].version.seq, 1u);
    EXPECT_EQ(reply->lamport, 2u);
    EXPECT_EQ(c->History("a")->versions.size(), 2u);
  }
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_F(LocalDbTest, AnUncleanCloseUnderAnotherBootStartsAnIncarnation) {
  const uint64_t first = Open()->Stats()->incarnation;
  EXPECT_EQ(Open()->Stats()->incarnation, first);
  const OpenMarker marker = *ReadOpenMarker(path());
  const auto closed = [&](bool clean, const std::string& boot) {
    const OpenMarker now = *ReadOpenMarker(path());
    Edit([&](WriteBatch& batch) {
      batch.Put(Family::kRows, MetaKey("open"),
                Encode(OpenRow{clean, boot, now.inode, now.birth_ns}));
    });
    return Open()->Stats()->incarnation;
  };
  EXPECT_NE(marker, OpenMarker{});
  EXPECT_EQ(closed(true, "another boot"), first);
  EXPECT_EQ(closed(false, BootId()), first);
  EXPECT_NE(closed(false, "another boot"), first);
}

TEST_F(LocalDbTest, CodesOnlyFindsTheSameAfterReopening) {
  std::vector<std::string> ids;
  std::vector<float> vector;
  {
    auto db = Open();
    auto c = *db->CreateCollection(
        "c", {.dim = 8, .bits = 8, .originals = Originals::kCodesOnly});
    for (int i = 0; i < 50; ++i) {
      const std::vector<float> v =
          testing::RandomNormal(8, static_cast<uint64_t>(i));
      ASSERT_THAT(PutOne(*c, absl::StrCat("id", i), v), IsOk());
    }
    Query query = Query::Like("id7");
    query.fields.vector = true;
    const auto reply = c->Search(query);
    ASSERT_THAT(reply, IsOk());
    ids = Ids(*reply);
    vector = reply->hits[0].vector;
    EXPECT_EQ(vector.size(), 8u);
    EXPECT_THAT(ids, Not(::testing::Contains("id7")));
    query.exact = true;
    EXPECT_EQ(c->Search(query).status().code(),
              absl::StatusCode::kFailedPrecondition);
  }
  auto c = *Open()->OpenCollection("c");
  EXPECT_EQ(c->Info().status().code(), absl::StatusCode::kFailedPrecondition);
  auto db = Open();
  Query query = Query::Like("id7");
  query.fields.vector = true;
  const auto reply = (*db->OpenCollection("c"))->Search(query);
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(Ids(*reply), ids);
  EXPECT_EQ(reply->hits[0].vector, vector);
}

// Text becomes its length and its first byte.
class FakeEmbedder : public Embedder {
 public:
  explicit FakeEmbedder(std::string space) : space_(std::move(space)) {}
  size_t dim() const override { return 2; }
  const std::string& space() const override { return space_; }
  size_t max_tokens() const override { return 4; }
  absl::StatusOr<Embeddings> Embed(absl::Span<const absl::string_view> texts,
                                   TextKind) const override {
    Embeddings out;
    for (const absl::string_view text : texts) {
      out.vectors.push_back(static_cast<float>(text.size()));
      out.vectors.push_back(static_cast<float>(text[0]));
      out.texts.push_back({{}, text.size() > max_tokens()});
    }
    return out;
  }

 private:
  const std::string space_;
};

Options WithModel(const std::string& space) {
  auto models = std::make_shared<EmbedderMap>();
  models->Add("fake", std::make_shared<FakeEmbedder>(space));
  Options options;
  options.embedders = models;
  return options;
}

TEST_F(LocalDbTest, AnotherSpaceUnderTheSameModelNameIsRefusedByBothNames) {
  PutItem item{RecordView("a")};
  item.record.text = "text";
  {
    auto db = Open(WithModel("space one"));
    auto c = *db->CreateCollection("c", {.model = "fake"});
    EXPECT_EQ(c->Info()->options.dim, 2u);
    ASSERT_THAT(c->Put({&item, 1}), IsOk());
  }
  auto db = Open(WithModel("space two"));
  auto c = *db->OpenCollection("c");
  const auto refused = StatusIs(
      absl::StatusCode::kFailedPrecondition,
      ::testing::AllOf(HasSubstr("space one"), HasSubstr("space two")));
  EXPECT_THAT(c->Put({&item, 1}), refused);
  EXPECT_THAT(c->Search(Query::Text("text")), refused);
  EXPECT_THAT(c->Search(Query::Vector({4, 116})), IsOk());
  ASSERT_THAT(db->Close(), IsOk());
  db = Open();
  EXPECT_THAT((*db->OpenCollection("c"))->Put({&item, 1}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("Options::embedders")));
}

TEST_F(LocalDbTest, ARequestIdIsRememberedForADayAcrossReopening) {
  absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  Options options = WithModel("space");
  options.now = [&now] { return now; };
  PutItem items[2] = {PutItem{RecordView("a")}, PutItem{RecordView("b")}};
  items[0].record.text = "a long text";
  items[1].record.text = "text";
  const WriteOptions request{.request_id = "r"};
  {
    auto db = Open(options);
    auto c = *db->CreateCollection("c", {.model = "fake"});
    const auto first = c->Put(items, request);
    ASSERT_THAT(first, IsOk());
    EXPECT_FALSE(first->replayed);
    EXPECT_TRUE(first->items[0].truncated);
    EXPECT_FALSE(first->items[1].truncated);
  }
  now += absl::Hours(23);
  {
    auto db = Open(options);
    auto c = *db->OpenCollection("c");
    const auto again = c->Put(items, request);
    ASSERT_THAT(again, IsOk());
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(again->lamport, 1u);
    EXPECT_TRUE(again->items[0].truncated);
    EXPECT_EQ(again->items[1].version.seq, 2u);
    EXPECT_EQ(c->Stats()->versions, 2u);
    EXPECT_THAT(c->Delete({"a", "b"}, request),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("other content")));
    EXPECT_THAT(c->Put({items, 1}, request),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("other content")));
  }
  now += absl::Hours(2);
  auto db = Open(options);
  auto c = *db->OpenCollection("c");
  const auto forgotten = c->Put(items, request);
  ASSERT_THAT(forgotten, IsOk());
  EXPECT_FALSE(forgotten->replayed);
  EXPECT_EQ(c->Stats()->versions, 4u);
}

// The file size limit makes the write of the log fail, as a full disk does.
TEST_F(LocalDbTest, AfterAFailedWriteTheOutcomeIsUnknownAndWritesStop) {
  auto db = Open();
  auto c = *db->CreateCollection("c", {.dim = 2});
  ASSERT_THAT(PutOne(*c, "before", {1, 0}), IsOk());
  rlimit old_limit;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  rlimit limit = old_limit;
  limit.rlim_cur = 1;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto failed = PutOne(*c, "during", {1, 0});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  signal(SIGXFSZ, old_handler);
  EXPECT_EQ(failed.status().code(), absl::StatusCode::kUnknown);
  EXPECT_THAT(PutOne(*c, "after", {1, 0}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("stopped writes")));
  // Reading goes on, without what may not be there.
  EXPECT_EQ((*c->Get({"during"}))[0], std::nullopt);
  EXPECT_EQ(c->Search(Query::Vector({1, 0}))->hits.size(), 1u);
  db->Close().IgnoreError();
  db = nullptr;
  db = Open();
  c = *db->OpenCollection("c");
  EXPECT_TRUE((*c->Get({"before"}))[0].has_value());
  EXPECT_EQ((*c->Get({"after"}))[0], std::nullopt);
  EXPECT_THAT(PutOne(*c, "later", {1, 0}), IsOk());
}

TEST_F(LocalDbTest, ASearchAtAMomentEqualsOneInADatabaseOfThatState) {
  constexpr size_t kDim = 16;
  auto db = Open();
  auto c = *db->CreateCollection("c", {.dim = kDim, .bits = 2});
  constexpr int kWrites = 300;
  for (int i = 0; i < kWrites; ++i) {
    const std::string id = absl::StrCat("id", (i * 7) % 60);
    if (i % 6 == 5) {
      ASSERT_THAT(c->Delete({id}), IsOk());
    } else {
      ASSERT_THAT(
          PutOne(*c, id, testing::RandomNormal(kDim, static_cast<uint64_t>(i))),
          IsOk());
    }
  }
  const Lamport last = c->Info()->lamport;
  for (const Lamport at : {Lamport{1}, last / 3, last / 2, last}) {
    auto fresh =
        *db->CreateCollection(absl::StrCat("at", at), {.dim = kDim, .bits = 2});
    ListOptions list{.at = Moment::At(at), .page_size = 1000};
    list.fields.vector = true;
    const auto state = c->List(list);
    ASSERT_THAT(state, IsOk());
    for (const StoredRecord& record : state->records) {
      ASSERT_THAT(PutOne(*fresh, record.record.id, record.record.vector),
                  IsOk());
    }
    for (uint64_t q = 0; q < 10; ++q) {
      Query query = Query::Vector(testing::RandomNormal(kDim, 1000 + q));
      query.k = 5;
      const auto want = fresh->Search(query);
      query.at = Moment::At(at);
      const auto got = c->Search(query);
      ASSERT_THAT(want, IsOk());
      ASSERT_THAT(got, IsOk());
      EXPECT_EQ(Ids(*got), Ids(*want)) << at;
      for (size_t i = 0; i < want->hits.size(); ++i) {
        EXPECT_EQ(got->hits[i].score, want->hits[i].score);
      }
    }
  }
}

}  // namespace
}  // namespace corkscrew
