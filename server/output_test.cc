#include "server/output.h"

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "base/testing.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "corkscrew/record.h"
#include "corkscrew/search.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/console.h"
#include "server/json_lines.h"
#include "server/json_writer.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;

StoredRecord Stored() {
  StoredRecord stored;
  stored.record.id = "a";
  stored.record.text = "two\nlines";
  stored.record.vector = {0.5f, -0.1f};
  stored.record.metadata = {
      {"i", int64_t{7}}, {"d", 7.0}, {"l", std::vector<std::string>{"x"}}};
  stored.version.lamport = 3;
  stored.wall_ms = 1'700'000'000'000;
  return stored;
}

TEST(OutputTest, ARecordAsJsonCanBeImportedAgain) {
  const StoredRecord stored = Stored();
  JsonWriter json;
  WriteRecord(stored, json);
  EXPECT_EQ(json.text(),
            R"({"id":"a","lamport":3,"wall_ms":1700000000000,"deleted":false,)"
            R"("text":"two\nlines","metadata":{"d":7.0,"i":7,"l":["x"]},)"
            R"("vector":[0.5,-0.1]})");
  const absl::StatusOr<Record> record = ParseRecordLine(json.text());
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->id, stored.record.id);
  EXPECT_EQ(record->text, stored.record.text);
  EXPECT_EQ(record->vector, stored.record.vector);
  EXPECT_EQ(record->metadata, stored.record.metadata);
}

TEST(OutputTest, AHitHasIdScoreAndLamportFirst) {
  Hit hit;
  hit.id = "a";
  hit.score = 0.25f;
  hit.version.lamport = 9;
  JsonWriter json;
  WriteHit(hit, json);
  EXPECT_EQ(json.text(), R"({"id":"a","score":0.25,"lamport":9})");
}

TEST(OutputTest, PeopleGetAlignedTables) {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  const Console console{in, out, err};
  Hit hit;
  hit.id = "dog.noun.1";
  hit.score = 0.71239f;
  hit.text = "a pet";
  hit.metadata = {{"pos", std::string("noun")}};
  PrintHits({hit}, console);
  EXPECT_EQ(out.str(),
            " SCORE  ID          TEXT   METADATA\n"
            "0.7124  dog.noun.1  a pet  pos=\"noun\"\n");
  out.str("");
  PrintHits({}, console);
  EXPECT_EQ(out.str(), "nothing found\n");
  out.str("");
  StoredRecord deleted;
  deleted.record.id = "b";
  deleted.version.lamport = 12;
  deleted.deleted = true;
  PrintRecords({Stored(), deleted}, console);
  EXPECT_EQ(out.str(),
            "LAMPORT  WRITTEN (UTC)        ID  TEXT       METADATA\n"
            "      3  2023-11-14 22:13:20  a   two lines  d=7.0 i=7 l=[\"x\"]\n"
            "     12  1970-01-01 00:00:00  b   (deleted)\n");
}

TEST(OutputTest, StatsListTheCollections) {
  DbStats stats;
  stats.disk_bytes = 2048;
  stats.recovery_dropped_bytes = 777;
  stats.state = DbState::kLowSpace;
  stats.collections.emplace_back();
  stats.collections[0].info.name = "notes";
  stats.collections[0].info.options.dim = 3;
  stats.collections[0].versions = 5;
  JsonWriter json;
  WriteStats(stats, json);
  EXPECT_NE(json.text().find("\"disk_bytes\":2048"), std::string::npos);
  EXPECT_NE(json.text().find("\"recovery_dropped_bytes\":777"),
            std::string::npos);
  EXPECT_NE(json.text().find("\"state\":\"low-space\""), std::string::npos);
  EXPECT_NE(json.text().find("\"versions\":5"), std::string::npos);
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  PrintStats(stats, Console{in, out, err});
  EXPECT_NE(out.str().find("on disk         2.0 KiB\n"), std::string::npos);
  EXPECT_NE(out.str().find("log given up    777 B\n"), std::string::npos)
      << out.str();
  EXPECT_NE(out.str().find("notes"), std::string::npos);
}

}  // namespace
}  // namespace corkscrew
