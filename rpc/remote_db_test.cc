// A remote Db over a fake one: everything asked arrives, everything answered
// comes back, and calls end as client.h says.

#include "rpc/remote_db.h"

#include <atomic>
#include <cmath>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/testing.h"
#include "corkscrew/client.h"
#include "corkscrew/limits.h"
#include "corkscrew/server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/fake_db.h"
#include "rpc/limits.h"

namespace corkscrew {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::FakeCollection;
using testing::FakeDb;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::Not;
using testing::StatusIs;

constexpr char kToken[] = "test-token-0123456789";

// A fake database behind a node, and a client of that node.
class RemoteDbTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = Serve(fake_, {.token = kToken});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    auto db = Connect(server_->address(), {.token = kToken});
    ASSERT_THAT(db, IsOk());
    db_ = *std::move(db);
    auto docs = db_->CreateCollection("docs", {.dim = 3});
    ASSERT_THAT(docs, IsOk());
    docs_ = *std::move(docs);
    behind_ = *fake_.Find("docs");
  }

  // Makes the collection answer `change` of its defaults.
  template <typename Change>
  void Answer(Change change) {
    FakeCollection::Answers answers = behind_->answers();
    change(&answers);
    behind_->Answer(std::move(answers));
  }

  FakeDb fake_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Db> db_;
  std::shared_ptr<Collection> docs_;
  std::shared_ptr<FakeCollection> behind_;
};

Version SomeVersion(uint64_t seq) {
  Version version{.lamport = 7, .incarnation = ~uint64_t{0}, .seq = seq};
  version.replica.bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0, 0, 255};
  return version;
}

Metadata SomeMetadata() {
  return {{"b", true},
          {"i", int64_t{-9223372036854775807 - 1}},
          {"d", -0.5},
          {"s", std::string("caf\xC3\xA9")},
          {"l", std::vector<std::string>{"x", "", "y"}},
          {"none", std::vector<std::string>{}}};
}

StoredRecord SomeRecord(std::string id) {
  return {.record = {std::move(id), {1.5f, -2, 0}, "text", SomeMetadata()},
          .version = SomeVersion(3),
          .wall_ms = 1'700'000'000'123};
}

// Records compare by parts.
void ExpectEqual(const StoredRecord& got, const StoredRecord& want) {
  EXPECT_EQ(got.record.id, want.record.id);
  EXPECT_EQ(got.record.vector, want.record.vector);
  EXPECT_EQ(got.record.text, want.record.text);
  EXPECT_EQ(got.record.metadata, want.record.metadata);
  EXPECT_EQ(got.version, want.version);
  EXPECT_EQ(got.wall_ms, want.wall_ms);
  EXPECT_EQ(got.deleted, want.deleted);
}

TEST_F(RemoteDbTest, AllOfAPutArrives) {
  const Metadata metadata = SomeMetadata();
  const std::vector<float> vector = {1, NAN, -INFINITY};
  std::vector<PutItem> items(2);
  items[0].record.id = "a";
  items[0].record.vector = vector;
  items[0].record.metadata = &metadata;
  items[1].record.id = "";
  items[1].record.text = "words";
  items[1].if_version = SomeVersion(9);
  const WriteOptions options = {.request_id = "r",
                                .durability = Durability::kRelaxed,
                                .ack = Ack::kQuorum,
                                .skip_invalid = true,
                                .skip_unchanged = true,
                                .space = "s"};
  Answer([](auto* answers) {
    answers->put.lamport = 12;
    answers->put.replayed = true;
    answers->put.items.resize(2);
    answers->put.items[0] = {.version = SomeVersion(1), .truncated = true};
    answers->put.items[1] = {.status = absl::InvalidArgumentError("no id"),
                             .unchanged = true};
  });

  const auto reply = docs_->Put(items, options);
  ASSERT_THAT(reply, IsOk());
  const FakeCollection::Asked asked = behind_->asked();
  ASSERT_EQ(asked.items.size(), 2u);
  EXPECT_EQ(asked.items[0].record.id, "a");
  ASSERT_EQ(asked.items[0].record.vector.size(), 3u);
  EXPECT_TRUE(std::isnan(asked.items[0].record.vector[1]));
  EXPECT_EQ(asked.items[0].record.metadata, metadata);
  EXPECT_FALSE(asked.items[0].if_version.has_value());
  EXPECT_EQ(asked.items[1].record.text, "words");
  EXPECT_EQ(asked.items[1].if_version, SomeVersion(9));
  EXPECT_EQ(asked.write.request_id, "r");
  EXPECT_EQ(asked.write.durability, Durability::kRelaxed);
  EXPECT_EQ(asked.write.ack, Ack::kQuorum);
  EXPECT_TRUE(asked.write.skip_invalid);
  EXPECT_TRUE(asked.write.skip_unchanged);
  EXPECT_EQ(asked.write.space, "s");

  EXPECT_EQ(reply->lamport, 12u);
  EXPECT_TRUE(reply->replayed);
  ASSERT_EQ(reply->items.size(), 2u);
  EXPECT_EQ(reply->items[0].version, SomeVersion(1));
  EXPECT_TRUE(reply->items[0].truncated);
  EXPECT_EQ(reply->items[1].status, absl::InvalidArgumentError("no id"));
  EXPECT_TRUE(reply->items[1].unchanged);
}

TEST_F(RemoteDbTest, TextThatIsNotUtf8IsRefusedByIndex) {
  const Metadata bad_key = {{"\xFF", true}};
  const Metadata bad_value = {{"k", std::vector<std::string>{"\xC0\x80"}}};
  for (int kind = 0; kind < 4; ++kind) {
    std::vector<PutItem> items(2);
    items[0].record.id = "good";
    items[1].record.id = kind == 0 ? "\xED\xA0\x80" : "b";
    items[1].record.text = kind == 1 ? "\xFF" : "";
    if (kind >= 2) {
      items[1].record.metadata = kind == 2 ? &bad_key : &bad_value;
    }
    EXPECT_THAT(docs_->Put(items),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("collection \"docs\""),
                               HasSubstr("item 1"), HasSubstr("UTF-8"))));
    EXPECT_EQ(behind_->asked().calls, 0u);
  }
  const absl::string_view ids[] = {"a", "\xFF"};
  EXPECT_THAT(docs_->Delete(ids), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("item 1")));
  EXPECT_THAT(docs_->Get(ids), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("item 1")));
  EXPECT_THAT(docs_->Search(Query::Text("\xFF")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("UTF-8")));
  EXPECT_THAT(docs_->Count(Filter::Exists("\xFF")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("UTF-8")));
  EXPECT_THAT(db_->CreateCollection("\xFF", {.dim = 1}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("UTF-8")));
}

TEST_F(RemoteDbTest, SkipInvalidReportsTextThatIsNotUtf8AmongTheOthers) {
  std::vector<PutItem> items(3);
  items[0].record.id = "\xFF";
  items[1].record.id = "good";
  items[2].record.id = "\xFF";
  Answer([](auto* answers) {
    answers->put.lamport = 5;
    answers->put.items.resize(1);
    answers->put.items[0].version = SomeVersion(1);
  });
  auto reply = docs_->Put(items, {.skip_invalid = true});
  ASSERT_THAT(reply, IsOk());
  ASSERT_EQ(reply->items.size(), 3u);
  EXPECT_THAT(
      reply->items[0].status,
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("item 0")));
  EXPECT_EQ(reply->items[1].version, SomeVersion(1));
  EXPECT_THAT(
      reply->items[2].status,
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("item 2")));

  // None is left to send: the collection's time is all there is to say.
  Answer([](auto* answers) { answers->info.lamport = 5; });
  reply = docs_->Put({&items[0], 1}, {.skip_invalid = true});
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->lamport, 5u);
  EXPECT_EQ(reply->items.size(), 1u);
  // No items at all is the database's to refuse.
  Answer([](auto* answers) {
    answers->status = absl::InvalidArgumentError("no items");
  });
  EXPECT_THAT(docs_->Put({}, {.skip_invalid = true}),
              StatusIs(absl::StatusCode::kInvalidArgument, "no items"));
}

TEST_F(RemoteDbTest, AllOfADeleteAndAGetArrives) {
  Answer([](auto* answers) {
    answers->deleted = {
        .lamport = 4, .deleted = {true, false}, .replayed = true};
    answers->get = {std::nullopt, SomeRecord("b")};
  });
  const absl::string_view ids[] = {"a", "b"};
  const auto deleted = docs_->Delete(ids, {.request_id = "d"});
  ASSERT_THAT(deleted, IsOk());
  EXPECT_EQ(deleted->lamport, 4u);
  EXPECT_THAT(deleted->deleted, ElementsAre(true, false));
  EXPECT_TRUE(deleted->replayed);
  EXPECT_EQ(behind_->asked().write.request_id, "d");
  EXPECT_THAT(behind_->asked().ids, ElementsAre("a", "b"));

  const auto got =
      docs_->Get(ids, {.vector = true, .text = false}, Moment::At(3));
  ASSERT_THAT(got, IsOk());
  ASSERT_EQ(got->size(), 2u);
  EXPECT_FALSE((*got)[0].has_value());
  ExpectEqual(*(*got)[1], SomeRecord("b"));
  EXPECT_EQ(behind_->asked().at, Moment::At(3));
  EXPECT_TRUE(behind_->asked().fields.vector);
  EXPECT_FALSE(behind_->asked().fields.text);
  EXPECT_TRUE(behind_->asked().fields.metadata);
}

TEST_F(RemoteDbTest, AllOfASearchArrives) {
  SearchReply answer;
  answer.hits = {{.id = "a",
                  .score = 0.1f,
                  .version = SomeVersion(2),
                  .vector = {1, 2},
                  .text = "t",
                  .metadata = SomeMetadata()},
                 {.id = "b"}};
  answer.coverage = {.shards = 4, .answered = 3};
  answer.at = 11;
  answer.stable = 10;
  answer.truncated = true;
  Answer([&](auto* answers) { answers->search = {answer, SearchReply()}; });

  Query query = Query::Vector({1, 2, 3});
  query.k = 0;
  query.filter = Filter::And(
      {Filter::All(), Filter::Or({}), Filter::Not(Filter::Exists("e")),
       Filter::In("i", {int64_t{1}, 2.0, true, std::string("s")}),
       Filter::Compare(Filter::Op::kContains, "c", std::string("x"))});
  query.at = Moment::AtTag("v1");
  query.min_score = -1.0f;
  query.exact = true;
  query.oversample = 2.5f;
  query.fields = {.vector = true, .text = false, .metadata = false};
  query.space = "space";

  const auto reply = docs_->Search(query);
  ASSERT_THAT(reply, IsOk());
  ASSERT_EQ(behind_->asked().queries.size(), 1u);
  const Query asked = behind_->asked().queries[0];
  EXPECT_EQ(std::get<std::vector<float>>(asked.target),
            std::get<std::vector<float>>(query.target));
  EXPECT_EQ(asked.k, query.k);
  EXPECT_EQ(asked.filter, query.filter);
  EXPECT_EQ(asked.at, query.at);
  EXPECT_EQ(asked.min_score, query.min_score);
  EXPECT_TRUE(asked.exact);
  EXPECT_EQ(asked.oversample, query.oversample);
  EXPECT_TRUE(asked.fields.vector);
  EXPECT_FALSE(asked.fields.text);
  EXPECT_FALSE(asked.fields.metadata);
  EXPECT_EQ(asked.space, "space");

  ASSERT_EQ(reply->hits.size(), 2u);
  EXPECT_EQ(reply->hits[0].id, "a");
  EXPECT_EQ(reply->hits[0].score, 0.1f);
  EXPECT_EQ(reply->hits[0].version, SomeVersion(2));
  EXPECT_EQ(reply->hits[0].vector, answer.hits[0].vector);
  EXPECT_EQ(reply->hits[0].text, "t");
  EXPECT_EQ(reply->hits[0].metadata, SomeMetadata());
  EXPECT_EQ(reply->coverage.shards, 4u);
  EXPECT_EQ(reply->coverage.answered, 3u);
  EXPECT_EQ(reply->at, 11u);
  EXPECT_EQ(reply->stable, 10u);
  EXPECT_TRUE(reply->truncated);

  const std::vector<Query> queries = {Query::Text("words"), Query::Like("id")};
  const auto replies = docs_->SearchBatch(queries);
  ASSERT_THAT(replies, IsOk());
  EXPECT_EQ(replies->size(), 2u);
  EXPECT_EQ(std::get<std::string>(behind_->asked().queries[0].target), "words");
  EXPECT_EQ(std::get<Query::LikeId>(behind_->asked().queries[1].target).id,
            "id");
}

TEST_F(RemoteDbTest, AllOfListHistoryCountAndStatsArrives) {
  StoredRecord tombstone;
  tombstone.record.id = "gone";
  tombstone.version = SomeVersion(8);
  tombstone.deleted = true;
  CollectionStats sizes;
  sizes.info = behind_->answers().info;
  sizes.versions = 1;
  sizes.tombstones = 2;
  sizes.index_bytes = 3;
  sizes.rescore_bytes = 4;
  Answer([&](auto* answers) {
    answers->list = {
        .records = {SomeRecord("a")}, .next_page_token = "next", .at = 9};
    answers->history = {.versions = {tombstone, SomeRecord("gone")},
                        .next_page_token = "older"};
    answers->count = 123;
    answers->stats = sizes;
  });
  const auto list = docs_->List({.filter = Filter::Eq("k", int64_t{1}),
                                 .at = Moment::AtTime(absl::FromUnixMillis(-1)),
                                 .fields = {.vector = true},
                                 .page_size = 1,
                                 .page_token = "token"});
  ASSERT_THAT(list, IsOk());
  EXPECT_EQ(behind_->asked().list.filter, Filter::Eq("k", int64_t{1}));
  EXPECT_EQ(behind_->asked().list.at, Moment::AtTime(absl::FromUnixMillis(-1)));
  EXPECT_EQ(behind_->asked().list.page_token, "token");
  EXPECT_TRUE(behind_->asked().list.fields.vector);
  ASSERT_EQ(list->records.size(), 1u);
  ExpectEqual(list->records[0], SomeRecord("a"));
  EXPECT_EQ(list->next_page_token, "next");
  EXPECT_EQ(list->at, 9u);

  const auto history = docs_->History("gone", {.page_size = 2});
  ASSERT_THAT(history, IsOk());
  EXPECT_THAT(behind_->asked().ids, ElementsAre("gone"));
  ASSERT_EQ(history->versions.size(), 2u);
  ExpectEqual(history->versions[0], tombstone);
  EXPECT_EQ(history->next_page_token, "older");

  const auto count = docs_->Count(Filter::Exists("k"), Moment::At(4));
  ASSERT_THAT(count, IsOk());
  EXPECT_EQ(*count, 123u);
  EXPECT_EQ(behind_->asked().filter, Filter::Exists("k"));
  EXPECT_EQ(behind_->asked().at, Moment::At(4));

  const auto stats = docs_->Stats();
  ASSERT_THAT(stats, IsOk());
  EXPECT_EQ(stats->versions, 1u);
  EXPECT_EQ(stats->tombstones, 2u);
  EXPECT_EQ(stats->index_bytes, 3u);
  EXPECT_EQ(stats->rescore_bytes, 4u);
  EXPECT_EQ(stats->info.name, "docs");

  fake_.set_stats({.state = DbState::kLowSpace,
                   .state_reason = "full",
                   .uuid = SomeVersion(1).replica,
                   .replica = {{9}},
                   .incarnation = 1,
                   .format_version = 2,
                   .collections = {sizes},
                   .memory = {.block_cache = 3,
                              .memtables = 4,
                              .index = 6,
                              .rescore = 7,
                              .queues = 8,
                              .mapped = 10},
                   .disk_bytes = 5,
                   .recovery_dropped_bytes = 9});
  const auto all = db_->Stats();
  ASSERT_THAT(all, IsOk());
  EXPECT_EQ(all->uuid, SomeVersion(1).replica);
  EXPECT_EQ(all->replica.bytes[0], 9);
  EXPECT_EQ(all->incarnation, 1u);
  EXPECT_EQ(all->format_version, 2u);
  ASSERT_EQ(all->collections.size(), 1u);
  EXPECT_EQ(all->collections[0].info.name, "docs");
  EXPECT_EQ(all->state, DbState::kLowSpace);
  EXPECT_EQ(all->state_reason, "full");
  EXPECT_EQ(all->memory.block_cache, 3u);
  EXPECT_EQ(all->memory.memtables, 4u);
  EXPECT_EQ(all->memory.index, 6u);
  EXPECT_EQ(all->memory.rescore, 7u);
  EXPECT_EQ(all->memory.queues, 8u);
  EXPECT_EQ(all->memory.mapped, 10u);
  EXPECT_EQ(all->disk_bytes, 5u);
  EXPECT_EQ(all->recovery_dropped_bytes, 9u);
}

TEST_F(RemoteDbTest, CollectionsAreCreatedOpenedListedAndDropped) {
  const CollectionOptions options = {.model = "m",
                                     .dim = size_t{1} << 40,
                                     .metric = Metric::kL2,
                                     .bits = 0,
                                     .originals = Originals::kCodesOnly,
                                     .seed = ~uint64_t{0},
                                     .shards = 7};
  auto created = db_->CreateCollection("more", options);
  ASSERT_THAT(created, IsOk());
  const auto info = (*created)->Info();
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->name, "more");
  EXPECT_EQ(info->options.model, "m");
  EXPECT_EQ(info->options.dim, options.dim);
  EXPECT_EQ(info->options.metric, Metric::kL2);
  EXPECT_EQ(info->options.bits, 0);
  EXPECT_EQ(info->options.originals, Originals::kCodesOnly);
  EXPECT_EQ(info->options.seed, options.seed);
  EXPECT_EQ(info->options.shards, 7u);

  EXPECT_THAT(db_->CreateCollection("more", options),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("exists")));
  EXPECT_THAT(db_->OpenCollection("more"), IsOk());
  EXPECT_THAT(db_->OpenCollection("less"),
              StatusIs(absl::StatusCode::kNotFound,
                       "collection \"less\": no such collection"));
  auto list = db_->ListCollections();
  ASSERT_THAT(list, IsOk());
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ((*list)[0].name, "docs");
  EXPECT_EQ((*list)[1].name, "more");
  EXPECT_THAT(db_->DropCollection("more"), IsOk());
  EXPECT_THAT(db_->DropCollection("more"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("more")));
  EXPECT_THAT((*created)->Info(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("more")));
}

TEST_F(RemoteDbTest, AnUnknownEnumeratorIsInvalidAndNotTheDefault) {
  EXPECT_THAT(
      db_->CreateCollection("c", {.dim = 1, .metric = static_cast<Metric>(0)}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("metric")));
  EXPECT_THAT(
      db_->CreateCollection("c",
                            {.dim = 1, .originals = static_cast<Originals>(9)}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("originals")));
  PutItem item{RecordView("a")};
  EXPECT_THAT(docs_->Put({&item, 1}, {.ack = static_cast<Ack>(17)}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ack")));
}

TEST_F(RemoteDbTest, ListCollectionsSeesMoreThanOnePage) {
  constexpr size_t kCount = kMaxPageSize + 3;
  for (size_t i = 1; i < kCount; ++i) {
    ASSERT_THAT(fake_.CreateCollection(absl::StrCat("n", i), {}, {}), IsOk());
  }
  const auto list = db_->ListCollections();
  ASSERT_THAT(list, IsOk());
  EXPECT_EQ(list->size(), kCount);
  for (size_t i = 1; i < list->size(); ++i) {
    EXPECT_LT((*list)[i - 1].name, (*list)[i].name);
  }
}

TEST_F(RemoteDbTest, AHandleDoesNotReachAnotherCollectionOfItsName) {
  ASSERT_THAT(db_->DropCollection("docs"), IsOk());
  ASSERT_THAT(db_->CreateCollection("docs", {.dim = 4}), IsOk());
  EXPECT_THAT(docs_->Count(),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("docs"), HasSubstr("dropped"))));
  PutItem item{RecordView("a")};
  EXPECT_THAT(docs_->Put({&item, 1}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("dropped")));
}

TEST_F(RemoteDbTest, ErrorsOfTheDatabaseComeBackAsTheyAre) {
  PutItem item{RecordView("a")};
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(
        static_cast<absl::StatusCode>(code),
        "collection \"docs\": item 3: 2, want 3 \xE2\x82\xAC");
    Answer([&](auto* answers) { answers->status = status; });
    EXPECT_EQ(docs_->Put({&item, 1}).status(), status);
    EXPECT_EQ(docs_->Search(Query::Text("x")).status(), status);
  }
}

TEST_F(RemoteDbTest, AFilterBeyondItsLimitsIsInvalid) {
  Filter deep = Filter::Exists("k");
  for (size_t i = 1; i < kMaxFilterDepth; ++i) deep = Filter::Not(deep);
  EXPECT_THAT(docs_->Count(deep), IsOk());
  EXPECT_EQ(behind_->asked().filter, deep);
  for (int i = 0; i < 2000; ++i) deep = Filter::Not(std::move(deep));
  EXPECT_THAT(docs_->Count(deep), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("levels")));

  Filter wide =
      Filter::Or(std::vector<Filter>(kMaxFilterNodes - 1, Filter::Exists("k")));
  EXPECT_THAT(docs_->Count(wide), IsOk());
  wide.children.push_back(Filter::All());
  EXPECT_THAT(docs_->Count(wide),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nodes")));
}

TEST_F(RemoteDbTest, APutOfTheLargestSizePassesAndALargerOneDoesNot) {
  const std::string text(kMaxTextBytes, 'x');
  std::vector<PutItem> items(16);
  for (PutItem& item : items) item.record.text = text;
  EXPECT_THAT(docs_->Put(items), Not(IsOk()));  // The fake has no outcomes.
  EXPECT_EQ(behind_->asked().items.size(), 16u);
  items.resize(20, items[0]);
  EXPECT_THAT(docs_->Put(items),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("20971"), HasSubstr("20971520"))));
}

TEST_F(RemoteDbTest, AReplyThatIsTooLargeSaysWhatToDo) {
  Answer([](auto* answers) {
    StoredRecord record;
    record.record.text.assign(kMaxTextBytes, 'x');
    answers->get.assign(17, record);
  });
  const std::vector<absl::string_view> ids(17, "a");
  EXPECT_THAT(docs_->Get(ids), StatusIs(absl::StatusCode::kResourceExhausted,
                                        HasSubstr("fewer ids")));
}

TEST_F(RemoteDbTest, PagesAreCutToTheSizeOfAReply) {
  // 100 records of 1 MiB, by number; a token is the next number.
  Answer([](auto* answers) {
    answers->page = [](const ListOptions& options) {
      ListReply reply;
      size_t next =
          options.page_token.empty() ? 0 : std::stoul(options.page_token);
      for (size_t i = 0; i < options.page_size && next < 100; ++i, ++next) {
        reply.records.push_back(SomeRecord(absl::StrCat(next)));
        reply.records.back().record.text.assign(kMaxTextBytes, 'x');
      }
      if (next < 100) reply.next_page_token = absl::StrCat(next);
      return reply;
    };
  });
  ListOptions options = {.page_size = 1000};
  size_t seen = 0;
  do {
    const auto page = docs_->List(options);
    ASSERT_THAT(page, IsOk());
    ASSERT_FALSE(page->records.empty());
    EXPECT_LT(page->records.size(), 16u);
    for (const StoredRecord& record : page->records) {
      EXPECT_EQ(record.record.id, absl::StrCat(seen++));
    }
    options.page_token = page->next_page_token;
  } while (!options.page_token.empty());
  EXPECT_EQ(seen, 100u);
}

TEST_F(RemoteDbTest, SmallRecordsFillThePageThatWasAskedFor) {
  Answer([](auto* answers) {
    answers->page = [](const ListOptions& options) {
      ListReply reply;
      size_t next =
          options.page_token.empty() ? 0 : std::stoul(options.page_token);
      for (size_t i = 0; i < options.page_size && next < 2500; ++i, ++next) {
        reply.records.push_back(SomeRecord(absl::StrCat(next)));
      }
      if (next < 2500) reply.next_page_token = absl::StrCat(next);
      return reply;
    };
  });
  for (const size_t size : {1, 7, 8, 9, 100, 1000}) {
    const auto page = docs_->List({.page_size = size});
    ASSERT_THAT(page, IsOk());
    EXPECT_EQ(page->records.size(), size);
    EXPECT_EQ(page->next_page_token, absl::StrCat(size));
  }
}

TEST_F(RemoteDbTest, AnInvalidPageSizeReachesTheDatabase) {
  for (const size_t size : {size_t{0}, kMaxPageSize + 1, ~size_t{0}}) {
    EXPECT_THAT(docs_->List({.page_size = size}), IsOk());
    EXPECT_EQ(behind_->asked().list.page_size, size);
    EXPECT_THAT(docs_->History("a", {.page_size = size}), IsOk());
    EXPECT_EQ(behind_->asked().history.page_size, size);
  }
}

TEST_F(RemoteDbTest, ADeadlineThatHasPassedSendsNothing) {
  const CallOptions late = {.deadline = absl::Now() - absl::Seconds(1)};
  PutItem item{RecordView("a")};
  EXPECT_THAT(docs_->Put({&item, 1}, {}, late),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       HasSubstr("nothing was sent")));
  EXPECT_EQ(behind_->asked().calls, 0u);
}

TEST_F(RemoteDbTest, TheDeadlineReachesTheNodeAndIsCapped) {
  const absl::Time soon = absl::Now() + absl::Seconds(20);
  EXPECT_THAT(docs_->Count({}, std::nullopt, {.deadline = soon}), IsOk());
  EXPECT_GT(behind_->asked().call.deadline, soon - absl::Seconds(10));
  EXPECT_LT(behind_->asked().call.deadline, soon + absl::Seconds(10));
  EXPECT_THAT(docs_->Count({}, std::nullopt,
                           {.deadline = absl::Now() + absl::Hours(1)}),
              IsOk());
  EXPECT_LT(behind_->asked().call.deadline,
            absl::Now() + ServerOptions().max_deadline);
  EXPECT_THAT(docs_->Count(), IsOk());  // ClientOptions::timeout.
  EXPECT_LT(behind_->asked().call.deadline, absl::Now() + absl::Seconds(31));
}

// Blocks calls of the fake until they are cancelled or the test opens it.
struct Gate {
  std::atomic<int> inside{0};
  std::atomic<bool> open{false};
  std::atomic<int> cancelled{0};

  absl::Status Pass(const CallOptions& call) {
    ++inside;
    while (!open.load()) {
      if (call.cancelled()) {
        ++cancelled;
        return absl::CancelledError("cancelled");
      }
      std::this_thread::yield();
    }
    return absl::OkStatus();
  }
  void AwaitInside(int count) {
    while (inside.load() < count) std::this_thread::yield();
  }
};

TEST_F(RemoteDbTest, CancellingEndsTheCallHereAndOnTheNode) {
  Gate gate;
  Answer([&](auto* answers) {
    answers->during = [&](const CallOptions& call) { return gate.Pass(call); };
  });
  // True once the call is inside the node.
  const CallOptions call = {
      .cancelled = [&] { return gate.inside.load() > 0; }};
  EXPECT_THAT(docs_->Count({}, std::nullopt, call),
              StatusIs(absl::StatusCode::kCancelled,
                       Not(HasSubstr("outcome is unknown"))));
  while (gate.cancelled.load() < 1) std::this_thread::yield();

  PutItem item{RecordView("a")};
  EXPECT_THAT(
      docs_->Put({&item, 1}, {},
                 {.cancelled = [&] { return gate.inside.load() > 1; }}),
      StatusIs(absl::StatusCode::kCancelled, HasSubstr("outcome is unknown")));
  while (gate.cancelled.load() < 2) std::this_thread::yield();
}

TEST_F(RemoteDbTest, ADeadlineEndsTheCallHereAndOnTheNode) {
  Gate gate;
  Answer([&](auto* answers) {
    answers->during = [&](const CallOptions& call) { return gate.Pass(call); };
  });
  PutItem item{RecordView("a")};
  EXPECT_THAT(docs_->Put({&item, 1}, {},
                         {.deadline = absl::Now() + absl::Milliseconds(50)}),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       AllOf(HasSubstr("collection \"docs\": Put"),
                             HasSubstr("outcome is unknown"))));
  // The node may still be inside the gate; it is not when it has gone.
  server_.reset();
}

TEST_F(RemoteDbTest, AWriteThatLostItsNodeSaysThatItsOutcomeIsUnknown) {
  Gate gate;
  Answer([&](auto* answers) {
    answers->during = [&](const CallOptions& call) { return gate.Pass(call); };
  });
  absl::Status status;
  std::thread writer([&] {
    PutItem item{RecordView("a")};
    status = docs_->Put({&item, 1}).status();
  });
  gate.AwaitInside(1);
  server_->Drain(absl::Now());
  writer.join();
  EXPECT_THAT(status, AnyOf(StatusIs(absl::StatusCode::kUnavailable,
                                     HasSubstr("outcome is unknown")),
                            StatusIs(absl::StatusCode::kCancelled,
                                     HasSubstr("outcome is unknown"))));
}

TEST_F(RemoteDbTest, AWriteToAnAbsentNodeSaysThatNothingWasWritten) {
  server_.reset();
  PutItem item{RecordView("a")};
  // The first call may still find the connection being closed.
  (void)docs_->Count();
  EXPECT_THAT(docs_->Put({&item, 1}),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("nothing was written")));
  EXPECT_THAT(docs_->Count(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("node")));
}

TEST_F(RemoteDbTest, ClosingWaitsForCallsAndRefusesLaterOnes) {
  Gate gate;
  Answer([&](auto* answers) {
    answers->during = [&](const CallOptions& call) { return gate.Pass(call); };
  });
  absl::Status counted = absl::UnknownError("not yet");
  std::thread reader([&] { counted = docs_->Count().status(); });
  gate.AwaitInside(1);
  std::thread closer([&] { EXPECT_THAT(db_->Close(), IsOk()); });
  gate.open.store(true);
  closer.join();
  reader.join();
  EXPECT_THAT(counted, IsOk());
  EXPECT_THAT(docs_->Count(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                       HasSubstr("closed")));
  EXPECT_THAT(db_->Stats(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                     HasSubstr("closed")));
  EXPECT_THAT(db_->Close(), IsOk());
  db_.reset();
  EXPECT_THAT(docs_->Info(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                      HasSubstr("closed")));
}

TEST_F(RemoteDbTest, ManyThreadsShareOneConnection) {
  Answer([](auto* answers) { answers->count = 42; });
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const auto count = docs_->Count();
        if (count.ok() && *count == 42) ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right.load(), 400);
}

TEST(ConnectTest, WrongTokensAreUnauthenticated) {
  FakeDb fake;
  auto server = Serve(fake, {.token = kToken});
  ASSERT_THAT(server, IsOk());
  for (const char* token :
       {"", "short", "test-token-0123456788", "test-token-0123456789 "}) {
    EXPECT_THAT(
        Connect((*server)->address(), {.token = token}),
        StatusIs(absl::StatusCode::kUnauthenticated,
                 AllOf(HasSubstr("token"), Not(HasSubstr("test-token")))))
        << token;
  }
}

TEST(ConnectTest, AddressesOffTheMachineAreRefused) {
  EXPECT_THAT(
      Connect("192.0.2.1:80", {.token = kToken}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("loopback")));
  EXPECT_THAT(
      Connect("127.0.0.1:0", {.token = kToken}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("port 0")));
}

TEST(ConnectTest, AnAbsentNodeIsUnavailable) {
  FakeDb fake;
  auto server = Serve(fake, {.token = kToken});
  ASSERT_THAT(server, IsOk());
  const std::string address = (*server)->address();
  server->reset();
  EXPECT_THAT(Connect(address, {.token = kToken}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(address)));
}

}  // namespace
}  // namespace corkscrew
