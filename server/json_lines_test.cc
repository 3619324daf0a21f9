#include "server/json_lines.h"

#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/testing.h"
#include "corkscrew/limits.h"
#include "corkscrew/metadata.h"
#include "corkscrew/record.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(RecordLineTest, TextVectorAndMetadataAreTaken) {
  const absl::StatusOr<Record> record = ParseRecordLine(
      R"({"id":"a","text":"t\u00e9","vector":[1,-0.1,2e-3],)"
      R"("metadata":{"b":true,"i":-7,"d":7.0,"s":"x","l":["p","q"],"e":[]}})");
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->id, "a");
  EXPECT_EQ(record->text, "t\xC3\xA9");
  EXPECT_THAT(record->vector, ElementsAre(1.0f, -0.1f, 0.002f));
  const Metadata expected = {{"b", true},
                             {"i", int64_t{-7}},
                             {"d", 7.0},
                             {"s", std::string("x")},
                             {"l", std::vector<std::string>{"p", "q"}},
                             {"e", std::vector<std::string>{}}};
  EXPECT_EQ(record->metadata, expected);
}

TEST(RecordLineTest, WhatTheToolPrintsCanBeRead) {
  EXPECT_THAT(ParseRecordLine(
                  R"({"id":"a","lamport":7,"wall_ms":-3,"deleted":false,)"
                  R"("score":0.5,"text":"x","vector":null,"metadata":null})"),
              IsOk());
}

TEST(RecordLineTest, FloatsAreRoundedOnce) {
  // Halfway between two floats but for its last digits, which double drops.
  const absl::StatusOr<Record> record = ParseRecordLine(
      R"({"id":"a","vector":[1.00000005960464477539062500000000001]})");
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->vector[0], 1.00000011920928955078125f);
}

TEST(RecordLineTest, BadLinesSayWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "not valid JSON at byte"},
      {"{", "not valid JSON at byte"},
      {"{\"id\":\"a\",}", "not valid JSON at byte"},
      {"{\"id\":\"a\",\"text\":\"\xFF\"}", "not valid JSON at byte"},
      {"{\"id\":\"a\",\"text\":\"x\"} x", "not valid JSON at byte"},
      {"[]", "want one JSON object, got an array"},
      {"7", "want one JSON object, got a number"},
      {"null", "want one JSON object, got null"},
      {"{}", "\"id\" is missing"},
      {R"({"id":"","text":"x"})", "\"id\" is missing or empty"},
      {R"({"id":"a"})", "neither \"text\" nor \"vector\""},
      {R"({"id":7,"text":"x"})", "\"id\" is a number; want a string"},
      {R"({"id":"a","text":["x"]})", "\"text\" is an array; want a string"},
      {R"({"id":"a","txt":"x"})", "unknown key \"txt\""},
      {R"({"id":"a","id":"b","text":"x"})", "key \"id\" occurs twice"},
      {R"({"id":"a","vector":[]})", "\"vector\" is empty"},
      {R"({"id":"a","vector":["x"]})", "\"vector\" has a string where"},
      {R"({"id":"a","vector":[[1]]})", "\"vector\" has an array where"},
      {R"({"id":"a","vector":[1e39]})", "outside the range of float32"},
      {R"({"id":"a","vector":[NaN]})", "not valid JSON"},
      {R"({"id":"a","text":"x","metadata":[]})", "\"metadata\" is an array"},
      {R"({"id":"a","text":"x","metadata":{"k":null}})",
       "metadata \"k\" is null; want a boolean"},
      {R"({"id":"a","text":"x","metadata":{"k":{}}})",
       "metadata \"k\" is an object"},
      {R"({"id":"a","text":"x","metadata":{"k":[1]}})",
       "metadata \"k\": a list holds strings, got a number"},
      {R"({"id":"a","text":"x","metadata":{"k":1,"k":2}})",
       "key \"k\" occurs twice"},
      {R"({"id":"a","text":"x","metadata":{"k":9223372036854775808}})",
       "metadata \"k\": integer 9223372036854775808 does not fit"},
      {R"({"id":"a","text":"x","metadata":{"k":99999999999999999999}})",
       "does not fit into 64 bits"}};
  for (const auto& [line, message] : cases) {
    EXPECT_THAT(
        ParseRecordLine(line),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << line;
  }
}

TEST(RecordLineTest, SizesAreBoundedBeforeAnythingIsBuilt) {
  std::string numbers = "1";
  for (size_t i = 1; i < kMaxDim; ++i) numbers += ",1";
  EXPECT_THAT(ParseRecordLine(
                  absl::StrCat("{\"id\":\"a\",\"vector\":[", numbers, "]}")),
              IsOk());
  EXPECT_THAT(ParseRecordLine(
                  absl::StrCat("{\"id\":\"a\",\"vector\":[", numbers, ",1]}")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("more than 16384 coordinates")));
  EXPECT_THAT(
      ParseRecordLine(std::string(1'000'000, '[')),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("got an array")));
  std::string deep = R"({"id":"a","metadata":)";
  for (int i = 0; i < 100'000; ++i) deep += "{\"k\":";
  EXPECT_THAT(ParseRecordLine(deep),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("metadata \"k\" is an object")));
  std::string keys;
  for (size_t i = 0; i <= kMaxMetadataKeys; ++i) {
    absl::StrAppend(&keys, i == 0 ? "" : ",", "\"k", i, "\":1");
  }
  EXPECT_THAT(ParseMetadata(absl::StrCat("{", keys, "}")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("more than 64 keys")));
  EXPECT_THAT(ParseRecordLine(std::string(kMaxLineBytes + 1, ' ')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bytes")));
}

TEST(RecordLineTest, EveryCutAndEveryFlippedBitGivesAnErrorOrARecord) {
  const std::string line =
      R"({"id":"a","text":"t\u00e9","vector":[1,-0.1],"metadata":{"k":["x"]}})";
  for (size_t size = 0; size < line.size(); ++size) {
    EXPECT_THAT(ParseRecordLine(line.substr(0, size)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("")));
  }
  for (size_t i = 0; i < line.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = line;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      const absl::StatusOr<Record> record = ParseRecordLine(damaged);
      EXPECT_EQ(record.ok(), record.status().message().empty());
    }
  }
}

TEST(QueryLineTest, WantsTextOrVector) {
  const absl::StatusOr<QueryLine> text =
      ParseQueryLine(R"({"id":"q","text":"x"})");
  ASSERT_THAT(text, IsOk());
  EXPECT_EQ(text->text, "x");
  const absl::StatusOr<QueryLine> vector =
      ParseQueryLine(R"({"id":"q","vector":[1,2]})");
  ASSERT_THAT(vector, IsOk());
  EXPECT_THAT(vector->vector, ElementsAre(1, 2));
  EXPECT_THAT(ParseQueryLine(R"({"id":"q"})"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("query \"q\": want one of")));
  EXPECT_THAT(
      ParseQueryLine(R"({"id":"q","text":"x","vector":[1]})"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("want one of")));
}

TEST(MetadataTest, IsOneObject) {
  EXPECT_EQ(*ParseMetadata(R"({"done":false})"), (Metadata{{"done", false}}));
  EXPECT_EQ(*ParseMetadata("{}"), Metadata());
  EXPECT_THAT(ParseMetadata("[1]"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("--metadata: want one JSON object")));
}

TEST(LineReaderTest, EndsOfLinesAndOfInputAreNotPartOfALine) {
  std::istringstream in("a\r\n\nb\nlast");
  LineReader reader(in);
  std::string line;
  std::vector<std::string> lines;
  while (reader.Next(line)) {
    lines.push_back(absl::StrCat(reader.line_number(), ":", line));
  }
  EXPECT_THAT(lines, ElementsAre("1:a", "2:", "3:b", "4:last"));
  EXPECT_EQ(reader.bytes_read(), 10u);
}

TEST(LineReaderTest, ATooLongLineIsLeftOutAndTheNextOneIsRead) {
  std::istringstream in(std::string(kMaxLineBytes, 'x') + "\n" +
                        std::string(kMaxLineBytes + 1, 'x') + "\nb");
  LineReader reader(in);
  std::string line;
  ASSERT_TRUE(reader.Next(line));
  EXPECT_FALSE(reader.too_long());
  EXPECT_EQ(line.size(), kMaxLineBytes);
  ASSERT_TRUE(reader.Next(line));
  EXPECT_TRUE(reader.too_long());
  EXPECT_EQ(line, "");
  ASSERT_TRUE(reader.Next(line));
  EXPECT_FALSE(reader.too_long());
  EXPECT_EQ(line, "b");
  EXPECT_FALSE(reader.Next(line));
}

}  // namespace
}  // namespace corkscrew
