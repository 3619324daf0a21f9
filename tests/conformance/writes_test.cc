// Put and Delete: what is accepted, what is refused, and that a refused write
// leaves nothing behind. On every implementation of Db.

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "corkscrew/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/harness.h"

namespace corkscrew::testing {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using WritesTest = ConformanceTest;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;
constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;
constexpr auto kUnimplemented = absl::StatusCode::kUnimplemented;

// Expects that nothing was ever written to `collection`.
void ExpectUntouched(const Collection& collection) {
  const auto info = collection.Info();
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->lamport, 0u);
  EXPECT_EQ(info->records, 0u);
}

TEST_P(WritesTest, APutIsSearchableAndReadableWhenItReturns) {
  auto points = Vectors("points", 3);
  const Metadata metadata = {{"flag", true},
                             {"list", std::vector<std::string>{"x", ""}},
                             {"number", int64_t{-5}},
                             {"real", 0.5},
                             {"word", std::string("snow")}};
  Record record{"a", {1, 2, 2}, "text of a", metadata};
  const PutItem item{RecordView(record)};
  const auto reply = points->Put({&item, 1});
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->lamport, 1u);
  EXPECT_FALSE(reply->replayed);
  ASSERT_EQ(reply->items.size(), 1u);
  EXPECT_THAT(reply->items[0].status, IsOk());
  EXPECT_EQ(reply->items[0].version.lamport, 1u);
  EXPECT_EQ(reply->items[0].version.seq, 1u);
  EXPECT_NE(reply->items[0].version.replica, Uuid());
  EXPECT_NE(reply->items[0].version.incarnation, 0u);

  const absl::string_view ids[] = {"a", "b"};
  const auto got = points->Get(ids, {true, true, true});
  ASSERT_THAT(got, IsOk());
  ASSERT_EQ(got->size(), 2u);
  ASSERT_TRUE((*got)[0].has_value());
  EXPECT_FALSE((*got)[1].has_value());
  const StoredRecord& stored = *(*got)[0];
  EXPECT_EQ(stored.record.id, "a");
  EXPECT_EQ(stored.record.vector, record.vector);
  EXPECT_EQ(stored.record.text, record.text);
  EXPECT_EQ(stored.record.metadata, record.metadata);
  EXPECT_EQ(stored.version, reply->items[0].version);
  EXPECT_FALSE(stored.deleted);
  EXPECT_GT(stored.wall_ms, 0);

  const auto found = points->Search(Query::Vector({2, 4, 4}));
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(Ids(*found), ElementsAre("a"));
  EXPECT_FLOAT_EQ(found->hits[0].score, 1.0f);
}

TEST_P(WritesTest, ReadsReturnOnlyTheFieldsAskedFor) {
  auto points = Vectors("points", 2);
  Record record{"a", {1, 2}, "text", {{"k", int64_t{1}}}};
  const PutItem item{RecordView(record)};
  ASSERT_THAT(points->Put({&item, 1}), IsOk());
  const absl::string_view ids[] = {"a"};
  for (int mask = 0; mask < 8; ++mask) {
    const Fields fields{(mask & 1) != 0, (mask & 2) != 0, (mask & 4) != 0};
    const auto got = points->Get(ids, fields);
    ASSERT_THAT(got, IsOk());
    ASSERT_TRUE((*got)[0].has_value());
    const Record& read = (*got)[0]->record;
    EXPECT_EQ(read.vector.empty(), !fields.vector);
    EXPECT_EQ(read.text.empty(), !fields.text);
    EXPECT_EQ(read.metadata.empty(), !fields.metadata);
    Query query = Query::Vector({1, 2});
    query.fields = fields;
    const auto found = points->Search(query);
    ASSERT_THAT(found, IsOk());
    ASSERT_EQ(found->hits.size(), 1u);
    EXPECT_EQ(found->hits[0].vector, read.vector);
    EXPECT_EQ(found->hits[0].text, read.text);
    EXPECT_EQ(found->hits[0].metadata, read.metadata);
  }
}

TEST_P(WritesTest, VectorsOutsideTheirRangeAreRefused) {
  auto cosine = Vectors("cosine", 3, Metric::kCosine);
  auto dot = Vectors("dot", 3, Metric::kDot);
  auto l2 = Vectors("l2", 3, Metric::kL2);
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const std::vector<std::vector<float>> bad = {
      {1, 2},       {1, 2, 3, 4},  {1, kNan, 3},
      {kInf, 0, 0}, {0, 0, -kInf}, {2e18f, 0, 0},  // Longer than 2^60.
  };
  for (Collection* collection : {cosine.get(), dot.get(), l2.get()}) {
    for (const auto& vector : bad) {
      EXPECT_THAT(PutVector(*collection, "id", vector),
                  StatusIs(kInvalid, HasSubstr(collection->name())))
          << ::testing::PrintToString(vector);
    }
    EXPECT_THAT(PutVector(*collection, "id", {}), StatusIs(kInvalid, _));
    ExpectUntouched(*collection);
  }
  EXPECT_THAT(PutVector(*cosine, "zero", {0, 0, 0}), StatusIs(kInvalid, _));
  EXPECT_THAT(PutVector(*cosine, "zero", {0, -0.0f, 1e-30f}),
              StatusIs(kInvalid, _));
  ExpectUntouched(*cosine);
  EXPECT_THAT(PutVector(*dot, "zero", {0, 0, 0}), IsOk());
  EXPECT_THAT(PutVector(*l2, "zero", {0, 0, 0}), IsOk());
  EXPECT_THAT(PutVector(*l2, "long", {1e18f, 0, 0}), IsOk());
  EXPECT_THAT(PutVector(*cosine, "wrong", {1, 2}),
              StatusIs(kInvalid, AllOf(HasSubstr("2"), HasSubstr("3"))));
}

TEST_P(WritesTest, IdsAreLimitedAndComparedAsBytes) {
  auto points = Vectors("points", 2);
  const std::vector<std::string> bad = {
      "",
      std::string(kMaxIdBytes + 1, 'i'),
      "a\nb",
      std::string("a\0b", 3),
      "a\x7f",
      "\xC2\x85",  // U+0085, a control character.
      "\xff",
      "\xC0\x80",
      "\xED\xA0\x80",  // A surrogate.
      "cut \xE2\x82",
  };
  for (const std::string& id : bad) {
    EXPECT_THAT(PutVector(*points, id, {1, 0}), StatusIs(kInvalid, _))
        << id.substr(0, 20);
    const absl::string_view ids[] = {id};
    EXPECT_THAT(points->Delete(ids), StatusIs(kInvalid, _));
    EXPECT_THAT(points->Get(ids), StatusIs(kInvalid, _));
    EXPECT_THAT(points->History(id), StatusIs(kInvalid, _));
  }
  ExpectUntouched(*points);
  const std::vector<std::string> good = {
      std::string(kMaxIdBytes, 'i'),
      std::string(kMaxIdBytes - 1, 'i'),
      " ",
      "e\xCC\x81",
      "\xC3\xA9",  // Two spellings of one letter stay two ids.
      "\xF0\x9F\x98\x80",
      "../x",
      "a/b",
      "%00"};
  for (const std::string& id : good) {
    EXPECT_THAT(PutVector(*points, id, {1, 0}), IsOk()) << id.substr(0, 20);
  }
  EXPECT_EQ(*points->Count(), good.size());
}

TEST_P(WritesTest, TextsAreLimited) {
  auto notes = Texts("notes");
  EXPECT_THAT(PutText(*notes, "a", ""), StatusIs(kInvalid, _));
  EXPECT_THAT(PutText(*notes, "a", "bad \xff"), StatusIs(kInvalid, _));
  EXPECT_THAT(
      PutText(*notes, "a", std::string(kMaxTextBytes + 1, 't')),
      StatusIs(kInvalid, AllOf(HasSubstr("1048577"), HasSubstr("1048576"))));
  ExpectUntouched(*notes);
  for (const size_t size : {kMaxTextBytes - 1, kMaxTextBytes}) {
    EXPECT_THAT(PutText(*notes, "a", std::string(size, 't')), IsOk());
    const absl::string_view ids[] = {"a"};
    const auto got = notes->Get(ids);
    ASSERT_THAT(got, IsOk());
    EXPECT_EQ((*got)[0]->record.text.size(), size);
  }
}

TEST_P(WritesTest, MetadataIsLimited) {
  auto points = Vectors("points", 2);
  const auto put = [&](const Metadata& metadata) {
    return PutVector(*points, "id", {1, 0}, metadata);
  };
  Metadata many;
  for (size_t i = 0; i < kMaxMetadataKeys; ++i) {
    many["k" + std::to_string(i)] = int64_t{0};
  }
  EXPECT_THAT(put(many), IsOk());
  many["one more"] = true;
  const std::vector<Metadata> bad = {
      many,
      {{"", true}},
      {{"\xff", true}},
      {{"k", std::string("\xff")}},
      {{"k", std::vector<std::string>{"ok", "\xff"}}},
      {{"k", std::numeric_limits<double>::quiet_NaN()}},
      {{"k", std::numeric_limits<double>::infinity()}},
      {{"k", std::string(kMaxMetadataBytes, 'x')}},
      {{std::string(kMaxMetadataBytes, 'x'), true}},
  };
  for (const Metadata& metadata : bad) {
    EXPECT_THAT(put(metadata), StatusIs(kInvalid, _));
  }
  EXPECT_THAT(put({{"k", std::string(kMaxMetadataBytes - 64, 'x')}}), IsOk());
  EXPECT_EQ(points->Info()->lamport, 2u);
}

TEST_P(WritesTest, OneBadRecordRefusesThePutAndIsNamed) {
  auto points = Vectors("points", 2);
  std::vector<Record> records = {
      {"a", {1, 0}}, {"b", {1, 0, 0}}, {"c", {0, 1}}};
  std::vector<PutItem> items;
  for (const Record& record : records) items.push_back({RecordView(record)});
  EXPECT_THAT(points->Put(items), StatusIs(kInvalid, HasSubstr("1")));
  ExpectUntouched(*points);

  WriteOptions skip;
  skip.skip_invalid = true;
  const auto reply = points->Put(items, skip);
  ASSERT_THAT(reply, IsOk());
  ASSERT_EQ(reply->items.size(), 3u);
  EXPECT_THAT(reply->items[0].status, IsOk());
  EXPECT_THAT(reply->items[1].status, StatusIs(kInvalid, _));
  EXPECT_THAT(reply->items[2].status, IsOk());
  EXPECT_EQ(reply->items[0].version.seq + 1, reply->items[2].version.seq);
  EXPECT_EQ(*points->Count(), 2u);
}

TEST_P(WritesTest, OnePutIsLimitedInRecordsAndBytes) {
  auto points = Vectors("points", 2);
  EXPECT_THAT(points->Put({}), StatusIs(kInvalid, _));
  std::vector<std::string> ids;
  for (size_t i = 0; i <= kMaxPutRecords; ++i) ids.push_back(std::to_string(i));
  const std::vector<float> vector = {1, 0};
  std::vector<PutItem> items;
  for (const std::string& id : ids) {
    items.push_back({RecordView(id)});
    items.back().record.vector = vector;
  }
  EXPECT_THAT(points->Put(items), StatusIs(kExhausted, HasSubstr("10000")));
  ExpectUntouched(*points);
  items.pop_back();
  const auto reply = points->Put(items);
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->items.back().version.seq, kMaxPutRecords);
  EXPECT_EQ(*points->Count(), kMaxPutRecords);
  const std::vector<absl::string_view> views(ids.begin(), ids.end());
  EXPECT_THAT(points->Delete(views), StatusIs(kExhausted, _));
  EXPECT_THAT(points->Get(views), StatusIs(kExhausted, _));

  const std::string text(kMaxTextBytes, 't');
  items.resize(17);
  for (PutItem& item : items) item.record.text = text;
  EXPECT_THAT(points->Put(items), StatusIs(kExhausted, _));
}

TEST_P(WritesTest, TheSameIdTwiceInOnePutKeepsBothVersionsAndTheLaterWins) {
  auto points = Vectors("points", 2);
  std::vector<Record> records = {{"a", {1, 0}, "first"},
                                 {"a", {0, 1}, "second"}};
  std::vector<PutItem> items;
  for (const Record& record : records) items.push_back({RecordView(record)});
  ASSERT_THAT(points->Put(items), IsOk());
  EXPECT_EQ(*points->Count(), 1u);
  const absl::string_view ids[] = {"a"};
  for (const auto& at :
       {std::optional<Moment>(), std::optional(Moment::At(1))}) {
    const auto got = points->Get(ids, {}, at);
    ASSERT_THAT(got, IsOk());
    EXPECT_EQ((*got)[0]->record.text, "second");
  }
  const auto history = points->History("a");
  ASSERT_THAT(history, IsOk());
  ASSERT_EQ(history->versions.size(), 2u);
  EXPECT_EQ(history->versions[0].record.text, "second");
  EXPECT_EQ(history->versions[0].version.lamport,
            history->versions[1].version.lamport);
  const auto found = points->Search(Query::Vector({1, 0}));
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->hits.size(), 1u);
  EXPECT_FLOAT_EQ(found->hits[0].score, 0.0f);
}

TEST_P(WritesTest, DeletingReportsWhatWasThereAndWritesNothingForTheRest) {
  auto points = Vectors("points", 2);
  ASSERT_THAT(PutVector(*points, "a", {1, 0}), IsOk());
  ASSERT_THAT(PutVector(*points, "b", {1, 0}), IsOk());
  const absl::string_view ids[] = {"a", "none", "a"};
  const auto reply = points->Delete(ids);
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->lamport, 3u);
  EXPECT_THAT(reply->deleted, ElementsAre(true, false, false));
  EXPECT_EQ(*points->Count(), 1u);
  const auto again = points->Delete(ids);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->lamport, 3u);
  EXPECT_THAT(again->deleted, ElementsAre(false, false, false));
  EXPECT_EQ(points->Info()->lamport, 3u);
  EXPECT_THAT(points->Delete({}), StatusIs(kInvalid, _));
  // A deleted record may come back.
  ASSERT_THAT(PutVector(*points, "a", {0, 1}), IsOk());
  EXPECT_EQ(*points->Count(), 2u);
}

TEST_P(WritesTest, ARequestIdIsAppliedOnceAlsoAcrossARestart) {
  WriteOptions options;
  options.request_id = "import-7";
  Version first;
  Vectors("points", 2);
  for (int round = 0; round < 3; ++round) {
    auto points = db().OpenCollection("points");
    ASSERT_THAT(points, IsOk());
    const auto reply = PutVector(**points, "a", {1, 0}, {}, options);
    ASSERT_THAT(reply, IsOk());
    EXPECT_EQ(reply->replayed, round > 0);
    EXPECT_EQ(reply->lamport, 1u);
    ASSERT_EQ(reply->items.size(), 1u);
    if (round == 0) first = reply->items[0].version;
    EXPECT_EQ(reply->items[0].version, first);
    EXPECT_EQ((*points)->Info()->lamport, 1u);
    if (round == 1) Restart();
  }
  auto points = *db().OpenCollection("points");
  EXPECT_THAT(PutVector(*points, "a", {0, 1}, {}, options),
              StatusIs(kInvalid, HasSubstr("import-7")));
  EXPECT_THAT(PutVector(*points, "b", {1, 0}, {}, options),
              StatusIs(kInvalid, HasSubstr("import-7")));
  EXPECT_EQ(*points->Count(), 1u);
  // A delete has request ids of the same kind.
  options.request_id = "delete-1";
  const auto deleted = DeleteId(*points, "a", options);
  ASSERT_THAT(deleted, IsOk());
  EXPECT_THAT(deleted->deleted, ElementsAre(true));
  const auto replayed = DeleteId(*points, "a", options);
  ASSERT_THAT(replayed, IsOk());
  EXPECT_TRUE(replayed->replayed);
  EXPECT_THAT(replayed->deleted, ElementsAre(true));
  EXPECT_EQ(replayed->lamport, deleted->lamport);
  for (const std::string& bad :
       {std::string(kMaxRequestIdBytes + 1, 'r'), std::string("\xff")}) {
    options.request_id = bad;
    EXPECT_THAT(PutVector(*points, "c", {1, 0}, {}, options),
                StatusIs(kInvalid, _));
  }
  options.request_id = std::string(kMaxRequestIdBytes, 'r');
  EXPECT_THAT(PutVector(*points, "c", {1, 0}, {}, options), IsOk());
}

TEST_P(WritesTest, UnchangedRecordsAreNotWrittenAgainWhenAsked) {
  auto points = Vectors("points", 2);
  WriteOptions options;
  options.skip_unchanged = true;
  const Metadata metadata = {{"k", int64_t{1}}};
  ASSERT_THAT(PutVector(*points, "a", {1, 0}, metadata, options), IsOk());
  const auto same = PutVector(*points, "a", {1, 0}, metadata, options);
  ASSERT_THAT(same, IsOk());
  EXPECT_TRUE(same->items[0].unchanged);
  EXPECT_EQ(same->lamport, 1u);
  EXPECT_EQ(points->Info()->lamport, 1u);
  const auto other = PutVector(*points, "a", {1, 0}, {}, options);
  ASSERT_THAT(other, IsOk());
  EXPECT_FALSE(other->items[0].unchanged);
  EXPECT_EQ(other->lamport, 2u);
  // Without the option the same content is a new version.
  ASSERT_THAT(PutVector(*points, "a", {1, 0}), IsOk());
  EXPECT_EQ(points->Info()->lamport, 3u);
}

TEST_P(WritesTest, TextIsEmbeddedAndTruncationIsReported) {
  auto notes = Texts("notes");
  const auto put = PutText(*notes, "a", "the cat sat on the mat");
  ASSERT_THAT(put, IsOk());
  EXPECT_FALSE(put->items[0].truncated);
  std::string text;
  for (int i = 0; i < 100; ++i) text += "word" + std::to_string(i) + " ";
  const auto cut = PutText(*notes, "b", text);
  ASSERT_THAT(cut, IsOk());
  EXPECT_TRUE(cut->items[0].truncated);
  // Text and vector together: the vector is taken as the text's.
  PutItem item{RecordView("c")};
  std::vector<float> vector(kTextDim, 0.0f);
  vector[3] = 1;
  item.record.vector = vector;
  item.record.text = "anything";
  ASSERT_THAT(notes->Put({&item, 1}), IsOk());
  const absl::string_view ids[] = {"c"};
  const auto got = notes->Get(ids, {true, true, true});
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ((*got)[0]->record.vector, vector);
  EXPECT_EQ((*got)[0]->record.text, "anything");
}

TEST_P(WritesTest, TextNeedsAModelAndVectorsOfAnotherSpaceAreRefused) {
  auto points = Vectors("points", 2);
  EXPECT_THAT(PutText(*points, "a", "text"),
              StatusIs(kPrecondition, HasSubstr("points")));
  EXPECT_THAT(points->Search(Query::Text("text")),
              StatusIs(kPrecondition, HasSubstr("points")));
  auto notes = Texts("notes");
  const std::vector<float> vector(kTextDim, 1.0f);
  WriteOptions options;
  options.space = std::string(64, 'b');
  const auto names_both = StatusIs(
      kPrecondition,
      AllOf(HasSubstr(std::string(64, 'a')), HasSubstr(std::string(64, 'b'))));
  EXPECT_THAT(PutVector(*notes, "a", vector, {}, options), names_both);
  ExpectUntouched(*notes);
  options.space = std::string(64, 'a');
  EXPECT_THAT(PutVector(*notes, "a", vector, {}, options), IsOk());
  Query query = Query::Vector(vector);
  query.space = std::string(64, 'b');
  EXPECT_THAT(notes->Search(query), names_both);
  query.space = std::string(64, 'a');
  EXPECT_THAT(notes->Search(query), IsOk());
}

TEST_P(WritesTest, FieldsWhoseWorkComesLaterSaySo) {
  auto points = Vectors("points", 2);
  WriteOptions quorum;
  quorum.ack = Ack::kQuorum;
  WriteOptions all;
  all.ack = Ack::kAll;
  for (const WriteOptions& options : {quorum, all}) {
    EXPECT_THAT(PutVector(*points, "a", {1, 0}, {}, options),
                StatusIs(kUnimplemented, _));
    EXPECT_THAT(DeleteId(*points, "a", options), StatusIs(kUnimplemented, _));
  }
  ExpectUntouched(*points);
}

TEST_P(WritesTest, ACancelledOrLateCallWritesNothing) {
  auto points = Vectors("points", 2);
  PutItem item{RecordView("a")};
  const std::vector<float> vector = {1, 0};
  item.record.vector = vector;
  CallOptions late;
  late.deadline = absl::UnixEpoch();
  EXPECT_THAT(points->Put({&item, 1}, {}, late),
              StatusIs(absl::StatusCode::kDeadlineExceeded, _));
  CallOptions cancelled;
  cancelled.cancelled = [] { return true; };
  EXPECT_THAT(points->Put({&item, 1}, {}, cancelled),
              StatusIs(absl::StatusCode::kCancelled, _));
  EXPECT_THAT(points->Search(Query::Vector({1, 0}), late),
              StatusIs(absl::StatusCode::kDeadlineExceeded, _));
  EXPECT_THAT(points->Search(Query::Vector({1, 0}), cancelled),
              StatusIs(absl::StatusCode::kCancelled, _));
  ExpectUntouched(*points);
}

INSTANTIATE_TEST_SUITE_P(Db, WritesTest,
                         ::testing::Values(Kind::kLocal, Kind::kRemote),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace corkscrew::testing
