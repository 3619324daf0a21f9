// Moments, tags, retention and purge, for every kind of Db.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/testing.h"
#include "corkscrew/db.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/harness.h"

namespace corkscrew::testing {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class HistoryTest : public ConformanceTest {};

// The ids that are live at a moment, as every kind of read tells it.
std::vector<std::string> IdsAt(Collection& collection, const Moment& at) {
  ListOptions options;
  options.at = at;
  const auto listed = collection.List(options);
  EXPECT_THAT(listed, IsOk());
  if (!listed.ok()) return {};
  std::vector<std::string> ids = Ids(*listed);
  Query query = Query::Vector({1, 0});
  query.at = at;
  const auto found = collection.Search(query);
  EXPECT_THAT(found, IsOk());
  EXPECT_EQ(found->hits.size(), ids.size());
  EXPECT_EQ(found->at, listed->at);
  EXPECT_EQ(*collection.Count({}, at), ids.size());
  const std::vector<absl::string_view> views(ids.begin(), ids.end());
  const auto got = collection.Get(views, {}, at);
  EXPECT_THAT(got, IsOk());
  for (const auto& record : *got) EXPECT_TRUE(record.has_value());
  return ids;
}

TEST_P(HistoryTest, EveryReadTakesATagOrATime) {
  auto points = Vectors("points", 2);
  ASSERT_THAT(PutVector(*points, "a", {1, 0}), IsOk());
  const auto tag = points->CreateTag("one");
  ASSERT_THAT(tag, IsOk());
  EXPECT_EQ(tag->name, "one");
  EXPECT_EQ(tag->lamport, 1u);
  ASSERT_THAT(PutVector(*points, "b", {1, 0}), IsOk());
  EXPECT_THAT(IdsAt(*points, Moment::AtTag("one")), ElementsAre("a"));
  EXPECT_THAT(IdsAt(*points, Moment::At(0)), IsEmpty());
  EXPECT_THAT(IdsAt(*points, Moment::AtTime(absl::UnixEpoch())), IsEmpty());
  EXPECT_THAT(IdsAt(*points, Moment::AtTime(absl::Now() + absl::Hours(1))),
              ElementsAre("a", "b"));
  Restart();
  points = *db().OpenCollection("points");
  EXPECT_THAT(IdsAt(*points, Moment::AtTag("one")), ElementsAre("a"));
}

TEST_P(HistoryTest, TagsAreListedByNameAndForgotten) {
  auto points = Vectors("points", 2);
  EXPECT_THAT(*points->ListTags(), IsEmpty());
  ASSERT_THAT(PutVector(*points, "a", {1, 0}), IsOk());
  ASSERT_THAT(points->CreateTag("b", Moment::At(0)), IsOk());
  ASSERT_THAT(points->CreateTag("a", Moment::AtTag("b")), IsOk());
  const auto tags = points->ListTags();
  ASSERT_THAT(tags, IsOk());
  ASSERT_EQ(tags->size(), 2u);
  EXPECT_EQ((*tags)[0].name, "a");
  EXPECT_EQ((*tags)[1].name, "b");
  EXPECT_EQ((*tags)[1].lamport, 0u);
  EXPECT_GT((*tags)[1].wall_ms, 0);
  ASSERT_THAT(points->DeleteTag("b"), IsOk());
  EXPECT_THAT(
      points->DeleteTag("b"),
      StatusIs(absl::StatusCode::kNotFound,
               HasSubstr("collection \"points\": there is no tag \"b\"")));
  EXPECT_THAT(points->Count({}, Moment::AtTag("b")),
              StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_THAT(points->CreateTag("a"),
              StatusIs(absl::StatusCode::kAlreadyExists, _));
  EXPECT_THAT(points->CreateTag("c", Moment::At(2)),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
  EXPECT_THAT(points->CreateTag(""),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
  EXPECT_THAT(points->CreateTag("\xff"),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
}

TEST_P(HistoryTest, RetentionRemovesOldVersionsAndRaisesTheFloor) {
  auto points = Vectors("points", 2);
  for (int i = 0; i < 4; ++i) {
    ASSERT_THAT(PutVector(*points, "a", {1, static_cast<float>(i)}), IsOk());
  }
  ASSERT_THAT(points->CreateTag("one", Moment::At(1)), IsOk());
  EXPECT_EQ(*points->GetRetention(), Retention{});
  EXPECT_EQ(points->ApplyRetention()->removed, 0u);
  const Retention rules{.keep_versions = 2, .keep_for = absl::Hours(24)};
  ASSERT_THAT(points->SetRetention(rules), IsOk());
  EXPECT_EQ(*points->GetRetention(), rules);
  const auto reply = points->ApplyRetention();
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->removed, 1u);  // The first one has a tag.
  EXPECT_EQ(reply->floor, 3u);
  EXPECT_EQ(points->Info()->floor, 3u);
  EXPECT_EQ(points->History("a")->versions.size(), 3u);
  EXPECT_THAT(points->Count({}, Moment::At(2)),
              StatusIs(absl::StatusCode::kOutOfRange,
                       HasSubstr("below the retention floor, 3")));
  EXPECT_THAT(IdsAt(*points, Moment::AtTag("one")), ElementsAre("a"));
  EXPECT_THAT(points->SetRetention({.keep_for = -absl::Seconds(1)}),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
  Restart();
  points = *db().OpenCollection("points");
  EXPECT_EQ(*points->GetRetention(), rules);
  EXPECT_EQ(points->Info()->floor, 3u);
}

TEST_P(HistoryTest, WhatIsPurgedIsNeverSeenAgain) {
  auto points = Vectors("points", 2);
  ASSERT_THAT(PutVector(*points, "a", {1, 0}), IsOk());
  ASSERT_THAT(PutVector(*points, "a", {1, 1}), IsOk());
  ASSERT_THAT(PutVector(*points, "b", {1, 0}), IsOk());
  const auto reply = points->Purge({"a"});
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->lamport, 4u);
  EXPECT_EQ(reply->purged, 2u);
  for (const Lamport at : {1, 2, 3, 4}) {
    const auto got = points->Get({"a"}, {}, Moment::At(at));
    ASSERT_THAT(got, IsOk());
    EXPECT_FALSE((*got)[0].has_value());
  }
  EXPECT_THAT(IdsAt(*points, Moment::At(2)), IsEmpty());
  EXPECT_THAT(IdsAt(*points, Moment::At(4)), ElementsAre("b"));
  EXPECT_THAT(points->Purge({}),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
  ASSERT_THAT(PutVector(*points, "a", {1, 0}), IsOk());
  EXPECT_THAT(IdsAt(*points, Moment::At(5)), ElementsAre("a", "b"));
}

TEST_P(HistoryTest, DeletedAndExpiredRecordsAreListedWhenAskedFor) {
  auto points = Vectors("points", 2);
  const std::vector<float> vector = {1, 0};
  ASSERT_THAT(PutVector(*points, "a", vector, {{"k", true}}), IsOk());
  ASSERT_THAT(PutVector(*points, "b", vector, {{"k", true}}), IsOk());
  ASSERT_THAT(DeleteId(*points, "b"), IsOk());
  PutItem item{RecordView("c")};
  item.record.vector = vector;
  item.record.expires_ms = 1;
  ASSERT_THAT(points->Put({&item, 1}), IsOk());
  ASSERT_THAT(PutVector(*points, "d", vector), IsOk());
  ListOptions options;
  EXPECT_THAT(Ids(*points->List(options)), ElementsAre("a", "d"));
  options.include_deleted = true;
  options.page_size = 1;
  options.fields = {true, true, true};
  std::vector<StoredRecord> records;
  do {
    const auto page = points->List(options);
    ASSERT_THAT(page, IsOk());
    EXPECT_EQ(page->at, 5u);
    for (const StoredRecord& record : page->records) records.push_back(record);
    options.page_token = page->next_page_token;
    // Pages stay at the moment of the first.
    ASSERT_THAT(DeleteId(*points, "d"), IsOk());
    ASSERT_THAT(PutVector(*points, "e", vector), IsOk());
  } while (!options.page_token.empty());
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[0].record.id, "a");
  EXPECT_FALSE(records[0].deleted);
  EXPECT_EQ(records[1].record.id, "b");
  EXPECT_TRUE(records[1].deleted);
  EXPECT_EQ(records[1].version.lamport, 3u);
  EXPECT_THAT(records[1].record.vector, IsEmpty());
  EXPECT_THAT(records[1].record.metadata, IsEmpty());
  EXPECT_EQ(records[2].record.id, "c");
  EXPECT_FALSE(records[2].deleted);
  EXPECT_EQ(records[2].expires_ms, 1);
  EXPECT_EQ(records[2].record.vector, vector);
  EXPECT_FALSE(records[3].deleted);

  options.page_token.clear();
  options.page_size = 100;
  options.at = Moment::At(2);
  EXPECT_THAT(Ids(*points->List(options)), ElementsAre("a", "b"));
  options.at = Moment::At(5);
  options.filter = Filter::Exists("k");
  EXPECT_THAT(Ids(*points->List(options)), ElementsAre("a"));
  options.filter = Filter::Not(Filter::Exists("k"));
  EXPECT_THAT(Ids(*points->List(options)), ElementsAre("b", "c", "d"));
}

TEST_P(HistoryTest, PagesStayAtATagOrATimeThatWasAskedFor) {
  auto points = Vectors("points", 2);
  for (const char* const id : {"a", "b", "c"}) {
    ASSERT_THAT(PutVector(*points, id, {1, 0}), IsOk());
  }
  ASSERT_THAT(points->CreateTag("three"), IsOk());
  ASSERT_THAT(DeleteId(*points, "b"), IsOk());
  for (const Moment& at : {Moment::AtTag("three"), Moment::At(3),
                           Moment::AtTime(absl::Now() + absl::Hours(1))}) {
    const std::vector<std::string> want = IdsAt(*points, at);
    ListOptions options;
    options.at = at;
    options.page_size = 1;
    std::vector<std::string> got;
    Lamport moment = 0;
    do {
      const auto page = points->List(options);
      ASSERT_THAT(page, IsOk());
      if (moment == 0) moment = page->at;
      EXPECT_EQ(page->at, moment);
      for (const std::string& id : Ids(*page)) got.push_back(id);
      options.page_token = page->next_page_token;
      options.at = std::nullopt;  // The token has it.
      ASSERT_THAT(PutVector(*points, "x", {1, 0}), IsOk());
      ASSERT_THAT(DeleteId(*points, "x"), IsOk());
    } while (!options.page_token.empty());
    EXPECT_EQ(got, want);
  }
}

TEST_P(HistoryTest, PagesOfAHistoryGoOnWhereTheyStopped) {
  auto points = Vectors("points", 2);
  for (int i = 1; i <= 5; ++i) {
    ASSERT_THAT(PutVector(*points, "a", {1, static_cast<float>(i)}), IsOk());
  }
  HistoryOptions options;
  options.page_size = 2;
  std::vector<Lamport> got;
  do {
    const auto page = points->History("a", options);
    ASSERT_THAT(page, IsOk());
    for (const StoredRecord& version : page->versions) {
      got.push_back(version.version.lamport);
    }
    options.page_token = page->next_page_token;
    ASSERT_THAT(PutVector(*points, "a", {0, 1}), IsOk());  // Newer: not seen.
  } while (!options.page_token.empty());
  EXPECT_THAT(got, ElementsAre(5, 4, 3, 2, 1));
}

TEST_P(HistoryTest, AMomentByWallTimeIsTheLastWriteOfThatSecond) {
  AdvanceClock(absl::ZeroDuration());
  const absl::Time start = absl::FromUnixSeconds(1'700'000'000);
  auto points = Vectors("points", 2);
  ASSERT_THAT(PutVector(*points, "a", {1, 0}), IsOk());
  ASSERT_THAT(PutVector(*points, "b", {1, 0}), IsOk());
  AdvanceClock(absl::Seconds(10));
  points = *db().OpenCollection("points");
  ASSERT_THAT(PutVector(*points, "c", {1, 0}), IsOk());
  ASSERT_THAT(DeleteId(*points, "a"), IsOk());
  AdvanceClock(absl::Seconds(10));
  points = *db().OpenCollection("points");
  ASSERT_THAT(PutVector(*points, "d", {1, 0}), IsOk());
  const auto at = [&](int seconds) {
    return IdsAt(*points, Moment::AtTime(start + absl::Seconds(seconds)));
  };
  EXPECT_THAT(at(-1), IsEmpty());
  EXPECT_THAT(at(0), ElementsAre("a", "b"));
  EXPECT_THAT(at(9), ElementsAre("a", "b"));
  EXPECT_THAT(at(10), ElementsAre("b", "c"));
  EXPECT_THAT(at(19), ElementsAre("b", "c"));
  EXPECT_THAT(at(20), ElementsAre("b", "c", "d"));
  ASSERT_THAT(
      points->CreateTag("early", Moment::AtTime(start + absl::Seconds(5))),
      IsOk());
  EXPECT_EQ((*points->ListTags())[0].lamport, 2u);
  EXPECT_EQ(points->History("a")->versions[1].wall_ms,
            absl::ToUnixMillis(start));
}

TEST_P(HistoryTest, ARecordIsThereUntilItExpires) {
  AdvanceClock(absl::ZeroDuration());
  const absl::Time start = absl::FromUnixSeconds(1'700'000'000);
  auto points = Vectors("points", 2);
  const std::vector<float> vector = {1, 0};
  PutItem item{RecordView("a")};
  item.record.vector = vector;
  item.record.expires_ms = absl::ToUnixMillis(start + absl::Seconds(15));
  ASSERT_THAT(points->Put({&item, 1}), IsOk());
  ASSERT_THAT(PutVector(*points, "b", {1, 0}), IsOk());
  AdvanceClock(absl::Seconds(10));
  points = *db().OpenCollection("points");
  const Moment now = Moment::AtTime(absl::InfiniteFuture());
  EXPECT_THAT(Ids(*points->List()), ElementsAre("a", "b"));
  AdvanceClock(absl::Seconds(5));
  points = *db().OpenCollection("points");
  EXPECT_THAT(Ids(*points->List()), ElementsAre("b"));
  EXPECT_EQ(points->Search(Query::Vector({1, 0}))->hits.size(), 1u);
  EXPECT_FALSE((*points->Get({"a"}))[0].has_value());
  EXPECT_EQ(*points->Count(), 1u);
  EXPECT_THAT(IdsAt(*points, now), ElementsAre("b"));
  // It was there then.
  EXPECT_THAT(IdsAt(*points, Moment::AtTime(start)), ElementsAre("a", "b"));
}

TEST_P(HistoryTest, AnExpiredRecordIsHidden) {
  auto points = Vectors("points", 2);
  const std::vector<float> vector = {1, 0};
  std::vector<PutItem> items(2);
  items[0].record = RecordView("a");
  items[0].record.vector = vector;
  items[0].record.expires_ms = absl::ToUnixMillis(absl::Now()) - 1;
  items[1].record = RecordView("b");
  items[1].record.vector = vector;
  items[1].record.expires_ms =
      absl::ToUnixMillis(absl::Now() + absl::Hours(24));
  ASSERT_THAT(points->Put(items), IsOk());
  EXPECT_THAT(IdsAt(*points, Moment::AtTime(absl::InfiniteFuture())),
              ElementsAre("b"));
  EXPECT_EQ(points->Info()->records, 1u);
  EXPECT_EQ((*points->Get({"b"}))[0]->expires_ms, items[1].record.expires_ms);
  const auto history = points->History("a");
  ASSERT_THAT(history, IsOk());
  EXPECT_EQ(history->versions[0].expires_ms, items[0].record.expires_ms);
}

INSTANTIATE_TEST_SUITE_P(Db, HistoryTest,
                         ::testing::Values(Kind::kLocal, Kind::kRemote),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace corkscrew::testing
