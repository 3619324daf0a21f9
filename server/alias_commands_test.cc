// corkscrew alias and corkscrew reembed over a real database.

#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "corkscrew/embedder.h"
#include "corkscrew/record.h"
#include "embed/tiny_bert.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/cli.h"
#include "server/cli_run.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::CliRunTest;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::TempDir;
using ::corkscrew::testing::TinyBert;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kOld[] = "builtin-deterministic-v1";

class AliasCommandsTest : public CliRunTest {
 protected:
  AliasCommandsTest() : CliRunTest(RealSystem()) {
    std::ofstream(dir_.path() + "/tiny.gguf", std::ios::binary)
        << TinyBert().Build();
  }

  std::string path() const { return dir_.path() + "/db"; }

  int Reembed(const std::vector<std::string>& more) {
    std::vector<std::string> all = {"reembed",   path(),    "--model-dir",
                                    dir_.path(), "--model", "tiny"};
    all.insert(all.end(), more.begin(), more.end());
    return Run(all);
  }

  std::unique_ptr<Db> Open() {
    Options options;
    options.embedders = ModelDirectories({dir_.path()});
    auto db = Db::Open(path(), options);
    EXPECT_THAT(db, IsOk());
    return *std::move(db);
  }
  static void Put(Collection& collection, const std::string& id,
                  const std::string& text) {
    PutItem item{RecordView(id)};
    item.record.text = text;
    EXPECT_THAT(collection.Put({&item, 1}), IsOk());
  }
  // "notes" of the old model with 70 records, and its alias "docs".
  void Fill() {
    const auto db = Open();
    const auto notes = db->CreateCollection("notes", {.model = kOld});
    ASSERT_THAT(notes, IsOk());
    for (int i = 0; i < 70; ++i) {
      Put(**notes, absl::StrCat("r", i), absl::StrCat("text number ", i));
    }
    ASSERT_THAT(db->SetAlias("docs", "notes"), IsOk());
  }
  // What is at the end of every run.
  void ExpectMoved() {
    const auto db = Open();
    const auto docs = db->OpenCollection("docs");
    ASSERT_THAT(docs, IsOk());
    EXPECT_EQ((*docs)->name(), "docs@tiny");
    EXPECT_EQ((*docs)->Info()->options.model, "tiny");
    EXPECT_EQ((*docs)->Info()->options.dim, 32u);
    EXPECT_EQ(*(*docs)->Count(), 70u);
    EXPECT_EQ((*(*docs)->Get({"r7"}))[0]->record.text, "text number 7");
    EXPECT_EQ(*(*db->OpenCollection("notes"))->Count(), 70u);
    EXPECT_THAT((*docs)->Search(Query::Text("text")), IsOk());
  }

  const TempDir dir_;
};

TEST_F(AliasCommandsTest, AliasesAreSetListedAndDeleted) {
  Fill();
  EXPECT_EQ(Run({"alias", "set", path(), "more", "notes", "--json"}), 0);
  EXPECT_EQ(out_, "{\"alias\":\"more\",\"collection\":\"notes\"}\n");
  EXPECT_EQ(Run({"alias", "list", path(), "--json"}), 0);
  EXPECT_EQ(out_,
            "{\"alias\":\"docs\",\"collection\":\"notes\"}\n"
            "{\"alias\":\"more\",\"collection\":\"notes\"}\n");
  EXPECT_EQ(Run({"alias", "list", path()}), 0);
  EXPECT_THAT(out_, HasSubstr("docs"));
  EXPECT_EQ(Run({"collection", "info", path(), "docs"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("notes"));
  EXPECT_NE(Run({"collection", "drop", path(), "notes"}), 0);
  EXPECT_THAT(err_, HasSubstr("move or delete it first"));
  EXPECT_EQ(Run({"export", path(), "docs", "-"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("text number 7"));
  EXPECT_EQ(Run({"alias", "delete", path(), "more"}), 0);
  EXPECT_EQ(out_, "deleted alias more\n");
  EXPECT_NE(Run({"alias", "delete", path(), "more"}), 0);
  EXPECT_NE(Run({"alias", "set", path(), "x", "nothing"}), 0);
  EXPECT_THAT(err_, HasSubstr("no collection \"nothing\""));
}

TEST_F(AliasCommandsTest, ReembedMovesTheAliasWhenAllIsThere) {
  Fill();
  ASSERT_EQ(Reembed({"docs", "--json"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("\"into\":\"docs@tiny\",\"alias\":\"docs\""));
  EXPECT_THAT(out_, HasSubstr("\"written\":70"));
  ExpectMoved();
  ASSERT_EQ(Reembed({"docs"}), 0) << err_;
  EXPECT_THAT(err_, HasSubstr("already"));
  ExpectMoved();
}

TEST_F(AliasCommandsTest, ReembedGoesOnFromWhereverItStopped) {
  Fill();
  // Killed after it made the collection, within its records, and before the
  // alias was moved.
  for (const int present : {0, 30, 70}) {
    {
      const auto db = Open();
      ASSERT_THAT(db->SetAlias("docs", "notes"), IsOk());
      if (present != 0) {
        ASSERT_THAT(db->DropCollection("docs@tiny"), IsOk());
      }
      auto half = db->CreateCollection("docs@tiny", {.model = "tiny"});
      ASSERT_THAT(half, IsOk());
      for (int i = 0; i < present; ++i) {
        Put(**half, absl::StrCat("r", i), absl::StrCat("text number ", i));
      }
      // Deleted in the source since.
      if (present != 0) Put(**half, "surplus", "gone");
    }
    ASSERT_EQ(Reembed({"docs", "--json"}), 0) << err_;
    EXPECT_THAT(out_, HasSubstr(absl::StrCat("\"written\":", 70 - present)));
    ExpectMoved();
  }
}

TEST_F(AliasCommandsTest, RecordsWithoutTextKeepTheAliasWhereItIs) {
  Fill();
  {
    const auto db = Open();
    const std::vector<float> vector(384, 0.5f);
    PutItem item{RecordView("bare")};
    item.record.vector = vector;
    ASSERT_THAT((*db->OpenCollection("notes"))->Put({&item, 1}), IsOk());
  }
  EXPECT_EQ(Reembed({"docs"}), 3);
  EXPECT_THAT(err_, HasSubstr("--skip-textless"));
  EXPECT_EQ((*Open()->OpenCollection("docs"))->name(), "notes");
  EXPECT_EQ(Reembed({"docs", "--skip-textless"}), 3);
  EXPECT_EQ((*Open()->OpenCollection("docs"))->name(), "docs@tiny");
}

TEST_F(AliasCommandsTest, ACollectionNeedsANameForTheNewOne) {
  Fill();
  EXPECT_NE(Reembed({"notes"}), 0);
  EXPECT_THAT(err_, HasSubstr("--into"));
  EXPECT_NE(Reembed({"notes", "--into", "notes"}), 0);
  EXPECT_THAT(err_, HasSubstr("into itself"));
  ASSERT_EQ(Reembed({"notes", "--into", "other"}), 0) << err_;
  ASSERT_EQ(Reembed({"notes", "--alias", "fresh"}), 0) << err_;
  const auto aliases = Open()->ListAliases();
  ASSERT_THAT(aliases, IsOk());
  EXPECT_THAT(*aliases, ElementsAre(AliasInfo{"docs", "notes"},
                                    AliasInfo{"fresh", "fresh@tiny"}));
}

}  // namespace
}  // namespace corkscrew
