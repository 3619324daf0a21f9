// The calls of corkscrew.v1.History: everything asked arrives, everything
// answered comes back.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/testing.h"
#include "corkscrew/client.h"
#include "corkscrew/server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/convert_history.h"
#include "rpc/fake_db.h"

namespace corkscrew {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using testing::IsOk;
using testing::StatusIs;

constexpr char kToken[] = "0123456789abcdef";

class RemoteHistoryTest : public ::testing::Test {
 protected:
  RemoteHistoryTest() {
    ServerOptions options;
    options.addresses = {"127.0.0.1:0"};
    options.token = kToken;
    auto server = Serve(db_, options);
    EXPECT_THAT(server, IsOk());
    server_ = *std::move(server);
    auto remote = Connect(server_->address(), {.token = kToken});
    EXPECT_THAT(remote, IsOk());
    remote_ = *std::move(remote);
    notes_ = *remote_->CreateCollection("notes", {});
    fake_ = *db_.Find("notes");
  }

  testing::FakeDb db_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Db> remote_;
  std::shared_ptr<Collection> notes_;
  std::shared_ptr<testing::FakeCollection> fake_;
};

TEST_F(RemoteHistoryTest, AllOfATagArrives) {
  auto answers = fake_->answers();
  answers.tag = {"v1", 7, 1234};
  answers.tags = {{"v1", 7, 1234}, {"v2", 9, 5678}};
  fake_->Answer(answers);
  const auto tag = notes_->CreateTag("v1", Moment::AtTag("v0"));
  ASSERT_THAT(tag, IsOk());
  EXPECT_EQ(tag->name, "v1");
  EXPECT_EQ(tag->lamport, 7u);
  EXPECT_EQ(tag->wall_ms, 1234);
  EXPECT_EQ(fake_->asked().tag, "v1");
  EXPECT_EQ(fake_->asked().at, Moment::AtTag("v0"));
  ASSERT_THAT(notes_->CreateTag("v2"), IsOk());
  EXPECT_EQ(fake_->asked().at, std::nullopt);
  ASSERT_THAT(notes_->DeleteTag("v3"), IsOk());
  EXPECT_EQ(fake_->asked().tag, "v3");
  const auto tags = notes_->ListTags();
  ASSERT_THAT(tags, IsOk());
  ASSERT_EQ(tags->size(), 2u);
  EXPECT_EQ((*tags)[1].name, "v2");
  EXPECT_EQ((*tags)[1].lamport, 9u);
}

TEST_F(RemoteHistoryTest, RetentionArrives) {
  auto answers = fake_->answers();
  answers.retention = {3, absl::Hours(5)};
  answers.applied = {11, 13};
  fake_->Answer(answers);
  for (const Retention& retention :
       {Retention{}, Retention{7, absl::InfiniteDuration()},
        Retention{0, absl::Milliseconds(1)}, Retention{1, absl::Hours(24)}}) {
    ASSERT_THAT(notes_->SetRetention(retention), IsOk());
    EXPECT_EQ(fake_->asked().retention, retention);
  }
  // Never less is kept than was asked for.
  ASSERT_THAT(notes_->SetRetention({0, absl::Microseconds(1500)}), IsOk());
  EXPECT_EQ(fake_->asked().retention.keep_for, absl::Milliseconds(2));
  EXPECT_EQ(*notes_->GetRetention(), (Retention{3, absl::Hours(5)}));
  const auto applied = notes_->ApplyRetention();
  ASSERT_THAT(applied, IsOk());
  EXPECT_EQ(applied->removed, 11u);
  EXPECT_EQ(applied->floor, 13u);
}

TEST_F(RemoteHistoryTest, APurgeArrives) {
  auto answers = fake_->answers();
  answers.purge = {5, 17, {"/backups/1", "/snapshots/2"}};
  fake_->Answer(answers);
  const auto reply = notes_->Purge({"a", "b"});
  ASSERT_THAT(reply, IsOk());
  EXPECT_THAT(fake_->asked().ids, ElementsAre("a", "b"));
  EXPECT_EQ(reply->lamport, 5u);
  EXPECT_EQ(reply->purged, 17u);
  EXPECT_THAT(reply->untouched, ElementsAre("/backups/1", "/snapshots/2"));
  EXPECT_THAT(notes_->Purge({"\xff"}),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
}

TEST_F(RemoteHistoryTest, ErrorsComeBackAsTheyAre) {
  auto answers = fake_->answers();
  answers.status = absl::OutOfRangeError("below the floor");
  fake_->Answer(answers);
  EXPECT_THAT(notes_->CreateTag("t"),
              StatusIs(absl::StatusCode::kOutOfRange, "below the floor"));
}

}  // namespace
}  // namespace corkscrew
