#include "server/filter_expression.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/testing.h"
#include "corkscrew/filter.h"
#include "corkscrew/limits.h"
#include "corkscrew/metadata.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::HasSubstr;

Filter Parsed(const std::string& expression) {
  const absl::StatusOr<Filter> filter = ParseFilterExpression(expression);
  EXPECT_THAT(filter, IsOk()) << expression;
  return filter.ok() ? *filter : Filter::Eq("unparsed", expression);
}

std::string Text(const char* text) { return text; }

TEST(FilterExpressionTest, BlankMatchesEverything) {
  EXPECT_EQ(Parsed(""), Filter::All());
  EXPECT_EQ(Parsed(" \t\n"), Filter::All());
}

TEST(FilterExpressionTest, EveryComparisonBecomesItsOperator) {
  const std::vector<std::pair<std::string, Filter::Op>> operators = {
      {"=", Filter::Op::kEq},  {"==", Filter::Op::kEq},
      {"!=", Filter::Op::kNe}, {"<", Filter::Op::kLt},
      {"<=", Filter::Op::kLe}, {">", Filter::Op::kGt},
      {">=", Filter::Op::kGe}, {" contains ", Filter::Op::kContains}};
  for (const auto& [text, op] : operators) {
    EXPECT_EQ(Parsed(absl::StrCat("year", text, "3")),
              Filter::Compare(op, "year", int64_t{3}));
  }
  EXPECT_EQ(Parsed("exists(draft)"), Filter::Exists("draft"));
  EXPECT_EQ(Parsed("tag in ('a', 1, true)"),
            Filter::In("tag", {Text("a"), int64_t{1}, true}));
  EXPECT_EQ(Parsed("tag in ()"), Filter::In("tag", {}));
}

TEST(FilterExpressionTest, ValuesKeepTheirTypes) {
  EXPECT_EQ(Parsed("a = 9223372036854775807"), Filter::Eq("a", INT64_MAX));
  EXPECT_EQ(Parsed("a = -9223372036854775808"), Filter::Eq("a", INT64_MIN));
  EXPECT_EQ(Parsed("a = +7"), Filter::Eq("a", int64_t{7}));
  EXPECT_EQ(Parsed("a = 7.0"), Filter::Eq("a", 7.0));
  EXPECT_EQ(Parsed("a = -1e3"), Filter::Eq("a", -1000.0));
  EXPECT_EQ(Parsed("a = 1e-3"), Filter::Eq("a", 0.001));
  EXPECT_EQ(Parsed("a = .5"), Filter::Eq("a", 0.5));
  EXPECT_EQ(Parsed("a = true"), Filter::Eq("a", true));
  EXPECT_EQ(Parsed("a = FALSE"), Filter::Eq("a", false));
  EXPECT_EQ(Parsed("a = \"1\""), Filter::Eq("a", Text("1")));
  EXPECT_EQ(Parsed("a = ['x', \"y\"]"),
            Filter::Eq("a", std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(Parsed("a = []"), Filter::Eq("a", std::vector<std::string>{}));
}

TEST(FilterExpressionTest, StringsKnowEscapes) {
  EXPECT_EQ(Parsed(R"(a = "q\"b\\ \n\r\t\u00e9 'x'")"),
            Filter::Eq("a", Text("q\"b\\ \n\r\t\xC3\xA9 'x'")));
  EXPECT_EQ(Parsed(R"(a = 'it\'s "so"')"),
            Filter::Eq("a", Text("it's \"so\"")));
  EXPECT_EQ(Parsed(R"(a = "\u20AC")"), Filter::Eq("a", Text("\xE2\x82\xAC")));
}

TEST(FilterExpressionTest, KeysAreNamesOrStrings) {
  EXPECT_EQ(Parsed("lex.file-2_x = 1").key, "lex.file-2_x");
  EXPECT_EQ(Parsed("\"two words\" = 1").key, "two words");
  EXPECT_EQ(Parsed("'and' = 1").key, "and");
  EXPECT_EQ(Parsed("inner = 1").key, "inner");
  EXPECT_EQ(Parsed("nothing = 1").key, "nothing");
}

TEST(FilterExpressionTest, AndBindsTighterThanOrAndNotTighterThanBoth) {
  const Filter a = Filter::Eq("a", int64_t{1});
  const Filter b = Filter::Eq("b", int64_t{2});
  const Filter c = Filter::Eq("c", int64_t{3});
  EXPECT_EQ(Parsed("a=1 or b=2 and c=3"), Filter::Or({a, Filter::And({b, c})}));
  EXPECT_EQ(Parsed("(a=1 or b=2) and c=3"),
            Filter::And({Filter::Or({a, b}), c}));
  EXPECT_EQ(Parsed("not a=1 and b=2"), Filter::And({Filter::Not(a), b}));
  EXPECT_EQ(Parsed("not (a=1 AND b=2)"), Filter::Not(Filter::And({a, b})));
  EXPECT_EQ(Parsed("a=1 and b=2 and c=3"), Filter::And({a, b, c}));
}

TEST(FilterExpressionTest, TheExampleOfTheHelpParses) {
  EXPECT_EQ(
      Parsed(R"(pos = "noun" and (year >= 2000 or not exists(draft)) and )"
             R"(tag in ("a","b") and title contains "x")"),
      Filter::And(
          {Filter::Eq("pos", Text("noun")),
           Filter::Or({Filter::Compare(Filter::Op::kGe, "year", int64_t{2000}),
                       Filter::Not(Filter::Exists("draft"))}),
           Filter::In("tag", {Text("a"), Text("b")}),
           Filter::Compare(Filter::Op::kContains, "title", Text("x"))}));
}

TEST(FilterExpressionTest, ErrorsPointAtTheColumn) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"pos",
       "column 4: want = != < <= > >= in or contains after the key, "
       "got the end"},
      {"pos =", "column 6: want a value"},
      {"pos = noun", "column 7: want a value: \"text\""},
      {"= 3", "column 1: want a metadata key"},
      {"a = 1 b = 2", "column 7: want \"and\", \"or\" or the end, got \"b\""},
      {"(a = 1", "column 7: want \")\""},
      {"a = \"x", "column 5: this string has no closing quote"},
      {"a = \"\\q\"", "column 6: unknown escape"},
      {"a = \"\\u12\"", "column 6: want \\u and four hexadecimal digits"},
      {"a = \"\\ud800\"", "column 6: want \\u and four"},
      {"a = \"\xFF\"", "column 5: this string is not valid UTF-8"},
      {"a = 9223372036854775808", "column 5: an integer has 64 bits"},
      {"a = 1e999", "column 5: want a number"},
      {"a = 1x", "column 5: want a number"},
      {"a = --1", "column 5: want a number"},
      {"a in 1", "column 6: want \"(\""},
      {"a in (1 2)", "column 9: want \",\""},
      {"a in (1,)", "column 9: want a value"},
      {"a = [1]", "column 6: a list holds strings"},
      {"exists draft", "column 8: want \"(\""},
      {"\"\" = 1", "column 1: a key is not empty"},
      {"a & b", "column 3: this character starts nothing"},
      {"and = 1", "column 1: want a metadata key (quote"}};
  for (const auto& [expression, message] : cases) {
    EXPECT_THAT(
        ParseFilterExpression(expression),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << expression;
  }
}

TEST(FilterExpressionTest, ErrorsMarkThePlaceUnderTheExpression) {
  EXPECT_EQ(ParseFilterExpression("\xC3\xA9 = 'x").status().message(),
            "filter, column 1: this character starts nothing of the language\n"
            "  \xC3\xA9 = 'x\n"
            "  ^");
  EXPECT_EQ(ParseFilterExpression("a = '\xC3\xA9' oder b").status().message(),
            "filter, column 10: want \"and\", \"or\" or the end, got \"oder\"\n"
            "  a = '\xC3\xA9' oder b\n"
            "          ^");
}

TEST(FilterExpressionTest, DepthAndNumberOfConditionsAreBounded) {
  for (const char* const open : {"(", "not "}) {
    std::string deep;
    for (int i = 0; i < 100'000; ++i) deep += open;
    EXPECT_THAT(
        ParseFilterExpression(deep + "a=1"),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("levels deep")));
  }
  std::string nots;
  for (size_t i = 0; i + 1 < kMaxFilterDepth; ++i) nots += "not ";
  EXPECT_THAT(ParseFilterExpression(nots + "a=1"), IsOk());
  EXPECT_THAT(ParseFilterExpression("not " + nots + "a=1"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("16 levels deep")));
  // One pair of parentheses can hide two levels.
  std::string nested = "a=1";
  for (int i = 0; i < 10; ++i) {
    nested = absl::StrCat("(a=1 and (b=2 or ", nested, "))");
  }
  EXPECT_THAT(
      ParseFilterExpression(nested),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("levels deep")));

  std::string wide = "a=1";
  for (size_t i = 2; i < kMaxFilterNodes; ++i) wide += " or a=1";
  EXPECT_THAT(ParseFilterExpression(wide), IsOk());
  EXPECT_THAT(ParseFilterExpression(wide + " or a=1"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("256 conditions")));
}

}  // namespace
}  // namespace corkscrew
