#include "server/record_source.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Reads all; the status of the last call if that is an error.
std::pair<std::vector<SourceItem>, absl::Status> ReadAll(RecordSource& source) {
  std::vector<SourceItem> items;
  for (;;) {
    SourceItem item;
    const absl::StatusOr<bool> more = source.Next(item);
    if (!more.ok()) return {std::move(items), more.status()};
    if (!*more) return {std::move(items), absl::OkStatus()};
    items.push_back(std::move(item));
  }
}

std::vector<SourceItem> ReadCsv(const std::string& text) {
  std::istringstream in(text);
  const auto source = CsvSource(in);
  EXPECT_THAT(source, IsOk());
  return ReadAll(**source).first;
}

std::string Fvecs(const std::vector<std::vector<float>>& rows) {
  std::string bytes;
  for (const std::vector<float>& row : rows) {
    const auto dim = static_cast<int32_t>(row.size());
    bytes.append(reinterpret_cast<const char*>(&dim), sizeof(dim));
    bytes.append(reinterpret_cast<const char*>(row.data()),
                 row.size() * sizeof(float));
  }
  return bytes;
}

TEST(RecordSourceTest, TheFormatIsThatOfTheName) {
  EXPECT_EQ(FormatOf("a.csv"), RecordFormat::kCsv);
  EXPECT_EQ(FormatOf("a.npy"), RecordFormat::kNpy);
  EXPECT_EQ(FormatOf("a.fvecs"), RecordFormat::kFvecs);
  EXPECT_EQ(FormatOf("a.jsonl"), RecordFormat::kJsonLines);
  EXPECT_EQ(FormatOf("-"), RecordFormat::kJsonLines);
}

TEST(RecordSourceTest, CsvColumnsAreTypedByTheirNames) {
  const std::vector<SourceItem> items = ReadCsv(
      "\xEF\xBB\xBFid,text,vector,metadata,expires_ms,tag,n:int,x:double,"
      "b:bool,l:strings,a:b,lamport\r\n"
      "r1,hello,\"[1, -2e0]\",\"{\"\"m\"\":[\"\"q\"\"]}\",1700000000000,t,-5,"
      "0.5,true,\"[\"\"u\"\"]\",z,9\n"
      "r2,only text,,,,,,,,,,\n");
  ASSERT_THAT(items, SizeIs(2));
  ASSERT_THAT(items[0].error, IsOk());
  const RecordLine& record = items[0].record;
  EXPECT_EQ(record.id, "r1");
  EXPECT_EQ(record.text, "hello");
  EXPECT_THAT(record.vector, ElementsAre(1, -2));
  EXPECT_EQ(record.expires_ms, 1700000000000);
  EXPECT_EQ(record.metadata, (Metadata{{"m", std::vector<std::string>{"q"}},
                                       {"tag", "t"},
                                       {"n", int64_t{-5}},
                                       {"x", 0.5},
                                       {"b", true},
                                       {"l", std::vector<std::string>{"u"}},
                                       {"a:b", "z"}}));
  ASSERT_THAT(items[1].error, IsOk());
  EXPECT_EQ(items[1].number, 3u);
  EXPECT_TRUE(items[1].record.metadata.empty());

  const std::vector<SourceItem> numeric =
      ReadCsv("vector_1,id,vector_0\n0.1,a,2\n,b,1\n1e60,c,1\n");
  ASSERT_THAT(numeric, SizeIs(3));
  EXPECT_THAT(numeric[0].record.vector, ElementsAre(2, 0.1f));
  EXPECT_THAT(numeric[1].error,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "1 coordinates of the vector, want 2"));
  EXPECT_THAT(numeric[2].error, StatusIs(absl::StatusCode::kInvalidArgument,
                                         HasSubstr("\"vector_1\": 1e60")));
}

TEST(RecordSourceTest, ABadCsvRecordIsReportedAndTheNextIsRead) {
  const std::string header =
      "id,text,vector,metadata,n:int,x:double,b:bool,l:strings,expires_ms\n";
  for (const char* const bad :
       {"a,t", ",t,,,,,,,", "a,,,,,,,,", "a,,[1\",,,,,,,", "a,,1,,,,,,",
        "a,,\"[1],\"\"text\"\":1\",,,,,,", "a,t,,1,,,,,", "a,t,,,1.5,,,,",
        "a,t,,,9223372036854775808,,,,", "a,t,,,,x,,,", "a,t,,,,,yes,,",
        "a,t,,,,,,1,", "a,t,,,,,,\"[1]\",",
        "a,t,,,,,,\"[\"\"a\"\"],\"\"z\"\":1\",", "a,t,,,,,,,-1",
        "a,t,,\"{\"\"n\"\":1}\",1,,,,"}) {
    const std::vector<SourceItem> items =
        ReadCsv(absl::StrCat(header, bad, "\nid,ok,,,,,,,\n"));
    ASSERT_THAT(items, SizeIs(2)) << bad;
    EXPECT_THAT(items[0].error,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("")))
        << bad;
    EXPECT_THAT(items[1].error, IsOk()) << bad;
  }
  for (const char* const bad :
       {"", "text\n", "id,id\n", "id,vector_1\n", "id,vector,vector_0\n",
        "id,vector_0,vector_2\n", "id,vector_1,vector_1\n",
        "id,vector_4294967295\n", "id,n,n:int\n", "id,\"\n"}) {
    std::istringstream in(bad);
    EXPECT_THAT(CsvSource(in).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("")))
        << bad;
  }
}

TEST(RecordSourceTest, FvecsRowsGetTheirIds) {
  const std::string bytes = Fvecs({{1, 2, 3}, {4, 5, 6}});
  std::istringstream in(bytes);
  auto read = ReadAll(*FvecsSource(in, nullptr));
  EXPECT_THAT(read.second, IsOk());
  ASSERT_THAT(read.first, SizeIs(2));
  EXPECT_EQ(read.first[1].record.id, "1");
  EXPECT_THAT(read.first[1].record.vector, ElementsAre(4, 5, 6));

  for (const auto& [ids, message] :
       std::vector<std::pair<std::string, std::string>>{
           {"a\nb\n", ""},
           {"a\nb", ""},
           {"a\n", "the ids file ends after 1 ids"},
           {"a\nb\nc\n", "more lines than the 2 rows"}}) {
    std::istringstream vectors(bytes);
    std::istringstream id_lines(ids);
    read = ReadAll(*FvecsSource(vectors, &id_lines));
    EXPECT_EQ(read.second.ok(), message.empty());
    EXPECT_THAT(std::string(read.second.message()), HasSubstr(message));
    EXPECT_EQ(read.first[0].record.id, "a");
  }
}

TEST(RecordSourceTest, ACutOrUnevenFvecsFileIsAnError) {
  const std::string bytes = Fvecs({{1, 2, 3}, {4, 5, 6}});
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    std::istringstream in(bytes.substr(0, cut));
    const auto read = ReadAll(*FvecsSource(in, nullptr));
    EXPECT_EQ(read.first.size(), cut / 16) << cut;
    EXPECT_EQ(read.second.ok(), cut % 16 == 0) << cut;
  }
  for (const int32_t dim : {0, -1, 16385, INT32_MAX, 2}) {
    std::string bad = bytes;
    bad.replace(16, 4, reinterpret_cast<const char*>(&dim), 4);
    std::istringstream in(bad);
    EXPECT_THAT(ReadAll(*FvecsSource(in, nullptr)).second,
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(absl::StrCat("row 1 has ", dim))));
  }
}

}  // namespace
}  // namespace corkscrew
