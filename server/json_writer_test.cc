#include "server/json_writer.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace corkscrew {
namespace {

TEST(JsonWriterTest, ObjectsAndArraysNestWithCommasBetween) {
  JsonWriter json;
  json.BeginObject();
  json.Key("a").Integer(1);
  json.Key("b").BeginArray().Bool(true).Null().BeginArray().EndArray();
  json.BeginObject().EndObject().EndArray();
  json.Key("c").String("x").EndObject();
  EXPECT_EQ(json.text(), R"({"a":1,"b":[true,null,[],{}],"c":"x"})");
}

TEST(JsonWriterTest, NumbersReadBackAsTheSameValue) {
  JsonWriter json;
  json.BeginArray();
  json.Float(0.1f).Float(-1e-40f).Float(3).Double(0.1).Double(3).Double(-1e300);
  json.Integer(INT64_MIN).Integer(UINT64_MAX);
  json.Float(-0.0f)
      .Float(NAN)
      .Double(std::numeric_limits<double>::infinity())
      .EndArray();
  EXPECT_EQ(json.text(),
            "[0.1,-1e-40,3,0.1,3.0,-1e+300,-9223372036854775808,"
            "18446744073709551615,-0.0,null,null]");
}

TEST(JsonWriterTest, EveryStringBecomesValidJsonOnOneLine) {
  for (int c = 0; c < 256; ++c) {
    const std::string text = {'a', static_cast<char>(c), 'b'};
    JsonWriter json;
    json.String(text);
    EXPECT_EQ(json.text().find('\n'), std::string::npos);
    const nlohmann::json parsed = nlohmann::json::parse(json.text());
    const std::string expected = c < 0x80 ? text
                                          : "a\xEF\xBF\xBD"
                                            "b";
    EXPECT_EQ(parsed.get<std::string>(), expected) << c;
  }
  JsonWriter json;
  json.String("\xE2\x80\xA8 \xF0\x9F\x98\x80");
  EXPECT_EQ(json.text(), "\"\\u2028 \xF0\x9F\x98\x80\"");
}

}  // namespace
}  // namespace corkscrew
