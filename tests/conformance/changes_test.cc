// Writes that depend on what is there: if_version, Patch, DeleteMatching. On
// every implementation of Db.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
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
using ::testing::IsEmpty;

using ChangesTest = ConformanceTest;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kAborted = absl::StatusCode::kAborted;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

absl::StatusOr<PutReply> PutIf(Collection& collection, absl::string_view id,
                               std::optional<Version> if_version,
                               std::vector<float> vector = {1, 0},
                               const WriteOptions& options = {}) {
  PutItem item{RecordView(id)};
  item.record.vector = vector;
  item.if_version = std::move(if_version);
  return collection.Put({&item, 1}, options);
}

absl::StatusOr<PutReply> PatchOne(Collection& collection, absl::string_view id,
                                  Metadata set,
                                  std::vector<std::string> remove = {},
                                  const WriteOptions& options = {}) {
  const PatchItem item{id, std::move(set), std::move(remove)};
  return collection.Patch({&item, 1}, options);
}

StoredRecord GetOne(Collection& collection, absl::string_view id) {
  const auto got = collection.Get({&id, 1}, {true, true, true});
  EXPECT_THAT(got, IsOk());
  if (!got.ok() || !(*got)[0].has_value()) {
    ADD_FAILURE() << "no record " << id;
    return {};
  }
  return *(*got)[0];
}

TEST_P(ChangesTest, AConditionalPutIsWrittenOnlyOverTheVersionItNames) {
  auto points = Vectors("points", 2);
  const auto first = PutIf(*points, "a", Version{});
  ASSERT_THAT(first, IsOk());
  const Version v1 = first->items[0].version;
  EXPECT_THAT(PutIf(*points, "a", Version{}),
              StatusIs(kAborted,
                       AllOf(HasSubstr("version 1.1"), HasSubstr("no version"),
                             HasSubstr("points"), HasSubstr("a"))));
  const auto second = PutIf(*points, "a", v1);
  ASSERT_THAT(second, IsOk());
  const Version v2 = second->items[0].version;
  EXPECT_THAT(PutIf(*points, "a", v1),
              StatusIs(kAborted, AllOf(HasSubstr("version 2.2"),
                                       HasSubstr("version 1.1"))));
  EXPECT_EQ(GetOne(*points, "a").version, v2);
  for (Version wrong : {Version{v2.lamport, v2.replica, v2.incarnation, 9},
                        Version{v2.lamport, v2.replica, 9, v2.seq},
                        Version{v2.lamport, Uuid{}, v2.incarnation, v2.seq},
                        Version{9, v2.replica, v2.incarnation, v2.seq}}) {
    EXPECT_THAT(PutIf(*points, "a", wrong), StatusIs(kAborted, _));
  }
  EXPECT_THAT(PutIf(*points, "b", v2),
              StatusIs(kAborted, HasSubstr("no version")));
  EXPECT_EQ(points->Info()->lamport, 2u);
  ASSERT_THAT(DeleteId(*points, "a"), IsOk());
  EXPECT_THAT(PutIf(*points, "a", v2), StatusIs(kAborted, _));
  EXPECT_THAT(PutIf(*points, "a", Version{}), IsOk());
}

TEST_P(ChangesTest, OneFailedConditionRefusesTheWholePut) {
  auto points = Vectors("points", 2);
  const auto first = PutVector(*points, "a", std::vector<float>{1, 0});
  ASSERT_THAT(first, IsOk());
  const std::vector<float> vector = {0, 1};
  std::vector<PutItem> items = {PutItem{RecordView("b")},
                                PutItem{RecordView("a")}};
  items[0].record.vector = items[1].record.vector = vector;
  items[1].if_version = Version{};
  EXPECT_THAT(points->Put(items), StatusIs(kAborted, HasSubstr("item 1")));
  WriteOptions skip;
  skip.skip_invalid = true;
  EXPECT_THAT(points->Put(items, skip), StatusIs(kAborted, _));
  EXPECT_EQ(*points->Count(), 1u);
  items[1].if_version = first->items[0].version;
  EXPECT_THAT(points->Put(items), IsOk());
  EXPECT_EQ(*points->Count(), 2u);
  // Of one id twice, the second meets the first.
  items = {PutItem{RecordView("c")}, PutItem{RecordView("c")}};
  items[0].record.vector = items[1].record.vector = vector;
  items[0].if_version = items[1].if_version = Version{};
  EXPECT_THAT(points->Put(items), StatusIs(kAborted, HasSubstr("item 1")));
}

TEST_P(ChangesTest, ARetriedConditionalPutAnswersAsTheFirst) {
  auto points = Vectors("points", 2);
  WriteOptions options;
  options.request_id = "r";
  const auto first = PutIf(*points, "a", Version{}, {1, 0}, options);
  ASSERT_THAT(first, IsOk());
  Restart();
  points = *db().OpenCollection("points");
  const auto again = PutIf(*points, "a", Version{}, {1, 0}, options);
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->items[0].version, first->items[0].version);
  // The condition belongs to the request.
  EXPECT_THAT(PutIf(*points, "a", std::nullopt, {1, 0}, options),
              StatusIs(kInvalid, HasSubstr("other content")));
  // A refused request may be tried again.
  options.request_id = "s";
  EXPECT_THAT(PutIf(*points, "a", Version{}, {1, 0}, options),
              StatusIs(kAborted, _));
  ASSERT_THAT(DeleteId(*points, "a"), IsOk());
  EXPECT_THAT(PutIf(*points, "a", Version{}, {1, 0}, options), IsOk());
}

TEST_P(ChangesTest, APatchChangesMetadataAndNothingElse) {
  for (const Originals originals :
       {Originals::kFloat32, Originals::kBFloat16, Originals::kCodesOnly}) {
    const std::string name = absl::StrCat("c", static_cast<int>(originals));
    CollectionOptions options;
    options.dim = 5;
    options.originals = originals;
    auto points = *db().CreateCollection(name, options);
    const std::vector<float> vector = {0.1f, -3, 1e-20f, 7.77f, 2};
    const Metadata metadata = {
        {"keep", int64_t{1}}, {"change", std::string("x")}, {"remove", true}};
    PutItem item{RecordView("a")};
    item.record.vector = vector;
    item.record.text = "some text";
    item.record.metadata = &metadata;
    item.record.expires_ms = int64_t{1} << 50;
    ASSERT_THAT(points->Put({&item, 1}), IsOk());
    const StoredRecord before = GetOne(*points, "a");
    EXPECT_EQ(before.expires_ms, int64_t{1} << 50);
    const Query query = Query::Vector({1, 2, 3, 4, 5});
    const auto found_before = points->Search(query);
    ASSERT_THAT(found_before, IsOk());

    const auto reply =
        PatchOne(*points, "a", {{"change", 2.5}, {"new", int64_t{3}}},
                 {"remove", "not there"});
    ASSERT_THAT(reply, IsOk());
    EXPECT_EQ(reply->lamport, 2u);
    EXPECT_EQ(reply->items[0].version.seq, 2u);
    const Metadata want = {
        {"keep", int64_t{1}}, {"change", 2.5}, {"new", int64_t{3}}};
    for (int round = 0; round < 2; ++round) {
      const StoredRecord after = GetOne(*points, "a");
      EXPECT_EQ(after.record.metadata, want);
      EXPECT_EQ(after.record.text, before.record.text);
      EXPECT_EQ(after.record.vector, before.record.vector);
      EXPECT_EQ(after.expires_ms, before.expires_ms);
      EXPECT_EQ(after.version, reply->items[0].version);
      const auto found = points->Search(query);
      ASSERT_THAT(found, IsOk());
      ASSERT_EQ(found->hits.size(), 1u);
      EXPECT_EQ(found->hits[0].score, found_before->hits[0].score);
      EXPECT_EQ(*points->Count(Filter::Eq("change", 2.5)), 1u);
      EXPECT_EQ(*points->Count(Filter::Exists("remove")), 0u);
      if (round > 0) break;
      Restart();
      points = *db().OpenCollection(name);
    }
    const auto history = points->History("a");
    ASSERT_THAT(history, IsOk());
    ASSERT_EQ(history->versions.size(), 2u);
    EXPECT_EQ(history->versions[1].record.metadata, metadata);
  }
}

TEST_P(ChangesTest, PatchesOfOneRecordFollowEachOther) {
  auto points = Vectors("points", 2);
  ASSERT_THAT(PutVector(*points, "a", std::vector<float>{1, 0}), IsOk());
  std::vector<PatchItem> items;
  for (int i = 0; i < 10; ++i) {
    items.push_back({"a", {{absl::StrCat("k", i), int64_t{i}}}});
  }
  const auto reply = points->Patch(items);
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(GetOne(*points, "a").record.metadata.size(), 10u);
  EXPECT_EQ(GetOne(*points, "a").version, reply->items[9].version);
}

TEST_P(ChangesTest, APatchIsRefusedWhole) {
  auto points = Vectors("points", 2);
  ASSERT_THAT(PutVector(*points, "a", std::vector<float>{1, 0}), IsOk());
  const Version version = GetOne(*points, "a").version;
  EXPECT_THAT(points->Patch({}), StatusIs(kInvalid, _));
  EXPECT_THAT(PatchOne(*points, "", {}), StatusIs(kInvalid, _));
  EXPECT_THAT(PatchOne(*points, "a", {{"k", true}}, {"k"}),
              StatusIs(kInvalid, HasSubstr("\"k\"")));
  EXPECT_THAT(PatchOne(*points, "a", {}, {""}), StatusIs(kInvalid, _));
  EXPECT_THAT(
      PatchOne(*points, "a", {{"k", std::string(kMaxMetadataBytes, 'x')}}),
      StatusIs(kInvalid, _));
  EXPECT_THAT(PatchOne(*points, "b", {{"k", true}}),
              StatusIs(kNotFound, AllOf(HasSubstr("item 0"), HasSubstr("b"))));
  std::vector<PatchItem> items = {{"a", {{"k", true}}}, {"b", {{"k", true}}}};
  EXPECT_THAT(points->Patch(items), StatusIs(kNotFound, HasSubstr("item 1")));
  items = {{"a", {{"k", true}}, {}, Version{}}};
  EXPECT_THAT(points->Patch(items), StatusIs(kAborted, _));
  // Both halves fit, together they do not.
  const std::string half(kMaxMetadataBytes / 2, 'x');
  EXPECT_THAT(PatchOne(*points, "a", {{"k", half}}), IsOk());
  EXPECT_THAT(PatchOne(*points, "a", {{"l", half}}), StatusIs(kInvalid, _));
  EXPECT_EQ(points->Info()->lamport, 2u);
  items = {{"a", {{"k", true}}, {}, GetOne(*points, "a").version}};
  EXPECT_THAT(points->Patch(items), IsOk());
  EXPECT_NE(GetOne(*points, "a").version, version);
  ASSERT_THAT(DeleteId(*points, "a"), IsOk());
  EXPECT_THAT(PatchOne(*points, "a", {{"k", true}}), StatusIs(kNotFound, _));
}

TEST_P(ChangesTest, APatchThatChangesNothingMayBeSkipped) {
  auto points = Vectors("points", 2);
  ASSERT_THAT(PutVector(*points, "a", std::vector<float>{1, 0}, {{"k", true}}),
              IsOk());
  WriteOptions skip;
  skip.skip_unchanged = true;
  auto reply = PatchOne(*points, "a", {{"k", true}}, {"l"}, skip);
  ASSERT_THAT(reply, IsOk());
  EXPECT_TRUE(reply->items[0].unchanged);
  reply = PatchOne(*points, "a", {{"k", false}}, {"l"}, skip);
  ASSERT_THAT(reply, IsOk());
  EXPECT_FALSE(reply->items[0].unchanged);
}

TEST_P(ChangesTest, ARetriedPatchIsAppliedOnce) {
  auto points = Vectors("points", 2);
  ASSERT_THAT(PutVector(*points, "a", std::vector<float>{1, 0}), IsOk());
  WriteOptions options;
  options.request_id = "r";
  const auto first = PatchOne(*points, "a", {{"k", true}}, {"l"}, options);
  ASSERT_THAT(first, IsOk());
  Restart();
  points = *db().OpenCollection("points");
  const auto again = PatchOne(*points, "a", {{"k", true}}, {"l"}, options);
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->items[0].version, first->items[0].version);
  EXPECT_THAT(PatchOne(*points, "a", {{"k", false}}, {"l"}, options),
              StatusIs(kInvalid, _));
  EXPECT_THAT(PatchOne(*points, "a", {{"k", true}}, {"m"}, options),
              StatusIs(kInvalid, _));
  EXPECT_THAT(PutVector(*points, "a", std::vector<float>{1, 0}, {}, options),
              StatusIs(kInvalid, _));
}

TEST_P(ChangesTest, DeleteMatchingDeletesWhatMatchesAndNothingElse) {
  auto points = Vectors("points", 2);
  for (int i = 0; i < 100; ++i) {
    ASSERT_THAT(PutVector(*points, absl::StrCat("id", i),
                          std::vector<float>{1, 0}, {{"mod", int64_t{i % 3}}}),
                IsOk());
  }
  ASSERT_THAT(DeleteId(*points, "id0"), IsOk());
  const auto none = points->DeleteMatching(Filter::Eq("mod", int64_t{7}));
  ASSERT_THAT(none, IsOk());
  EXPECT_EQ(none->deleted, 0u);
  EXPECT_EQ(none->lamport, 101u);
  EXPECT_EQ(points->Info()->lamport, 101u);
  const auto reply = points->DeleteMatching(Filter::Eq("mod", int64_t{0}));
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->deleted, 33u);
  EXPECT_EQ(reply->lamport, 102u);
  EXPECT_EQ(*points->Count(), 66u);
  EXPECT_EQ(*points->Count(Filter::Eq("mod", int64_t{0})), 0u);
  EXPECT_EQ(*points->Count({}, Moment::At(101)), 99u);
  EXPECT_THAT(points->DeleteMatching(Filter::All()),
              StatusIs(kInvalid, HasSubstr("everything")));
  EXPECT_THAT(points->DeleteMatching(Filter{Filter::Op::kNot}),
              StatusIs(kInvalid, _));
  EXPECT_EQ(*points->Count(), 66u);
}

TEST_P(ChangesTest, ARetriedDeleteMatchingAnswersAsTheFirst) {
  auto points = Vectors("points", 2);
  const Metadata metadata = {{"k", true}};
  ASSERT_THAT(PutVector(*points, "a", std::vector<float>{1, 0}, metadata),
              IsOk());
  WriteOptions options;
  options.request_id = "r";
  const auto first = points->DeleteMatching(Filter::Exists("k"), options);
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first->deleted, 1u);
  ASSERT_THAT(PutVector(*points, "b", std::vector<float>{1, 0}, metadata),
              IsOk());
  Restart();
  points = *db().OpenCollection("points");
  const auto again = points->DeleteMatching(Filter::Exists("k"), options);
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->deleted, 1u);
  EXPECT_EQ(again->lamport, first->lamport);
  EXPECT_EQ(*points->Count(), 1u);
  EXPECT_THAT(points->DeleteMatching(Filter::Exists("l"), options),
              StatusIs(kInvalid, HasSubstr("other content")));
  options.request_id = "s";
  const auto none = points->DeleteMatching(Filter::Exists("l"), options);
  ASSERT_THAT(none, IsOk());
  const auto none_again = points->DeleteMatching(Filter::Exists("l"), options);
  ASSERT_THAT(none_again, IsOk());
  EXPECT_TRUE(none_again->replayed);
  EXPECT_EQ(none_again->deleted, 0u);
  EXPECT_EQ(none_again->lamport, none->lamport);
}

TEST_P(ChangesTest, DeleteMatchingDeletesMoreThanOneWriteHolds) {
  auto points = Vectors("points", 1);
  const std::vector<float> vector = {1};
  const Metadata metadata = {{"k", true}};
  std::vector<std::string> ids;
  for (size_t i = 0; i < kMaxPutRecords + 10; ++i) {
    ids.push_back(absl::StrCat(i));
  }
  for (size_t i = 0; i < ids.size(); i += 5005) {
    std::vector<PutItem> items;
    for (size_t j = i; j < i + 5005; ++j) {
      items.push_back({RecordView(ids[j])});
      items.back().record.vector = vector;
      items.back().record.metadata = &metadata;
    }
    ASSERT_THAT(points->Put(items), IsOk());
  }
  WriteOptions options;
  options.request_id = "r";
  const auto reply = points->DeleteMatching(Filter::Exists("k"), options);
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->deleted, ids.size());
  EXPECT_EQ(reply->lamport, 4u);
  EXPECT_EQ(*points->Count(), 0u);
  const auto again = points->DeleteMatching(Filter::Exists("k"), options);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->deleted, ids.size());
  EXPECT_EQ(again->lamport, 4u);
}

TEST_P(ChangesTest, AnExpiryOutsideItsRangeIsRefused) {
  auto points = Vectors("points", 2);
  const std::vector<float> vector = {1, 0};
  PutItem item{RecordView("a")};
  item.record.vector = vector;
  item.record.expires_ms = -1;
  EXPECT_THAT(points->Put({&item, 1}),
              StatusIs(kInvalid, HasSubstr("expires_ms")));
  // One whose time is over is no live record for conditions and patches.
  item.record.expires_ms = 1;
  item.if_version = Version{};
  EXPECT_THAT(points->Put({&item, 1}), IsOk());
  EXPECT_THAT(PatchOne(*points, "a", {{"k", true}}), StatusIs(kNotFound, _));
  item.record.expires_ms = 0;
  EXPECT_THAT(points->Put({&item, 1}), IsOk());
  EXPECT_THAT(points->Put({&item, 1}), StatusIs(kAborted, _));
}

TEST_P(ChangesTest, ARelaxedWriteIsAnsweredLikeASyncedOne) {
  auto points = Vectors("points", 2);
  WriteOptions relaxed;
  relaxed.durability = Durability::kRelaxed;
  relaxed.request_id = "r";
  const auto first =
      PutVector(*points, "a", std::vector<float>{1, 0}, {}, relaxed);
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(GetOne(*points, "a").version, first->items[0].version);
  relaxed.request_id = "";
  EXPECT_THAT(PatchOne(*points, "a", {{"k", true}}, {}, relaxed), IsOk());
  Restart();
  points = *db().OpenCollection("points");
  EXPECT_EQ(GetOne(*points, "a").record.metadata, (Metadata{{"k", true}}));
  relaxed.request_id = "r";
  const auto again =
      PutVector(*points, "a", std::vector<float>{1, 0}, {}, relaxed);
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(again->replayed);
  EXPECT_THAT(DeleteId(*points, "a", {.durability = Durability::kRelaxed}),
              IsOk());
  const auto stats = db().Stats();
  ASSERT_THAT(stats, IsOk());
  EXPECT_EQ(stats->state, DbState::kWritable);
  EXPECT_EQ(stats->state_reason, "");
}

INSTANTIATE_TEST_SUITE_P(Db, ChangesTest,
                         ::testing::Values(Kind::kLocal, Kind::kRemote),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace corkscrew::testing
