#include "server/json_log.h"

#include <sstream>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

TEST(JsonLogTest, ALineHasTimeLevelEventAndFields) {
  std::ostringstream out;
  JsonLog log(out, [] { return absl::FromUnixMillis(1'700'000'000'123); });
  log.Info("ready", {{"address", "127.0.0.1:1"}, {"ms", 7}});
  log.Error("failed", {{"message", "a\nb"}});
  EXPECT_EQ(out.str(),
            "{\"ts\":\"2023-11-14T22:13:20.123Z\",\"level\":\"info\","
            "\"event\":\"ready\",\"address\":\"127.0.0.1:1\",\"ms\":7}\n"
            "{\"ts\":\"2023-11-14T22:13:20.123Z\",\"level\":\"error\","
            "\"event\":\"failed\",\"message\":\"a\\nb\"}\n");
}

}  // namespace
}  // namespace corkscrew
