#include "server/daemon.h"

#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/testing.h"
#include "corkscrew/db.h"
#include "corkscrew/embedder.h"
#include "corkscrew/server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/fake_db.h"
#include "server/json_log.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::FakeState;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::MakeFakeDb;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What the functions below return and were given.
struct Fakes {
  FakeState state = {};
  absl::Status serve_failure = absl::OkStatus();
  ServerOptions options = {};
  bool drained = false;
};
Fakes* fakes = nullptr;

class FakeServer : public Server {
 public:
  explicit FakeServer(std::vector<std::string> addresses)
      : addresses_(std::move(addresses)) {}
  int port() const override { return 0; }
  const std::vector<std::string>& addresses() const override {
    return addresses_;
  }
  void Drain(absl::Time /*deadline*/) override { fakes->drained = true; }

 private:
  const std::vector<std::string> addresses_;
};

}  // namespace

// These take the place of the database, the server and the models, which this
// program is not linked with.

absl::StatusOr<std::unique_ptr<Db>> Db::Open(absl::string_view /*path*/,
                                             const Options& /*options*/) {
  return MakeFakeDb(fakes->state);
}

absl::StatusOr<std::unique_ptr<Server>> Serve(Db& /*db*/,
                                              const ServerOptions& options) {
  if (!fakes->serve_failure.ok()) return fakes->serve_failure;
  fakes->options = options;
  return std::make_unique<FakeServer>(options.addresses);
}

std::shared_ptr<const EmbedderRegistry> ModelDirectories(
    std::vector<std::string> /*directories*/,
    const EmbedderOptions& /*options*/) {
  return nullptr;
}

namespace {

class DaemonTest : public ::testing::Test {
 protected:
  void SetUp() override { fakes = &fakes_; }
  void TearDown() override { fakes = nullptr; }

  // `serving` runs when calls would be answered.
  absl::Status Run(const std::function<void()>& serving) {
    const auto now = [] { return absl::FromUnixMillis(1'700'000'000'123); };
    JsonLog log(log_, now);
    return RunDaemon({.data = "notes", .listen = {"127.0.0.1:7700"}}, ready_,
                     log, now, [&serving] {
                       serving();
                       return std::string("SIGTERM");
                     });
  }

  // The lines of the log, without time.
  std::vector<std::string> Lines() const {
    std::vector<std::string> lines;
    for (const absl::string_view line :
         absl::StrSplit(log_.str(), '\n', absl::SkipEmpty())) {
      lines.emplace_back(line.substr(line.find("\"level\"")));
    }
    return lines;
  }

  Fakes fakes_;
  std::ostringstream ready_;
  std::ostringstream log_;
};

TEST_F(DaemonTest, LogsThatItOpenedServedAndStopped) {
  EXPECT_THAT(Run([] {}), IsOk());
  EXPECT_EQ(ready_.str(), "corkscrewd ready on 127.0.0.1:7700\n");
  EXPECT_THAT(
      Lines(),
      ElementsAre(HasSubstr("\"event\":\"opened\",\"data\":\"notes\",\"ms\":0"),
                  HasSubstr("\"ready\",\"address\":\"127.0.0.1:7700\""),
                  HasSubstr("\"ready\",\"address\":\"unix:"),
                  HasSubstr("\"draining\",\"reason\":\"SIGTERM\""),
                  HasSubstr("\"stopped\"")));
  EXPECT_TRUE(fakes_.drained);
  EXPECT_TRUE(fakes_.state.closed);
}

TEST_F(DaemonTest, LogsWhenWritesStopAndWhenTheyGoOn) {
  EXPECT_THAT(Run([this] {
                const auto& on_state = fakes_.options.on_state;
                on_state(DbState::kLowSpace, "5 MiB are free, want 64");
                on_state(DbState::kWritable, "");
                on_state(DbState::kFailed, "fdatasync: \"I/O error\"");
              }),
              IsOk());
  std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), 8u);
  lines = {lines.begin() + 3, lines.begin() + 6};
  EXPECT_THAT(lines,
              ElementsAre("\"level\":\"error\",\"event\":\"writes_stopped\","
                          "\"state\":\"low-space\","
                          "\"reason\":\"5 MiB are free, want 64\"}",
                          "\"level\":\"info\",\"event\":\"writes_resumed\"}",
                          "\"level\":\"error\",\"event\":\"writes_stopped\","
                          "\"state\":\"failed\","
                          "\"reason\":\"fdatasync: \\\"I/O error\\\"\"}"));
}

TEST_F(DaemonTest, SaysWhyItCanNotServeOrClose) {
  fakes_.serve_failure = absl::UnavailableError("port 7700 is taken");
  EXPECT_EQ(Run([] { FAIL() << "nobody is served"; }), fakes_.serve_failure);
  EXPECT_EQ(ready_.str(), "");

  fakes_.serve_failure = absl::OkStatus();
  fakes_.state.close_failure = absl::UnknownError("disk");
  EXPECT_EQ(Run([] {}), fakes_.state.close_failure);
  EXPECT_THAT(Lines().back(), HasSubstr("\"draining\""));
}

}  // namespace
}  // namespace corkscrew
