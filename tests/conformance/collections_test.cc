// Creating, opening, dropping, listing and describing collections, on every
// implementation of Db.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
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

using CollectionsTest = ConformanceTest;

std::vector<std::string> Names(Db& db) {
  std::vector<std::string> names;
  const auto list = db.ListCollections();
  EXPECT_THAT(list, IsOk());
  if (list.ok()) {
    for (const CollectionInfo& info : *list) names.push_back(info.name);
  }
  return names;
}

TEST_P(CollectionsTest, ACreatedCollectionIsListedAndKeepsItsOptions) {
  EXPECT_THAT(Names(db()), IsEmpty());
  CollectionOptions options;
  options.dim = 12;
  options.metric = Metric::kL2;
  options.bits = 3;
  options.seed = 99;
  options.originals = Originals::kCodesOnly;
  ASSERT_THAT(db().CreateCollection("points", options), IsOk());
  Texts("notes");
  EXPECT_THAT(Names(db()), ElementsAre("notes", "points"));
  for (int round = 0; round < 2; ++round) {
    auto points = db().OpenCollection("points");
    ASSERT_THAT(points, IsOk());
    const auto info = (*points)->Info();
    ASSERT_THAT(info, IsOk());
    EXPECT_EQ((*points)->name(), "points");
    EXPECT_EQ(info->name, "points");
    EXPECT_EQ(info->options.dim, 12u);
    EXPECT_EQ(info->options.metric, Metric::kL2);
    EXPECT_EQ(info->options.bits, 3);
    EXPECT_EQ(info->options.seed, 99u);
    EXPECT_EQ(info->options.originals, Originals::kCodesOnly);
    EXPECT_EQ(info->options.shards, 1u);
    EXPECT_EQ(info->space, "");
    EXPECT_EQ(info->lamport, 0u);
    EXPECT_EQ(info->records, 0u);
    EXPECT_NE(info->uuid, Uuid());
    auto notes = db().OpenCollection("notes");
    ASSERT_THAT(notes, IsOk());
    const auto text_info = (*notes)->Info();
    ASSERT_THAT(text_info, IsOk());
    EXPECT_EQ(text_info->options.model, "words");
    EXPECT_EQ(text_info->options.dim, kTextDim);
    EXPECT_EQ(text_info->space, std::string(64, 'a'));
    EXPECT_NE(text_info->uuid, info->uuid);
    Restart();
  }
}

TEST_P(CollectionsTest, OpeningNeverCreates) {
  EXPECT_THAT(db().OpenCollection("missing"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("missing")));
  EXPECT_THAT(Names(db()), IsEmpty());
}

TEST_P(CollectionsTest, ATakenNameIsRefusedAndNamesTheDifference) {
  Vectors("points", 4);
  CollectionOptions options;
  options.dim = 5;
  EXPECT_THAT(
      db().CreateCollection("points", options),
      StatusIs(absl::StatusCode::kAlreadyExists,
               AllOf(HasSubstr("points"), HasSubstr("4"), HasSubstr("5"))));
  options.dim = 4;
  EXPECT_THAT(db().CreateCollection("points", options),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("points")));
}

TEST_P(CollectionsTest, NamesAndOptionsOutsideTheirRangeAreRefused) {
  CollectionOptions good;
  good.dim = 4;
  struct Case {
    std::string name;
    CollectionOptions options;
    absl::StatusCode code;
  };
  std::vector<Case> cases;
  const auto add = [&](std::string name, absl::StatusCode code, auto change) {
    CollectionOptions options = good;
    change(options);
    cases.push_back({std::move(name), options, code});
  };
  const auto keep = [](CollectionOptions&) {};
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  constexpr auto kUnimplemented = absl::StatusCode::kUnimplemented;
  add("", kInvalid, keep);
  add("_system", kInvalid, keep);
  add("_mine", kInvalid, keep);
  add("a\nb", kInvalid, keep);
  add("a\x7f", kInvalid, keep);
  add("\xff", kInvalid, keep);
  add(std::string("a\0b", 3), kInvalid, keep);
  add(std::string(kMaxCollectionNameBytes + 1, 'n'), kInvalid, keep);
  add("x", kInvalid, [](auto& o) { o.dim = 0; });
  add("x", kInvalid, [](auto& o) { o.dim = kMaxDim + 1; });
  add("x", kInvalid, [](auto& o) { o.bits = 0; });
  add("x", kInvalid, [](auto& o) { o.bits = 9; });
  add("x", kInvalid, [](auto& o) { o.bits = -1; });
  add("x", kInvalid, [](auto& o) { o.shards = 0; });
  add("x", kInvalid, [](auto& o) { o.metric = static_cast<Metric>(9); });
  add("x", kInvalid, [](auto& o) { o.model = "words"; });  // dim 4, not 64
  add("x", kUnimplemented, [](auto& o) { o.shards = 2; });
  add("x", absl::StatusCode::kNotFound, [](auto& o) { o.model = "nowhere"; });
  for (const Case& c : cases) {
    EXPECT_THAT(db().CreateCollection(c.name, c.options),
                StatusIs(c.code, ::testing::_))
        << c.name.substr(0, 20) << " dim " << c.options.dim << " bits "
        << c.options.bits << " model " << c.options.model << " shards "
        << c.options.shards;
  }
  EXPECT_THAT(Names(db()), IsEmpty());
  EXPECT_THAT(
      db().CreateCollection(std::string(kMaxCollectionNameBytes, 'n'), good),
      IsOk());
  for (const size_t dim : {size_t{1}, kMaxDim}) {
    good.dim = dim;
    EXPECT_THAT(db().CreateCollection("dim" + std::to_string(dim), good),
                IsOk());
  }
  for (int bits = 1; bits <= 8; ++bits) {
    good.dim = 4;
    good.bits = bits;
    EXPECT_THAT(db().CreateCollection("bits" + std::to_string(bits), good),
                IsOk());
  }
}

TEST_P(CollectionsTest, OddNamesAreJustNames) {
  const std::vector<std::string> names = {
      "docs[", "../../etc/passwd", "a/b", "ünïcödé", "%s%n", " ", "*", "."};
  for (const std::string& name : names) {
    auto collection = Vectors(name, 2);
    ASSERT_NE(collection, nullptr);
    EXPECT_THAT(PutVector(*collection, "id", {1, 2}), IsOk());
  }
  Restart();
  for (const std::string& name : names) {
    auto collection = db().OpenCollection(name);
    ASSERT_THAT(collection, IsOk());
    EXPECT_THAT((*collection)->Count(), IsOk());
    EXPECT_EQ(*(*collection)->Count(), 1u) << name;
  }
}

TEST_P(CollectionsTest, ADroppedCollectionIsGoneForEveryHandle) {
  auto old = Vectors("points", 2);
  ASSERT_THAT(PutVector(*old, "a", {1, 0}), IsOk());
  EXPECT_THAT(db().DropCollection("points"), IsOk());
  EXPECT_THAT(Names(db()), IsEmpty());
  const auto gone = StatusIs(absl::StatusCode::kNotFound, HasSubstr("points"));
  EXPECT_THAT(db().OpenCollection("points"), gone);
  EXPECT_THAT(db().DropCollection("points"), gone);
  EXPECT_THAT(PutVector(*old, "b", {1, 0}), gone);
  EXPECT_THAT(old->Search(Query::Vector({1, 0})), gone);
  EXPECT_THAT(old->Count(), gone);
  EXPECT_THAT(old->Info(), gone);
}

TEST_P(CollectionsTest, RecreatingAfterADropStartsEmptyInANewGeneration) {
  auto old = Vectors("points", 2);
  ASSERT_THAT(PutVector(*old, "a", {1, 0}), IsOk());
  const auto old_info = old->Info();
  ASSERT_THAT(old_info, IsOk());
  ASSERT_THAT(db().DropCollection("points"), IsOk());
  auto fresh = Vectors("points", 2);
  ASSERT_NE(fresh, nullptr);
  for (int round = 0; round < 2; ++round) {
    const auto info = fresh->Info();
    ASSERT_THAT(info, IsOk());
    EXPECT_EQ(info->records, 0u);
    EXPECT_EQ(info->lamport, 0u);
    EXPECT_GT(info->generation, old_info->generation);
    EXPECT_NE(info->uuid, old_info->uuid);
    const auto history = fresh->History("a");
    ASSERT_THAT(history, IsOk());
    EXPECT_THAT(history->versions, IsEmpty());
    if (round == 0) {
      // A handle from before must not see the new collection of that name.
      EXPECT_THAT(old->Count(),
                  StatusIs(absl::StatusCode::kNotFound, HasSubstr("points")));
    }
    Restart();
    auto reopened = db().OpenCollection("points");
    ASSERT_THAT(reopened, IsOk());
    fresh = *reopened;
  }
}

TEST_P(CollectionsTest, StatsCountWhatIsThere) {
  auto points = Vectors("points", 8);
  ASSERT_THAT(PutVector(*points, "a", std::vector<float>(8, 1.0f)), IsOk());
  ASSERT_THAT(PutVector(*points, "a", std::vector<float>(8, 2.0f)), IsOk());
  ASSERT_THAT(PutVector(*points, "b", std::vector<float>(8, 1.0f)), IsOk());
  ASSERT_THAT(DeleteId(*points, "b"), IsOk());
  const auto stats = db().Stats();
  ASSERT_THAT(stats, IsOk());
  EXPECT_NE(stats->uuid, Uuid());
  EXPECT_NE(stats->replica, Uuid());
  EXPECT_GT(stats->disk_bytes, 0u);
  ASSERT_EQ(stats->collections.size(), 1u);
  const CollectionStats& collection = stats->collections[0];
  EXPECT_EQ(collection.info.name, "points");
  EXPECT_EQ(collection.info.records, 1u);
  EXPECT_EQ(collection.info.lamport, 4u);
  EXPECT_EQ(collection.versions, 4u);
  EXPECT_EQ(collection.tombstones, 1u);
  EXPECT_GT(collection.index_bytes, 0u);
  EXPECT_GT(collection.rescore_bytes, 0u);
}

TEST_P(CollectionsTest, AfterCloseEveryCallFailsAndCloseIsIdempotent) {
  auto points = Vectors("points", 2);
  EXPECT_THAT(db().Close(), IsOk());
  EXPECT_THAT(db().Close(), IsOk());
  const auto closed =
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("closed"));
  EXPECT_THAT(PutVector(*points, "a", {1, 0}), closed);
  EXPECT_THAT(points->Search(Query::Vector({1, 0})), closed);
  EXPECT_THAT(points->Info(), closed);
  EXPECT_THAT(db().ListCollections(), closed);
  EXPECT_THAT(db().OpenCollection("points"), closed);
  EXPECT_THAT(db().Stats(), closed);
  EXPECT_THAT(db().DropCollection("points"), closed);
  CollectionOptions options;
  options.dim = 2;
  EXPECT_THAT(db().CreateCollection("more", options), closed);
  EXPECT_THAT(db().Snapshot(Where("s")), closed);
  EXPECT_THAT(db().Backup(Where("b")), closed);
  EXPECT_THAT(db().OffloadLogs(Where("l")), closed);
}

TEST_P(CollectionsTest, OpenedForReadingItSaysSoAndTakesNoWrites) {
  auto points = Vectors("points", 2);
  ASSERT_THAT(PutVector(*points, "a", {1, 0}), IsOk());
  EXPECT_EQ(db().Stats()->state, DbState::kWritable);
  RestartForReading();
  const auto stats = db().Stats();
  ASSERT_THAT(stats, IsOk());
  EXPECT_EQ(stats->state, DbState::kReadOnly);
  EXPECT_NE(stats->state_reason, "");
  points = *db().OpenCollection("points");
  EXPECT_EQ(*points->Count(), 1u);
  EXPECT_EQ(points->Search(Query::Vector({1, 0}))->hits.size(), 1u);
  const auto refused = StatusIs(absl::StatusCode::kFailedPrecondition, _);
  EXPECT_THAT(PutVector(*points, "b", {1, 0}), refused);
  EXPECT_THAT(DeleteId(*points, "a"), refused);
  EXPECT_THAT(points->Purge({"a"}), refused);
  EXPECT_THAT(points->CreateTag("t"), refused);
  EXPECT_THAT(points->SetRetention({}), refused);
  EXPECT_THAT(db().DropCollection("points"), refused);
  EXPECT_THAT(db().Snapshot(Where("s")), refused);
  EXPECT_THAT(db().Backup(Where("b")), refused);
  EXPECT_THAT(db().OffloadLogs(Where("l")), refused);
}

INSTANTIATE_TEST_SUITE_P(Db, CollectionsTest,
                         ::testing::Values(Kind::kLocal, Kind::kRemote),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace corkscrew::testing
