#include "server/csv.h"

#include <cstddef>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/json_lines.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// All records; a bad one is its message.
std::vector<std::vector<std::string>> ReadAll(const std::string& text) {
  std::istringstream in(text);
  CsvReader reader(in);
  std::vector<std::vector<std::string>> records;
  std::vector<std::string> fields;
  for (;;) {
    const absl::StatusOr<bool> more = reader.Next(fields);
    if (more.ok() && !*more) return records;
    records.push_back(more.ok() ? fields
                                : std::vector<std::string>{absl::StrCat(
                                      "line ", reader.line_number(), ": ",
                                      more.status().message())});
  }
}

TEST(CsvTest, FieldsMayBeQuoted) {
  EXPECT_THAT(ReadAll("a,b,c\r\n1,\"x,\"\"y\"\"\r\n\",\n,\"\",z"),
              ElementsAre(ElementsAre("a", "b", "c"),
                          ElementsAre("1", "x,\"y\"\r\n", ""),
                          ElementsAre("", "", "z")));
  EXPECT_THAT(ReadAll(""), ElementsAre());
  EXPECT_THAT(ReadAll("\n\r\n"), ElementsAre(ElementsAre(""), ElementsAre("")));
  EXPECT_THAT(ReadAll("a\rb,\"\r\""), ElementsAre(ElementsAre("a\rb", "\r")));
}

TEST(CsvTest, AMalformedRecordIsReportedAndTheNextLineIsRead) {
  EXPECT_THAT(ReadAll("a,b\"c,d\ne,f\n"),
              ElementsAre(ElementsAre("line 1: field 2 has a quote but is not "
                                      "quoted"),
                          ElementsAre("e", "f")));
  EXPECT_THAT(
      ReadAll("\"a\nb\"c,d\ne"),
      ElementsAre(ElementsAre("line 1: field 1 goes on behind its closing "
                              "quote"),
                  ElementsAre("e")));
  EXPECT_THAT(ReadAll("x\ny,\"a\nb,c\n"),
              ElementsAre(ElementsAre("x"),
                          ElementsAre("line 2: field 2 has no closing quote")));
  const std::string large(kMaxLineBytes + 1, 'x');
  EXPECT_THAT(
      ReadAll(absl::StrCat(large, "\na\n", large, ",b\nc")),
      ElementsAre(ElementsAre(HasSubstr("line 1: longer than")),
                  ElementsAre("a"), ElementsAre(HasSubstr("line 3: longer")),
                  ElementsAre("c")));
}

TEST(CsvTest, WhatIsWrittenReadsBack) {
  Random random(7);
  const char letters[] = {'a', '"', ',', '\n', '\r', ' '};
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> fields(1 + random.Next() % 4);
    std::string text;
    for (size_t i = 0; i < fields.size(); ++i) {
      const size_t size = random.Next() % 6;
      for (size_t c = 0; c < size; ++c) {
        fields[i].push_back(letters[random.Next() % sizeof(letters)]);
      }
      if (i > 0) text.push_back(',');
      AppendCsvField(fields[i], text);
    }
    if (text.empty()) continue;  // One empty field is an empty line.
    EXPECT_THAT(ReadAll(text + "\r\n"), ElementsAre(fields)) << round;
  }
}

}  // namespace
}  // namespace corkscrew
