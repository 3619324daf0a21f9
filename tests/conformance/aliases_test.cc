// Aliases: second names of collections.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/testing.h"
#include "corkscrew/backup.h"
#include "corkscrew/db.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/harness.h"

namespace corkscrew::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using AliasesTest = ConformanceTest;

std::vector<AliasInfo> Aliases(Db& db) {
  const auto aliases = db.ListAliases();
  EXPECT_THAT(aliases, IsOk());
  return aliases.value_or(std::vector<AliasInfo>{});
}

// The name of the collection that `name` opens.
std::string Opens(Db& db, const std::string& name) {
  const auto collection = db.OpenCollection(name);
  EXPECT_THAT(collection, IsOk());
  return collection.ok() ? (*collection)->name() : "";
}

TEST_P(AliasesTest, AnAliasOpensItsCollectionAlsoAfterARestart) {
  ASSERT_THAT(PutVector(*Vectors("points", 2), "a", {1, 0}), IsOk());
  EXPECT_THAT(Aliases(db()), IsEmpty());
  ASSERT_THAT(db().SetAlias("dots", "points"), IsOk());
  for (int round = 0; round < 3; ++round) {
    EXPECT_THAT(Aliases(db()), ElementsAre(AliasInfo{"dots", "points"}));
    EXPECT_EQ(Opens(db(), "dots"), "points");
    EXPECT_EQ(*(*db().OpenCollection("dots"))->Count(), 1u);
    const auto all = db().ListCollections();
    ASSERT_THAT(all, IsOk());
    EXPECT_EQ(all->size(), 1u);
    if (round == 0) Restart();
    if (round == 1) RestartForReading();
  }
  const auto refused =
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("reading"));
  EXPECT_THAT(db().SetAlias("more", "points"), refused);
  EXPECT_THAT(db().DeleteAlias("dots"), refused);
}

TEST_P(AliasesTest,
       AMovedAliasOpensAnotherCollectionAndHandlesStayWhereTheyAre) {
  auto one = Vectors("one", 2);
  auto two = Vectors("two", 3);
  ASSERT_THAT(db().SetAlias("points", "one"), IsOk());
  ASSERT_THAT(db().SetAlias("points", "one"), IsOk());  // Nothing to do.
  auto before = db().OpenCollection("points");
  ASSERT_THAT(before, IsOk());
  ASSERT_THAT(db().SetAlias("points", "two"), IsOk());
  EXPECT_EQ(Opens(db(), "points"), "two");
  ASSERT_THAT(PutVector(**before, "a", {1, 0}), IsOk());
  EXPECT_EQ(*one->Count(), 1u);
  EXPECT_EQ(*two->Count(), 0u);
  EXPECT_THAT(Aliases(db()), ElementsAre(AliasInfo{"points", "two"}));
  ASSERT_THAT(db().DeleteAlias("points"), IsOk());
  const auto gone = StatusIs(absl::StatusCode::kNotFound, HasSubstr("points"));
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(db().OpenCollection("points"), gone);
    EXPECT_THAT(db().DeleteAlias("points"), gone);
    EXPECT_THAT(Aliases(db()), IsEmpty());
    Restart();
  }
}

TEST_P(AliasesTest, ANameIsThatOfACollectionOrOfAnAlias) {
  Vectors("one", 2);
  Vectors("two", 2);
  ASSERT_THAT(db().SetAlias("alias", "one"), IsOk());
  EXPECT_THAT(db().SetAlias("two", "one"),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("\"two\"")));
  EXPECT_THAT(db().SetAlias("one", "one"),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("\"one\"")));
  EXPECT_THAT(
      db().CreateCollection("alias", {.dim = 2}),
      StatusIs(absl::StatusCode::kAlreadyExists,
               AllOf(HasSubstr("alias"), HasSubstr("collection \"one\""))));
  EXPECT_THAT(
      db().SetAlias("chain", "alias"),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("\"one\"")));
  EXPECT_THAT(db().SetAlias("more", "three"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("three")));
  EXPECT_THAT(Aliases(db()), ElementsAre(AliasInfo{"alias", "one"}));
}

TEST_P(AliasesTest, ACollectionThatAnAliasNamesIsNotDropped) {
  Vectors("one", 2);
  for (int i = 0; i < 7; ++i) {
    ASSERT_THAT(db().SetAlias(absl::StrCat("alias", i), "one"), IsOk());
  }
  EXPECT_THAT(db().DropCollection("one"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("\"alias0\""), HasSubstr("2 more"))));
  EXPECT_THAT(db().DropCollection("alias3"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("alias3"), HasSubstr("\"one\""))));
  EXPECT_EQ(Opens(db(), "alias3"), "one");
  for (int i = 0; i < 7; ++i) {
    ASSERT_THAT(db().DeleteAlias(absl::StrCat("alias", i)), IsOk());
  }
  ASSERT_THAT(db().DropCollection("one"), IsOk());
  // What was an alias may be a collection now.
  Vectors("alias0", 2);
  Restart();
  EXPECT_EQ(Opens(db(), "alias0"), "alias0");
}

TEST_P(AliasesTest, NamesOutsideTheirRangeAreRefusedAndOddOnesAreJustNames) {
  Vectors("one", 2);
  for (const std::string& name :
       {std::string(), std::string(256, 'n'), std::string("_mine"),
        std::string("a\nb"), std::string("a\0b", 3), std::string("\xff")}) {
    EXPECT_THAT(db().SetAlias(name, "one"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("")))
        << absl::CHexEscape(name);
  }
  const std::vector<std::string> odd = {
      "-rf",          ".",     "..",
      "/etc/passwd",  "a b",   "tag/",
      "ALIAS",        "é",     std::string(255, 'n'),
      "collection/0", "%s",    "a/b/c",
      "\"'",          "alias/"};
  for (const std::string& name : odd) {
    EXPECT_THAT(db().SetAlias(name, "one"), IsOk()) << name;
  }
  Restart();
  EXPECT_EQ(Aliases(db()).size(), odd.size());
  for (const std::string& name : odd) {
    EXPECT_EQ(Opens(db(), name), "one") << name;
    EXPECT_THAT(db().DeleteAlias(name), IsOk()) << name;
  }
}

TEST_P(AliasesTest, AMoveIsRefusedUnlessItsConditionsHold) {
  auto one = Vectors("one", 2);
  Vectors("two", 2);
  const auto aborted = [](const char* what) {
    return StatusIs(absl::StatusCode::kAborted, HasSubstr(what));
  };
  EXPECT_THAT(db().SetAlias("a", "one", {.if_collection = "two"}),
              aborted("names no collection, want collection \"two\""));
  ASSERT_THAT(db().SetAlias("a", "one", {.if_collection = ""}), IsOk());
  EXPECT_THAT(db().SetAlias("a", "two", {.if_collection = ""}),
              aborted("names collection \"one\", want no collection"));
  const auto put = PutVector(*one, "x", {1, 0});
  ASSERT_THAT(put, IsOk());
  const auto move = [&](Lamport lamport) {
    return db().SetAlias(
        "a", "two",
        {.if_collection = "one",
         .if_unchanged = AliasOptions::Unchanged{"one", lamport}});
  };
  EXPECT_THAT(move(put->lamport - 1), aborted("Lamport time 1, want 0"));
  EXPECT_THAT(move(put->lamport + 1), aborted("want 2"));
  EXPECT_EQ(Opens(db(), "a"), "one");
  ASSERT_THAT(move(put->lamport), IsOk());
  EXPECT_EQ(Opens(db(), "a"), "two");
  EXPECT_THAT(
      db().SetAlias("a", "one",
                    {.if_unchanged = AliasOptions::Unchanged{"three", 0}}),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("three")));
}

TEST_P(AliasesTest, AliasesComeBackFromASnapshot) {
  Vectors("one", 2);
  ASSERT_THAT(db().SetAlias("a", "one"), IsOk());
  ASSERT_THAT(db().Snapshot(Where("s")), IsOk());
  ASSERT_THAT(db().DeleteAlias("a"), IsOk());
  ASSERT_THAT(RestoreSnapshot(SavedTo("s"), path() + "/new"), IsOk());
  const auto restored = Db::Open(path() + "/new", ConformanceOptions());
  ASSERT_THAT(restored, IsOk());
  EXPECT_THAT(Aliases(**restored), ElementsAre(AliasInfo{"a", "one"}));
  EXPECT_EQ(Opens(**restored, "a"), "one");
}

TEST_P(AliasesTest, ManyAliasesAreListedByName) {
  Vectors("one", 2);
  std::vector<AliasInfo> want;
  for (int i = 1000; i < 1007; ++i) {
    want.push_back({absl::StrCat(std::string(200, 'a'), i), "one"});
  }
  for (size_t i = want.size(); i-- > 0;) {
    ASSERT_THAT(db().SetAlias(want[i].name, "one"), IsOk());
  }
  EXPECT_EQ(Aliases(db()), want);
}

INSTANTIATE_TEST_SUITE_P(All, AliasesTest,
                         ::testing::Values(Kind::kLocal, Kind::kRemote),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace corkscrew::testing
