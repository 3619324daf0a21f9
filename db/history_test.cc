// Moments by time and by tag, retention, expiry and purge of a local database.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/testing.h"
#include "corkscrew/db.h"
#include "db/local_db.h"
#include "db/notes_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::StatusIs;

class HistoryTest : public ::testing::Test, protected testing::NotesFixture {
 protected:
  // Segments of 4 slots, so that most tests meet some.
  HistoryTest() : NotesFixture({.dim = 2}, 4) {}

  Lamport Put(absl::string_view id, absl::string_view text,
              absl::Time expires = absl::InfiniteFuture()) {
    const std::vector<float> vector = {1, static_cast<float>(text.size())};
    PutItem item{RecordView(id)};
    item.record.vector = vector;
    item.record.text = text;
    if (expires != absl::InfiniteFuture()) {
      item.record.expires_ms = absl::ToUnixMillis(expires);
    }
    const auto reply = notes_->Put(absl::MakeConstSpan(&item, 1));
    EXPECT_THAT(reply, IsOk());
    return reply.ok() ? reply->lamport : 0;
  }
  void Delete(absl::string_view id) {
    EXPECT_THAT(notes_->Delete({id}), IsOk());
  }

  // The text of `id` at a moment, "-" if there is no such record, as every kind
  // of read tells it.
  std::string TextAt(absl::string_view id, std::optional<Moment> at) {
    const auto got = notes_->Get({id}, {}, at);
    if (!got.ok()) return std::string(got.status().message());
    const std::string text =
        (*got)[0].has_value() ? (*got)[0]->record.text : "-";
    EXPECT_EQ(text, SearchedText(id, at));
    EXPECT_EQ(text, ListedText(id, at));
    return text;
  }
  std::string SearchedText(absl::string_view id, std::optional<Moment> at) {
    Query query = Query::Vector({1, 1});
    query.k = 100;
    query.at = at;
    const auto reply = notes_->Search(query);
    EXPECT_THAT(reply, IsOk());
    EXPECT_EQ(*notes_->Count({}, at), reply->hits.size());
    for (const Hit& hit : reply->hits) {
      if (hit.id == id) return hit.text;
    }
    return "-";
  }
  std::string ListedText(absl::string_view id, std::optional<Moment> at) {
    ListOptions options;
    options.at = at;
    const auto reply = notes_->List(options);
    EXPECT_THAT(reply, IsOk());
    for (const StoredRecord& record : reply->records) {
      if (record.record.id == id) return record.record.text;
    }
    return "-";
  }

  std::vector<std::string> HistoryTexts(absl::string_view id) {
    const auto reply = notes_->History(id);
    EXPECT_THAT(reply, IsOk());
    std::vector<std::string> texts;
    for (const StoredRecord& version : reply->versions) {
      texts.push_back(version.deleted ? "deleted" : version.record.text);
    }
    return texts;
  }
};

TEST_F(HistoryTest, AWallTimeIsTheLastWriteOfItsSecond) {
  const absl::Time start = now_;
  Put("a", "one");
  Pass(absl::Milliseconds(900));
  Put("a", "two");  // In the same second.
  Pass(absl::Seconds(10));
  Put("a", "three");
  Pass(absl::Hours(1));
  for (int round = 0; round < 2; ++round) {
    const auto at = [&](absl::Duration later) {
      return TextAt("a", Moment::AtTime(start + later));
    };
    EXPECT_EQ(at(-absl::Seconds(1)), "-");
    EXPECT_EQ(at(absl::ZeroDuration()), "two");
    EXPECT_EQ(at(absl::Seconds(9)), "two");
    EXPECT_EQ(at(absl::Milliseconds(9999)), "two");
    EXPECT_EQ(at(absl::Seconds(10)), "three");
    EXPECT_EQ(at(absl::Hours(1000)), "three");  // Beyond the clock: now.
    EXPECT_EQ(TextAt("a", Moment::AtTime(absl::InfinitePast())), "-");
    EXPECT_EQ(TextAt("a", Moment::AtTime(absl::InfiniteFuture())), "three");
    Reopen();
  }
}

TEST_F(HistoryTest, AClockThatGoesBackMovesNoMoment) {
  const absl::Time start = now_;
  Put("a", "one");
  Pass(-absl::Hours(1));
  Put("a", "two");  // Applied after the first write, whatever the clock says.
  Pass(absl::Hours(1) + absl::Seconds(5));
  Put("a", "three");
  Pass(absl::Seconds(1));
  EXPECT_EQ(TextAt("a", Moment::AtTime(start - absl::Minutes(30))), "-");
  EXPECT_EQ(TextAt("a", Moment::AtTime(start)), "two");
  EXPECT_EQ(TextAt("a", Moment::AtTime(start + absl::Seconds(4))), "two");
  EXPECT_EQ(TextAt("a", Moment::AtTime(start + absl::Seconds(5))), "three");
}

TEST_F(HistoryTest, ATagNamesTheMomentItWasMadeFor) {
  Put("a", "one");
  const auto first = notes_->CreateTag("first");
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first->name, "first");
  EXPECT_EQ(first->lamport, 1u);
  EXPECT_EQ(first->wall_ms, absl::ToUnixMillis(now_));
  const absl::Time then = now_;
  Pass(absl::Minutes(1));
  Put("a", "two");
  Put("a", "three");
  ASSERT_THAT(notes_->CreateTag("second", Moment::At(2)), IsOk());
  ASSERT_THAT(notes_->CreateTag("then", Moment::AtTime(then)), IsOk());
  ASSERT_THAT(notes_->CreateTag("copy", Moment::AtTag("second")), IsOk());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(TextAt("a", Moment::AtTag("first")), "one");
    EXPECT_EQ(TextAt("a", Moment::AtTag("second")), "two");
    EXPECT_EQ(TextAt("a", Moment::AtTag("then")), "one");
    EXPECT_EQ(TextAt("a", Moment::AtTag("copy")), "two");
    const auto tags = notes_->ListTags();
    ASSERT_THAT(tags, IsOk());
    std::vector<std::string> names;
    for (const TagInfo& tag : *tags) names.push_back(tag.name);
    EXPECT_THAT(names, ElementsAre("copy", "first", "second", "then"));
    Reopen();
  }
  ASSERT_THAT(notes_->DeleteTag("second"), IsOk());
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(
        notes_->Get({"a"}, {}, Moment::AtTag("second")),
        StatusIs(absl::StatusCode::kNotFound, HasSubstr("no tag \"second\"")));
    EXPECT_THAT(notes_->DeleteTag("second"),
                StatusIs(absl::StatusCode::kNotFound, HasSubstr("notes")));
    Reopen();
  }
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_F(HistoryTest, ATagIsRefusedWhereItCanNotBe) {
  Put("a", "one");
  ASSERT_THAT(notes_->CreateTag("t"), IsOk());
  EXPECT_THAT(notes_->CreateTag("t"), IsOk());  // The same moment.
  Put("a", "two");
  EXPECT_THAT(notes_->CreateTag("t"),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr("names Lamport time 1 already, not 2")));
  EXPECT_THAT(notes_->CreateTag("u", Moment::At(3)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("3 is beyond the clock, 2")));
  EXPECT_THAT(notes_->CreateTag("u", Moment::AtTime(now_ + absl::Hours(1))),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("")));
  EXPECT_THAT(notes_->CreateTag("u", Moment::AtTag("none")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("")));
  for (const absl::string_view name : {"", "_t", "a\nb", "\xff"}) {
    EXPECT_THAT(notes_->CreateTag(name),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("")));
  }
}

TEST_F(HistoryTest, ACollectionThatTakesADroppedNameHasNoTags) {
  Put("a", "one");
  ASSERT_THAT(notes_->CreateTag("t"), IsOk());
  ASSERT_THAT(db_->DropCollection(kName), IsOk());
  EXPECT_THAT(notes_->ListTags(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("")));
  EXPECT_THAT(notes_->CreateTag("u"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("")));
  notes_ = *db_->CreateCollection(kName, {.dim = 2});
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(*notes_->ListTags(), IsEmpty());
    Reopen();
  }
}

TEST_F(HistoryTest, TheCountRuleKeepsTheNewestVersions) {
  for (const absl::string_view text : {"1", "2", "3", "4"}) Put("a", text);
  Put("b", "only");
  ASSERT_THAT(notes_->SetRetention({.keep_versions = 2}), IsOk());
  const auto reply = notes_->ApplyRetention();
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->removed, 2u);
  EXPECT_EQ(reply->floor, 3u);  // "2" died there.
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(HistoryTexts("a"), ElementsAre("4", "3"));
    EXPECT_EQ(notes_->Info()->floor, 3u);
    EXPECT_EQ(notes_->Stats()->versions, 3u);
    EXPECT_EQ(TextAt("a", std::nullopt), "4");
    EXPECT_EQ(TextAt("a", Moment::At(3)), "3");
    const auto too_old =
        StatusIs(absl::StatusCode::kOutOfRange,
                 HasSubstr("Lamport time 2 is below the retention floor, 3"));
    EXPECT_THAT(notes_->Get({"a"}, {}, Moment::At(2)), too_old);
    EXPECT_THAT(notes_->Count({}, Moment::At(2)), too_old);
    ListOptions list;
    list.at = Moment::At(2);
    EXPECT_THAT(notes_->List(list), too_old);
    Query query = Query::Vector({1, 1});
    query.at = Moment::At(2);
    EXPECT_THAT(notes_->Search(query), too_old);
    EXPECT_THAT(notes_->CreateTag("t", Moment::At(2)), too_old);
    EXPECT_EQ(notes_->GetRetention()->keep_versions, 2u);
    // There is nothing more to do.
    EXPECT_EQ(notes_->ApplyRetention()->removed, 0u);
    Reopen();
  }
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_F(HistoryTest, WhatIsAliveAtATagStays) {
  for (const absl::string_view text : {"1", "2", "3", "4", "5"}) Put("a", text);
  ASSERT_THAT(notes_->CreateTag("two", Moment::At(2)), IsOk());
  ASSERT_THAT(notes_->CreateTag("four", Moment::At(4)), IsOk());
  ASSERT_THAT(notes_->SetRetention({.keep_versions = 1}), IsOk());
  auto reply = notes_->ApplyRetention();
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->removed, 2u);
  EXPECT_THAT(HistoryTexts("a"), ElementsAre("5", "4", "2"));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(TextAt("a", Moment::AtTag("two")), "2");
    EXPECT_EQ(TextAt("a", Moment::At(2)), "2");  // Named by its number.
    EXPECT_EQ(TextAt("a", Moment::AtTag("four")), "4");
    EXPECT_THAT(notes_->Get({"a"}, {}, Moment::At(1)),
                StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("notes")));
    Reopen();
  }
  // A new name for a tagged moment keeps it.
  ASSERT_THAT(notes_->CreateTag("zwei", Moment::AtTag("two")), IsOk());
  ASSERT_THAT(notes_->DeleteTag("two"), IsOk());
  EXPECT_EQ(notes_->ApplyRetention()->removed, 0u);
  EXPECT_EQ(TextAt("a", Moment::AtTag("zwei")), "2");
  ASSERT_THAT(notes_->DeleteTag("zwei"), IsOk());
  EXPECT_EQ(notes_->ApplyRetention()->removed, 1u);
  EXPECT_THAT(HistoryTexts("a"), ElementsAre("5", "4"));
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_F(HistoryTest, ADeletedRecordStaysDeletedAtATag) {
  Put("a", "1");
  ASSERT_THAT(notes_->CreateTag("there"), IsOk());
  Delete("a");
  ASSERT_THAT(notes_->CreateTag("gone"), IsOk());
  Put("a", "3");
  Put("a", "4");
  ASSERT_THAT(notes_->SetRetention({.keep_versions = 1}), IsOk());
  ASSERT_THAT(notes_->ApplyRetention(), IsOk());
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(HistoryTexts("a"), ElementsAre("4", "deleted", "1"));
    EXPECT_EQ(TextAt("a", Moment::AtTag("there")), "1");
    EXPECT_EQ(TextAt("a", Moment::AtTag("gone")), "-");
    EXPECT_EQ(TextAt("a", std::nullopt), "4");
    Reopen();
  }
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_F(HistoryTest, TheAgeRuleKeepsWhatWasCurrentWithinItsTime) {
  Put("a", "1");
  Pass(absl::Hours(1));
  Put("a", "2");
  Pass(absl::Hours(1));
  Put("a", "3");
  Delete("b");
  ASSERT_THAT(notes_->SetRetention({.keep_for = absl::Minutes(90)}), IsOk());
  // "1" was current until an hour ago.
  EXPECT_EQ(notes_->ApplyRetention()->removed, 0u);
  Pass(absl::Minutes(30));
  EXPECT_EQ(notes_->ApplyRetention()->removed, 0u);
  Pass(absl::Seconds(2));
  EXPECT_EQ(notes_->ApplyRetention()->removed, 1u);
  EXPECT_THAT(HistoryTexts("a"), ElementsAre("3", "2"));
  EXPECT_EQ(notes_->Info()->floor, 2u);
  EXPECT_EQ(TextAt("a", Moment::AtTime(now_ - absl::Minutes(90))), "2");
  Pass(absl::Hours(1000));
  EXPECT_EQ(notes_->ApplyRetention()->removed, 1u);
  EXPECT_THAT(HistoryTexts("a"), ElementsAre("3"));  // Current: for ever.
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_F(HistoryTest, RulesOutsideTheirRangesAreRefused) {
  EXPECT_THAT(notes_->SetRetention({.keep_for = -absl::Seconds(1)}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("-1s")));
  EXPECT_EQ(*notes_->GetRetention(), Retention{});
}

TEST_F(HistoryTest, TheMaintenanceThreadAppliesTheRulesWhenTheyAreDue) {
  for (const absl::string_view text : {"1", "2", "3"}) Put("a", text);
  Maintain();
  EXPECT_THAT(HistoryTexts("a"), ElementsAre("3", "2", "1"));
  ASSERT_THAT(notes_->SetRetention({.keep_versions = 1}), IsOk());
  Maintain();
  EXPECT_THAT(HistoryTexts("a"), ElementsAre("3"));
  Put("a", "4");
  Maintain();  // Not again so soon.
  EXPECT_THAT(HistoryTexts("a"), ElementsAre("4", "3"));
  Pass(absl::Hours(1));
  Maintain();
  EXPECT_THAT(HistoryTexts("a"), ElementsAre("4"));
}

TEST_F(HistoryTest, ManyRecordsAreJudgedInSteps) {
  constexpr int kRecords = 700;
  for (int round = 0; round < 3; ++round) {
    std::vector<std::string> ids;
    std::vector<PutItem> items;
    const std::vector<float> vector = {1, 1};
    for (int i = 0; i < kRecords; ++i) ids.push_back(absl::StrCat("r", i));
    for (const std::string& id : ids) {
      items.emplace_back().record = RecordView(id);
      items.back().record.vector = vector;
    }
    ASSERT_THAT(notes_->Put(items), IsOk());
  }
  ASSERT_THAT(notes_->SetRetention({.keep_versions = 1}), IsOk());
  const auto reply = notes_->ApplyRetention();
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->removed, 2u * kRecords);
  EXPECT_EQ(notes_->Stats()->versions, size_t{kRecords});
  EXPECT_EQ(*notes_->Count(), size_t{kRecords});
  Reopen();
  EXPECT_EQ(notes_->Stats()->versions, size_t{kRecords});
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_F(HistoryTest, AnExpiredRecordIsHiddenByTheTimeOfTheRead) {
  const absl::Time start = now_;
  Put("a", "stays");
  Put("b", "goes", start + absl::Hours(1));
  ASSERT_THAT(notes_->CreateTag("both"), IsOk());
  for (int round = 0; round < 2; ++round) {
    now_ = start + absl::Minutes(59);
    EXPECT_EQ(TextAt("b", std::nullopt), "goes");
    EXPECT_EQ(notes_->Info()->records, 2u);
    now_ = start + absl::Hours(1);
    EXPECT_EQ(TextAt("b", std::nullopt), "-");
    EXPECT_EQ(notes_->Info()->records, 1u);
    // As it was then.
    EXPECT_EQ(TextAt("b", Moment::At(2)), "goes");
    EXPECT_EQ(TextAt("b", Moment::AtTag("both")), "goes");
    EXPECT_EQ(TextAt("b", Moment::AtTime(now_ - absl::Seconds(1))), "goes");
    EXPECT_EQ(TextAt("b", Moment::AtTime(now_ + absl::Seconds(1))), "-");
    EXPECT_EQ(TextAt("b", Moment::At(100)), "-");  // Beyond the clock: now.
    const auto history = notes_->History("b");
    ASSERT_THAT(history, IsOk());
    ASSERT_EQ(history->versions.size(), 1u);
    EXPECT_EQ(history->versions[0].expires_ms,
              absl::ToUnixMillis(start + absl::Hours(1)));
    Query like;
    like.target = Query::LikeId{"b"};
    EXPECT_THAT(notes_->Search(like),
                StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"b\"")));
    Reopen();
  }
  // A write after it shows that the moment of that write is later.
  now_ = start + absl::Hours(2);
  Put("c", "later");
  EXPECT_EQ(TextAt("b", Moment::At(3)), "-");
  EXPECT_EQ(TextAt("b", Moment::At(2)), "goes");
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_F(HistoryTest, PagesOfOneListingSeeOneTime) {
  const absl::Time expires = now_ + absl::Hours(1);
  for (const absl::string_view id : {"a", "b", "c"}) Put(id, id, expires);
  ListOptions options;
  options.page_size = 2;
  auto page = notes_->List(options);
  ASSERT_THAT(page, IsOk());
  EXPECT_EQ(page->records.size(), 2u);
  Pass(absl::Hours(2));
  options.page_token = page->next_page_token;
  page = notes_->List(options);
  ASSERT_THAT(page, IsOk());
  EXPECT_EQ(page->records.size(), 1u);
}

TEST_F(HistoryTest, TheAuthorLogsTheDeleteOfAnExpiredRecord) {
  Put("a", "goes", now_ + absl::Hours(1));
  Put("b", "replaced", now_ + absl::Hours(1));
  Put("b", "stays");
  Put("c", "goes later", now_ + absl::Hours(3));
  Maintain();
  EXPECT_EQ(notes_->Info()->lamport, 4u);  // Nothing is due.
  Pass(absl::Hours(2));
  Maintain();
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(notes_->Info()->lamport, 5u);
    EXPECT_THAT(HistoryTexts("a"), ElementsAre("deleted", "goes"));
    EXPECT_THAT(HistoryTexts("b"), ElementsAre("stays", "replaced"));
    EXPECT_EQ(TextAt("c", std::nullopt), "goes later");
    EXPECT_EQ(*notes_->Count(), 2u);
    Maintain();  // Done once.
    Reopen();
  }
  Pass(absl::Hours(2));
  Maintain();
  EXPECT_THAT(HistoryTexts("c"), ElementsAre("deleted", "goes later"));
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_F(HistoryTest, ManyExpiredRecordsAreDeletedInBatches) {
  constexpr int kRecords = 600;
  std::vector<std::string> ids;
  std::vector<PutItem> items;
  const std::vector<float> vector = {1, 1};
  for (int i = 0; i < kRecords; ++i) ids.push_back(absl::StrCat("r", i));
  for (const std::string& id : ids) {
    items.emplace_back().record = RecordView(id);
    items.back().record.vector = vector;
    items.back().record.expires_ms =
        absl::ToUnixMillis(now_ + absl::Seconds(1));
  }
  ASSERT_THAT(notes_->Put(items), IsOk());
  Pass(absl::Seconds(2));
  EXPECT_EQ(*notes_->Count(), 0u);
  EXPECT_EQ(notes_->Stats()->tombstones, 0u);
  Maintain();
  EXPECT_EQ(notes_->Stats()->tombstones, size_t{kRecords});
  EXPECT_EQ(notes_->Info()->lamport, 4u);  // Three batches.
  EXPECT_THAT(Violations(), IsEmpty());
}

}  // namespace
}  // namespace corkscrew
