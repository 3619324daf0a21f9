// corkscrew import and export over a real database.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/random.h"
#include "base/testing.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "corkscrew/record.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/cli.h"
#include "server/cli_run.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::CliRunTest;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::TempDir;
using ::testing::HasSubstr;

// Stands for the death of the process: the input ends in it.
class DyingBuffer : public std::streambuf {
 public:
  DyingBuffer(std::string bytes, size_t die_at) : bytes_(std::move(bytes)) {
    setg(bytes_.data(), bytes_.data(), bytes_.data() + die_at);
  }

 protected:
  int_type underflow() override { throw std::runtime_error("killed"); }

 private:
  std::string bytes_;
};

class ImportTest : public CliRunTest {
 protected:
  ImportTest() : CliRunTest(RealSystem()) {}

  void Create(const std::string& target) {
    ASSERT_EQ(Run({"collection", "create", target, "c", "--dim", "3"}), 0)
        << err_;
  }
  std::string Path(absl::string_view name) const {
    return absl::StrCat(dir_.path(), "/", name);
  }
  nlohmann::json Out() const { return nlohmann::json::parse(out_); }

  // Everything that is live, in a form that can be compared.
  static std::string Content(const std::string& target) {
    const absl::StatusOr<std::unique_ptr<Db>> db = Db::Open(target);
    EXPECT_THAT(db, IsOk());
    const auto collection = *(*db)->OpenCollection("c");
    ListOptions options;
    options.fields.vector = true;
    options.page_size = 7;
    std::string content;
    do {
      const absl::StatusOr<ListReply> reply = collection->List(options);
      EXPECT_THAT(reply, IsOk());
      for (const StoredRecord& stored : reply->records) {
        absl::StrAppend(&content, stored.record.id, "|", stored.record.text,
                        "|");
        for (const auto& [key, value] : stored.record.metadata) {
          absl::StrAppend(&content, key, ":", value.index(), ",");
        }
        for (const float x : stored.record.vector) {
          absl::StrAppend(&content, absl::Hex(std::bit_cast<uint32_t>(x)), " ");
        }
        absl::StrAppend(&content, stored.expires_ms, "\n");
      }
      options.page_token = reply->next_page_token;
    } while (!options.page_token.empty());
    return content;
  }

  static uint64_t Versions(const std::string& target) {
    const absl::StatusOr<std::unique_ptr<Db>> db = Db::Open(target);
    EXPECT_THAT(db, IsOk());
    return (*(*db)->OpenCollection("c"))->Stats()->versions;
  }

  TempDir dir_;
};

// Awkward records: with and without text and metadata, all types, ids twice.
std::string Lines(size_t count, size_t distinct) {
  Random random(11);
  std::string lines;
  for (size_t i = 0; i < count; ++i) {
    nlohmann::json line;
    line["id"] = absl::StrCat("id,\"", i % distinct, "\" ünï");
    line["vector"] = {1.0f + static_cast<float>(random.Next() % 1000) / 7,
                      -0.25, 1e-7};
    if (i % 3 != 0) line["text"] = absl::StrCat(" a \"text\",\n\r\n", i);
    if (i % 2 != 0) {
      line["metadata"] = {{"i", i},
                          {"x", 0.1 * static_cast<double>(i)},
                          {"b", i % 4 == 1},
                          {"s", "a,\"b\""},
                          {"l", {"p", "q,"}}};
    }
    absl::StrAppend(&lines, line.dump(), "\n");
  }
  return lines;
}

TEST_F(ImportTest, WhatIsExportedImportsToTheSameContent) {
  const std::string from = Path("from");
  Create(from);
  ASSERT_EQ(Run({"import", from, "c", "-"}, Lines(1000, 700)), 0) << err_;
  const std::string content = Content(from);
  for (const char* const suffix : {"jsonl", "csv"}) {
    const std::string file = Path(absl::StrCat("all.", suffix));
    ASSERT_EQ(Run({"export", from, "c", file, "--json"}), 0) << err_;
    EXPECT_EQ(Out()["records"], 700);
    const std::string to = Path(absl::StrCat("to-", suffix));
    Create(to);
    ASSERT_EQ(Run({"import", to, "c", file, "--json"}), 0) << err_;
    EXPECT_EQ(Out()["written"], 700);
    EXPECT_EQ(Content(to), content) << suffix;
    EXPECT_FALSE(std::filesystem::exists(file + ".tmp"));
  }
  // These hold vectors and ids; the vectors come back bit by bit.
  for (const char* const suffix : {"npy", "fvecs"}) {
    const std::string file = Path(absl::StrCat("all.", suffix));
    EXPECT_EQ(Run({"export", from, "c", file}), 1);
    EXPECT_THAT(err_, HasSubstr("give --ids FILE"));
    ASSERT_EQ(Run({"export", from, "c", file, "--ids", Path("ids")}), 0)
        << err_;
    const std::string to = Path(absl::StrCat("to-", suffix));
    Create(to);
    ASSERT_EQ(Run({"import", to, "c", file, "--ids", Path("ids")}), 0) << err_;
    const std::string again = Path(absl::StrCat("again.", suffix));
    ASSERT_EQ(Run({"export", to, "c", again, "--ids", Path("ids2")}), 0);
    const auto bytes = [](const std::string& path) {
      std::ifstream in(path, std::ios::binary);
      return std::string(std::istreambuf_iterator<char>(in), {});
    };
    EXPECT_EQ(bytes(again), bytes(file));
    EXPECT_EQ(bytes(Path("ids2")), bytes(Path("ids")));
  }
}

TEST_F(ImportTest, AnExportIsOfOneMomentAndMayBeFiltered) {
  const std::string target = Path("db");
  Create(target);
  const char* const lines =
      "{\"id\":\"a\",\"vector\":[1,0,0],\"metadata\":{\"n\":1}}\n"
      "{\"id\":\"b\",\"vector\":[0,1,0],\"metadata\":{\"n\":2}}\n";
  ASSERT_EQ(Run({"import", target, "c", "-"}, lines), 0);
  ASSERT_EQ(Run({"delete", target, "c", "a"}), 0);
  ASSERT_EQ(Run({"export", target, "c", "-", "--at", "1", "--filter", "n = 1"}),
            0);
  EXPECT_EQ(Out()["id"], "a");
  ASSERT_EQ(Run({"export", target, "c", "-"}), 0);
  EXPECT_EQ(Out()["id"], "b");
}

TEST_F(ImportTest, AHistoryKeepsVersionsDeletesAndMoments) {
  const std::string from = Path("from");
  Create(from);
  const std::string lines =
      "{\"id\":\"a\",\"vector\":[1,0,0],\"text\":\"one\"}\n"
      "{\"id\":\"b\",\"vector\":[0,1,0]}\n"
      "{\"id\":\"a\",\"deleted\":true}\n"
      "{\"id\":\"b\",\"deleted\":true}\n"
      "{\"id\":\"a\",\"vector\":[1,0,0],\"text\":\"one\"}\n"
      "{\"id\":\"c\",\"vector\":[0,0,1],\"expires_ms\":99999999999999}\n"
      "{\"id\":\"a\",\"vector\":[1,0,2]}\n";
  ASSERT_EQ(Run({"import", from, "c", "-"}, lines), 0) << err_;
  ASSERT_EQ(
      Run({"import", from, "c", "-"}, "{\"id\":\"b\",\"vector\":[5,5,5]}\n"),
      0);
  // d is deleted at the end, e has expired.
  ASSERT_EQ(Run({"import", from, "c", "-"},
                "{\"id\":\"d\",\"vector\":[1,1,1],\"text\":\"gone\"}\n"
                "{\"id\":\"d\",\"deleted\":true}\n"
                "{\"id\":\"e\",\"vector\":[1,2,1],\"expires_ms\":1}\n"),
            0)
      << err_;
  const std::string file = Path("history.jsonl");
  ASSERT_EQ(Run({"export", from, "c", file, "--history"}), 0) << err_;
  const std::string to = Path("to");
  Create(to);
  ASSERT_EQ(Run({"import", to, "c", file, "--history", "--json"}), 0) << err_;
  EXPECT_EQ(Out()["deleted"], 3);
  EXPECT_EQ(Content(to), Content(from));
  for (const char* const verb : {"history", "count", "list"}) {
    std::vector<std::string> results;
    for (const std::string& target : {from, to}) {
      std::string result;
      for (const char* const arg :
           {"a", "b", "c", "d", "e", "1", "2", "3", "4", "5", "6"}) {
        const bool history = absl::string_view(verb) == "history";
        if (history == (*arg < 'a')) continue;
        std::vector<std::string> command = {verb, target, "c", "--json"};
        if (history) command.emplace_back("--with-vectors");
        if (!history) command.emplace_back("--at");
        command.emplace_back(arg);
        ASSERT_EQ(Run(command), 0) << err_;
        std::istringstream printed(out_);
        for (std::string line; std::getline(printed, line);) {
          nlohmann::json json = nlohmann::json::parse(line);
          json.erase("wall_ms");
          json.erase("version");  // Names the replica.
          absl::StrAppend(&result, json.dump(), "\n");
        }
      }
      results.push_back(result);
    }
    EXPECT_EQ(results[0], results[1]) << verb;
  }

  EXPECT_EQ(Run({"export", from, "c", Path("x.csv"), "--history"}), 1);
}

// A killed import leaves some batches; the same command writes the rest and
// nothing twice, though ids repeat, so that their heads do not tell.
TEST_F(ImportTest, AKilledImportGoesOnWithoutSecondVersions) {
  const std::string lines = Lines(3000, 40);
  const std::string whole = Path("whole");
  Create(whole);
  ASSERT_EQ(Run({"import", whole, "c", "-"}, lines), 0) << err_;
  ASSERT_EQ(Versions(whole), 3000u);
  const std::string content = Content(whole);
  Random random(3);
  for (int round = 0; round < 4; ++round) {
    const std::string target = Path(absl::StrCat("killed", round));
    Create(target);
    for (int kill = 0; kill < 3; ++kill) {
      DyingBuffer buffer(lines, random.Next() % lines.size());
      std::istream in(&buffer);
      EXPECT_THROW(RunWith(in, {"import", target, "c", "-"}),
                   std::runtime_error);
    }
    ASSERT_EQ(Run({"import", target, "c", "-", "--json"}, lines), 0) << err_;
    EXPECT_EQ(Out()["written"].get<int>() + Out()["replayed"].get<int>(), 3000);
    EXPECT_EQ(Versions(target), 3000u);
    EXPECT_EQ(Content(target), content);
  }
}

TEST_F(ImportTest, AgainWritesWhatHasChangedSince) {
  const std::string target = Path("db");
  Create(target);
  const std::string line = "{\"id\":\"a\",\"vector\":[1,0,0]}\n";
  ASSERT_EQ(Run({"import", target, "c", "-"}, line), 0);
  ASSERT_EQ(
      Run({"import", target, "c", "-"}, "{\"id\":\"a\",\"deleted\":true}\n"), 0)
      << err_;
  EXPECT_THAT(out_, HasSubstr("1 deleted"));
  ASSERT_EQ(Run({"import", target, "c", "-", "--json"}, line), 0);
  EXPECT_EQ(Out()["replayed"], 1);
  EXPECT_EQ(Content(target), "");
  ASSERT_EQ(Run({"import", target, "c", "-", "--json", "--again"}, line), 0);
  EXPECT_EQ(Out()["written"], 1);
  EXPECT_THAT(Content(target), HasSubstr("a|"));
}

TEST_F(ImportTest, TheReportHasAllThatIsLeftOut) {
  const std::string target = Path("db");
  Create(target);
  std::string csv = "id,vector\n";
  for (int i = 0; i < 30; ++i) {
    absl::StrAppend(&csv, i, ",", i % 2 == 0 ? "\"[1,2,3]\"" : "\"[1]\"", "\n");
  }
  absl::StrAppend(&csv, "x,no\n");
  const std::string report = Path("report.jsonl");
  EXPECT_EQ(Run({"import", target, "c", "-", "--format", "csv", "--report",
                 report, "--json"},
                csv),
            3);
  EXPECT_EQ(Out()["written"], 15);
  EXPECT_EQ(Out()["invalid"], 16);
  EXPECT_THAT(err_, HasSubstr("line 32: column \"vector\""));
  EXPECT_THAT(err_, ::testing::Not(HasSubstr("line 31:")));
  std::ifstream in(report);
  std::string line;
  std::map<int, nlohmann::json> lines;
  while (std::getline(in, line)) {
    const nlohmann::json json = nlohmann::json::parse(line);
    lines[json["line"]] = json;
  }
  EXPECT_EQ(lines.size(), 16u);
  EXPECT_EQ(lines[3]["id"], "1");
  EXPECT_THAT(lines[3]["reason"].get<std::string>(),
              HasSubstr("has 1 coordinates, want 3"));
}

}  // namespace
}  // namespace corkscrew
