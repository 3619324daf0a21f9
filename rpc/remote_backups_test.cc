// The calls of corkscrew.v1.Backups: what is asked arrives below the node's
// directory, progress and results come back, and either side can end it.

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "base/testing.h"
#include "corkscrew/client.h"
#include "corkscrew/server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/fake_db.h"
#include "rpc/limits.h"

namespace corkscrew {
namespace {

using ::testing::_;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

constexpr char kToken[] = "0123456789abcdef";

Uuid UuidOf(uint8_t byte) {
  Uuid uuid;
  uuid.bytes.fill(byte);
  return uuid;
}

BackupContent Content() {
  BackupContent content;
  content.uuid = UuidOf(1);
  content.replica = UuidOf(2);
  content.incarnation = 0xF000000000000003;
  content.format_version = 4;
  content.wall_ms = 5;
  content.collections = {{"notes", UuidOf(6), 7}, {"words", UuidOf(8), 9}};
  content.files = 10;
  content.bytes = 11;
  return content;
}

void ExpectContent(const BackupContent& content) {
  EXPECT_EQ(content.uuid, UuidOf(1));
  EXPECT_EQ(content.replica, UuidOf(2));
  EXPECT_EQ(content.incarnation, 0xF000000000000003);
  EXPECT_EQ(content.format_version, 4u);
  EXPECT_EQ(content.wall_ms, 5);
  ASSERT_EQ(content.collections.size(), 2u);
  EXPECT_EQ(content.collections[1].name, "words");
  EXPECT_EQ(content.collections[1].uuid, UuidOf(8));
  EXPECT_EQ(content.collections[1].lamport, 9u);
  EXPECT_EQ(content.files, 10u);
  EXPECT_EQ(content.bytes, 11u);
}

class RemoteBackupsTest : public ::testing::Test {
 protected:
  RemoteBackupsTest() { Start(directory_.path()); }

  void Start(const std::string& backup_directory) {
    remote_.reset();
    server_.reset();
    ServerOptions options;
    options.addresses = {"127.0.0.1:0"};
    options.token = kToken;
    options.backup_directory = backup_directory;
    auto server = Serve(db_, options);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    auto remote = Connect(server_->address(), {.token = kToken});
    ASSERT_THAT(remote, IsOk());
    remote_ = *std::move(remote);
  }

  testing::TempDir directory_;
  testing::FakeDb db_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Db> remote_;
};

TEST_F(RemoteBackupsTest, WhatIsSavedComesBack) {
  Mutex mutex;  // Of what the node's threads write.
  std::vector<std::string> places;
  testing::FakeDb::Saves saves;
  saves.during = [&](const std::string& where, const BackupOptions&,
                     const CallOptions&) {
    MutexLock lock(&mutex);
    places.push_back(where);
    return absl::OkStatus();
  };
  saves.snapshot = Content();
  saves.backup = {12, Content(), 13};
  saves.offload = {14, 15, {{"notes", UuidOf(16), 17, 18, 19, 20}}};
  db_.set_saves(saves);
  const auto snapshot = remote_->Snapshot("one");
  ASSERT_THAT(snapshot, IsOk());
  ExpectContent(*snapshot);
  const auto backup = remote_->Backup("two");
  ASSERT_THAT(backup, IsOk());
  EXPECT_EQ(backup->generation, 12u);
  EXPECT_EQ(backup->new_bytes, 13u);
  ExpectContent(backup->content);
  const auto offload = remote_->OffloadLogs("three");
  ASSERT_THAT(offload, IsOk());
  EXPECT_EQ(offload->new_ops, 14u);
  EXPECT_EQ(offload->new_bytes, 15u);
  ASSERT_EQ(offload->logs.size(), 1u);
  EXPECT_EQ(offload->logs[0].name, "notes");
  EXPECT_EQ(offload->logs[0].uuid, UuidOf(16));
  EXPECT_EQ(offload->logs[0].lineage, 17u);
  EXPECT_EQ(offload->logs[0].position, 18u);
  EXPECT_EQ(offload->logs[0].segments, 19u);
  EXPECT_EQ(offload->logs[0].bytes, 20u);
  MutexLock lock(&mutex);
  EXPECT_THAT(places, ::testing::ElementsAre(directory_.path() + "/one",
                                             directory_.path() + "/two",
                                             directory_.path() + "/three"));
}

TEST_F(RemoteBackupsTest, ProgressArrivesBeforeTheResult) {
  // The work goes on when the client has seen the first message.
  Mutex mutex;
  CondVar changed;
  bool seen = false;
  testing::FakeDb::Saves saves;
  saves.during = [&](const std::string&, const BackupOptions& options,
                     const CallOptions&) {
    options.progress({7, 100});
    MutexLock lock(&mutex);
    while (!seen) changed.Wait(&mutex);
    return absl::OkStatus();
  };
  saves.backup.content = Content();
  db_.set_saves(saves);
  BackupOptions options;
  options.progress = [&](const BackupProgress& progress) {
    EXPECT_EQ(progress.bytes, 7u);
    EXPECT_EQ(progress.total, 100u);
    MutexLock lock(&mutex);
    seen = true;
    changed.NotifyAll();
  };
  EXPECT_THAT(remote_->Backup("b", options), IsOk());
  MutexLock lock(&mutex);
  EXPECT_TRUE(seen);
}

TEST_F(RemoteBackupsTest, ErrorsComeBackAsTheyAre) {
  testing::FakeDb::Saves saves;
  saves.during = [](const std::string&, const BackupOptions&,
                    const CallOptions&) {
    return absl::AlreadyExistsError("it is there");
  };
  db_.set_saves(saves);
  EXPECT_THAT(remote_->Snapshot("s"),
              StatusIs(absl::StatusCode::kAlreadyExists, "it is there"));
}

// Runs until it is told to end.
testing::FakeDb::Saves Endless(std::atomic<bool>* ended) {
  testing::FakeDb::Saves saves;
  saves.during = [ended](const std::string&, const BackupOptions& options,
                         const CallOptions& call) {
    while (!call.cancelled() && absl::Now() < call.deadline) {
      options.progress({1, 2});
    }
    *ended = true;
    if (absl::Now() >= call.deadline) {
      return absl::DeadlineExceededError("too late");
    }
    return absl::CancelledError("told to end");
  };
  return saves;
}

TEST_F(RemoteBackupsTest, TheClientsPatienceEndsTheWorkOfTheNode) {
  for (const bool by_call : {true, false}) {
    std::atomic<bool> ended = false;
    db_.set_saves(Endless(&ended));
    bool begun = false;
    BackupOptions options;
    CallOptions call;
    options.progress = [&](const BackupProgress&) { begun = true; };
    (by_call ? call.cancelled : options.cancelled) = [&] { return begun; };
    EXPECT_THAT(remote_->OffloadLogs("l", options, call),
                StatusIs(absl::StatusCode::kCancelled, _));
    server_->Drain(absl::InfiniteFuture());  // Waits for the handler.
    EXPECT_TRUE(ended);
    Start(directory_.path());
  }
}

TEST_F(RemoteBackupsTest, TheDeadlineEndsTheWorkOfTheNode) {
  std::atomic<bool> ended = false;
  db_.set_saves(Endless(&ended));
  CallOptions call;
  call.deadline = absl::Now() + absl::Milliseconds(50);
  EXPECT_THAT(remote_->Backup("b", {}, call),
              StatusIs(absl::StatusCode::kDeadlineExceeded, _));
  server_->Drain(absl::InfiniteFuture());
  EXPECT_TRUE(ended);
}

TEST_F(RemoteBackupsTest, ItMayTakeLongerThanOtherCalls) {
  Mutex mutex;  // Of what the node's thread writes.
  absl::Time deadline;
  testing::FakeDb::Saves saves;
  saves.during = [&](const std::string&, const BackupOptions&,
                     const CallOptions& call) {
    MutexLock lock(&mutex);
    deadline = call.deadline;
    return absl::OkStatus();
  };
  saves.snapshot = Content();
  db_.set_saves(saves);
  const absl::Time before = absl::Now();
  ASSERT_THAT(remote_->Snapshot("s"), IsOk());
  MutexLock lock(&mutex);
  EXPECT_GT(deadline, before + kMaxBackupTime - absl::Minutes(1));
}

TEST_F(RemoteBackupsTest, ANodeThatGoesAwayIsNotTheCallersCancelling) {
  testing::FakeDb::Saves saves;
  saves.during = [](const std::string&, const BackupOptions&,
                    const CallOptions& call) {
    while (!call.cancelled()) std::this_thread::yield();
    return absl::CancelledError("gone");
  };
  db_.set_saves(saves);
  BackupOptions options;
  bool drained = false;
  CallOptions call;
  call.cancelled = [&] {
    if (!std::exchange(drained, true)) server_->Drain(absl::InfinitePast());
    return false;
  };
  EXPECT_THAT(remote_->Backup("b", options, call),
              StatusIs(absl::StatusCode::kUnavailable, _));
}

TEST_F(RemoteBackupsTest, OnlyNamesBelowTheDirectoryAreTaken) {
  std::filesystem::create_directory_symlink("/", directory_.path() + "/link");
  EXPECT_THAT(remote_->Snapshot("../out"),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
  EXPECT_THAT(remote_->Backup("/tmp/out"),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
  EXPECT_THAT(remote_->OffloadLogs("\xff"),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
  EXPECT_THAT(remote_->Backup("link"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("is not a directory")));
  Start("");
  EXPECT_THAT(remote_->Snapshot("one"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("--backup-dir")));
}

}  // namespace
}  // namespace corkscrew
