// The node itself: addresses, limits, health, imports, drain.

#include "corkscrew/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/testing.h"
#include "corkscrew/client.h"
#include "corkscrew/v1/records.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/fake_db.h"
#include "rpc/limits.h"
#include "rpc/probe.h"
#include "rpc/raw_call.h"

namespace corkscrew {
namespace {

using testing::CallRaw;
using testing::FakeCollection;
using testing::FakeDb;
using ::testing::HasSubstr;
using testing::HealthRequest;
using testing::IsOk;
using testing::RawChannel;
using testing::StatusIs;

constexpr char kToken[] = "test-token-0123456789";
const testing::Headers kRight = {
    {"authorization", "Bearer test-token-0123456789"}};

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(fake_.CreateCollection("docs", {.dim = 1}, {}), IsOk());
    behind_ = *fake_.Find("docs");
    auto server = Serve(fake_, {.token = kToken});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    channel_ = RawChannel(server_->address());
  }

  template <typename Change>
  void Answer(Change change) {
    FakeCollection::Answers answers = behind_->answers();
    change(&answers);
    behind_->Answer(std::move(answers));
  }

  FakeDb fake_;
  std::shared_ptr<FakeCollection> behind_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(ServerTest, PortZeroTakesAFreePortAndSaysWhich) {
  EXPECT_GT(server_->port(), 0);
  EXPECT_EQ(server_->address(), absl::StrCat("127.0.0.1:", server_->port()));
  auto other = Serve(fake_, {.addresses = {"[::1]:0"}, .token = kToken});
  if (other.ok()) {  // The machine may have no IPv6.
    EXPECT_EQ((*other)->address(), absl::StrCat("[::1]:", (*other)->port()));
    EXPECT_THAT(Connect((*other)->address(), {.token = kToken}), IsOk());
  }
}

TEST_F(ServerTest, APortInUseIsUnavailable) {
  EXPECT_THAT(
      Serve(fake_, {.addresses = {server_->address()}, .token = kToken}),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr(server_->address())));
}

TEST_F(ServerTest, OtherAddressesThanLoopbackAreRefused) {
  for (const char* address : {"0.0.0.0:0", "[::]:0", "192.0.2.1:0", ""}) {
    EXPECT_THAT(
        Serve(fake_, {.addresses = {address}, .token = kToken}),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("address")));
  }
}

mode_t ModeOf(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 ? info.st_mode : 0;
}

TEST_F(ServerTest, AUnixSocketIsForItsUserAndNeedsNoToken) {
  const testing::TempDir dir;
  const std::string path = dir.path() + "/node";
  const std::string address = "unix:" + path;
  {
    auto server = Serve(fake_, {.addresses = {address}});
    ASSERT_THAT(server, IsOk());
    EXPECT_EQ((*server)->addresses(), std::vector<std::string>{address});
    EXPECT_EQ((*server)->port(), 0);
    EXPECT_EQ(ModeOf(path), S_IFSOCK | 0600);
    auto db = Connect(address, {});
    ASSERT_THAT(db, IsOk());
    EXPECT_THAT((*db)->OpenCollection("docs"), IsOk());
    // The private directory is gone.
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()),
                            std::filesystem::directory_iterator()),
              1);
    EXPECT_THAT(Serve(fake_, {.addresses = {address}}),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr(path)));
    EXPECT_THAT(Connect(address, {}), IsOk());
  }
  EXPECT_EQ(ModeOf(path), 0u);
  EXPECT_THAT(Connect(address, {}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(path)));
}

TEST_F(ServerTest, ASocketThatADeadProcessLeftIsReplacedAnotherFileIsNot) {
  const testing::TempDir dir;
  const std::string path = dir.path() + "/node";
  sockaddr_un stale = {};
  stale.sun_family = AF_UNIX;
  path.copy(stale.sun_path, sizeof(stale.sun_path) - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&stale), sizeof(stale)), 0);
  ASSERT_EQ(listen(fd, 1), 0);
  close(fd);
  {
    auto server = Serve(fake_, {.addresses = {"unix:" + path}});
    ASSERT_THAT(server, IsOk());
    EXPECT_THAT(Connect("unix:" + path, {}), IsOk());
  }
  std::ofstream(path) << "precious";
  EXPECT_THAT(Serve(fake_, {.addresses = {"unix:" + path}}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(path)));
  EXPECT_EQ(std::filesystem::file_size(path), 8u);
}

TEST_F(ServerTest, TcpBesideAUnixSocketStillWantsTheToken) {
  const testing::TempDir dir;
  const std::string unix_address = "unix:" + dir.path() + "/node";
  EXPECT_THAT(Serve(fake_, {.addresses = {unix_address, "127.0.0.1:0"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("token")));
  auto server = Serve(
      fake_, {.addresses = {unix_address, "127.0.0.1:0"}, .token = kToken});
  ASSERT_THAT(server, IsOk());
  ASSERT_EQ((*server)->addresses().size(), 2u);
  EXPECT_THAT(Connect((*server)->addresses()[0], {}), IsOk());
  EXPECT_THAT(Connect((*server)->addresses()[1], {.token = kToken}), IsOk());
  for (const char* token : {"", "wrong-token-0123456789"}) {
    EXPECT_THAT(
        Connect((*server)->addresses()[1], {.token = token}),
        StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("token")));
  }
}

TEST_F(ServerTest, ASocketPathThatIsTooLongIsRefused) {
  for (const std::string& path : {std::string(), "/" + std::string(107, 'x'),
                                  "/" + std::string(97, 'x') + "/s"}) {
    EXPECT_THAT(
        Serve(fake_, {.addresses = {"unix:" + path}}),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("address")));
  }
}

TEST_F(ServerTest, DeadlinesThatMakeNoSenseAreRefused) {
  for (const absl::Duration deadline :
       {absl::ZeroDuration(), -absl::Seconds(1), absl::InfiniteDuration()}) {
    EXPECT_THAT(Serve(fake_, {.token = kToken, .max_deadline = deadline}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("max_deadline")));
  }
}

TEST_F(ServerTest, ACallWithoutADeadlineGetsTheLongestOne) {
  auto server =
      Serve(fake_, {.token = kToken, .max_deadline = absl::Minutes(2)});
  ASSERT_THAT(server, IsOk());
  v1::CountRequest request;
  request.mutable_collection()->set_name("docs");
  const absl::Time before = absl::Now();
  const auto reply =
      CallRaw(RawChannel((*server)->address()), "/corkscrew.v1.Records/Count",
              kRight, request.SerializeAsString());
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  const absl::Time deadline = behind_->asked().call.deadline;
  EXPECT_GE(deadline, before + absl::Minutes(2));
  EXPECT_LE(deadline, absl::Now() + absl::Minutes(2));
}

TEST_F(ServerTest, AMessageAtTheLimitPassesAndOneAboveDoesNot) {
  // Bytes of a field that no version knows, so that any size can be had.
  for (const size_t size :
       {kMaxMessageBytes - 1, kMaxMessageBytes, kMaxMessageBytes + 1}) {
    v1::CountRequest request;
    request.mutable_collection()->set_name("docs");
    std::string bytes = request.SerializeAsString();
    const size_t fill = size - bytes.size() - 6;
    bytes += "\xFA\x01";  // Field 31, length-delimited; its length follows.
    for (int i = 0; i < 4; ++i) {
      bytes +=
          static_cast<char>(((fill >> (7 * i)) & 0x7F) | (i < 3 ? 0x80 : 0));
    }
    bytes.resize(bytes.size() + fill, 'x');
    ASSERT_EQ(bytes.size(), size);
    const auto reply =
        CallRaw(channel_, "/corkscrew.v1.Records/Count", kRight, bytes);
    EXPECT_EQ(reply.status.error_code(),
              size <= kMaxMessageBytes ? grpc::StatusCode::OK
                                       : grpc::StatusCode::RESOURCE_EXHAUSTED)
        << size << ": " << reply.status.error_message();
  }
}

TEST_F(ServerTest, HeadersAreBounded) {
  v1::CountRequest request;
  request.mutable_collection()->set_name("docs");
  for (const bool large : {false, true}) {
    testing::Headers headers = kRight;
    headers.emplace_back("x-filler", std::string(large ? 9000 : 6000, 'x'));
    const auto reply = CallRaw(channel_, "/corkscrew.v1.Records/Count", headers,
                               request.SerializeAsString());
    EXPECT_EQ(
        reply.status.error_code(),
        large ? grpc::StatusCode::RESOURCE_EXHAUSTED : grpc::StatusCode::OK)
        << reply.status.error_message();
  }
  // The node goes on.
  const auto reply =
      CallRaw(RawChannel(server_->address()), "/corkscrew.v1.Records/Count",
              kRight, request.SerializeAsString());
  EXPECT_TRUE(reply.status.ok()) << reply.status.error_message();
}

TEST_F(ServerTest, BytesThatAreNoMessageFailTheirCallOnly) {
  for (const char* method : {"Put", "Get", "List", "Count", "History"}) {
    EXPECT_EQ(CallRaw(channel_, absl::StrCat("/corkscrew.v1.Records/", method),
                      kRight, "\xFF\xFF")
                  .status.error_code(),
              grpc::StatusCode::INTERNAL);
  }
  v1::CountRequest request;
  request.mutable_collection()->set_name("docs");
  EXPECT_TRUE(CallRaw(channel_, "/corkscrew.v1.Records/Count", kRight,
                      request.SerializeAsString())
                  .status.ok());
}

// One Import over the generated stub.
class ImportCall {
 public:
  explicit ImportCall(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::Records::NewStub(channel)) {
    context_.AddMetadata(kRight[0].first, kRight[0].second);
    stream_ = stub_->Import(&context_);
  }

  bool Write(const v1::ImportRequest& request) {
    return stream_->Write(request);
  }
  bool Read(v1::ImportResponse* response) { return stream_->Read(response); }
  grpc::Status Finish() {
    stream_->WritesDone();
    v1::ImportResponse ignored;
    while (stream_->Read(&ignored)) {
    }
    return stream_->Finish();
  }

 private:
  std::unique_ptr<v1::Records::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<
      grpc::ClientReaderWriter<v1::ImportRequest, v1::ImportResponse>>
      stream_;
};

v1::ImportRequest Header(const std::string& collection) {
  v1::ImportRequest request;
  request.mutable_collection()->set_name(collection);
  return request;
}

v1::ImportRequest Batch(const std::string& id) {
  v1::ImportRequest request;
  request.add_items()->mutable_record()->set_id(id);
  return request;
}

TEST_F(ServerTest, AnImportAnswersEachPutInOrder) {
  Answer([](auto* answers) { answers->put.lamport = 3; });
  ImportCall import(channel_);
  v1::ImportRequest header = Header("docs");
  header.mutable_options()->set_request_id("r");
  header.mutable_options()->set_skip_invalid(true);
  ASSERT_TRUE(import.Write(header));
  for (uint64_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(import.Write(Batch(absl::StrCat("id", i))));
    v1::ImportResponse response;
    ASSERT_TRUE(import.Read(&response));
    EXPECT_EQ(response.index(), i);
    EXPECT_EQ(response.put().lamport(), 3u);
    EXPECT_EQ(behind_->asked().items[0].record.id, absl::StrCat("id", i));
    EXPECT_EQ(behind_->asked().write.request_id, absl::StrCat("r/", i));
    EXPECT_TRUE(behind_->asked().write.skip_invalid);
  }
  EXPECT_TRUE(import.Finish().ok());
  EXPECT_EQ(behind_->asked().calls, 5u);
}

TEST_F(ServerTest, AnImportMayBeginWithItems) {
  ImportCall import(channel_);
  v1::ImportRequest request = Batch("a");
  request.mutable_collection()->set_name("docs");
  ASSERT_TRUE(import.Write(request));
  v1::ImportResponse response;
  ASSERT_TRUE(import.Read(&response));
  EXPECT_EQ(response.index(), 0u);
  EXPECT_EQ(behind_->asked().write.request_id, "");
  EXPECT_TRUE(import.Finish().ok());
}

TEST_F(ServerTest, AnImportEndsWithThePutThatFails) {
  ImportCall import(channel_);
  ASSERT_TRUE(import.Write(Header("docs")));
  ASSERT_TRUE(import.Write(Batch("a")));
  v1::ImportResponse response;
  ASSERT_TRUE(import.Read(&response));
  Answer([](auto* answers) {
    answers->status = absl::InvalidArgumentError("item 0: bad");
  });
  ASSERT_TRUE(import.Write(Batch("b")));
  ASSERT_FALSE(import.Read(&response));
  const grpc::Status status = import.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "put 1: item 0: bad");
}

TEST_F(ServerTest, AnImportIntoNothingFails) {
  ImportCall unknown(channel_);
  unknown.Write(Header("nothing"));
  EXPECT_EQ(unknown.Finish().error_code(), grpc::StatusCode::NOT_FOUND);

  ImportCall twice(channel_);
  twice.Write(Header("docs"));
  twice.Write(Header("docs"));
  EXPECT_EQ(twice.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  ImportCall empty(channel_);
  EXPECT_TRUE(empty.Finish().ok());
}

TEST_F(ServerTest, AConnectionHasSoManyCallsAtATime) {
  std::vector<std::unique_ptr<ImportCall>> imports;
  for (int i = 0; i < kMaxConcurrentStreams; ++i) {
    imports.push_back(std::make_unique<ImportCall>(channel_));
    v1::ImportRequest request = Batch("a");
    request.mutable_collection()->set_name("docs");
    ASSERT_TRUE(imports.back()->Write(request));
    v1::ImportResponse response;
    ASSERT_TRUE(imports.back()->Read(&response)) << i;
  }
  // One more waits for a place until its own deadline.
  const auto stub = v1::Records::NewStub(channel_);
  v1::CountRequest request;
  request.mutable_collection()->set_name("docs");
  v1::CountResponse response;
  {
    grpc::ClientContext context;
    context.AddMetadata(kRight[0].first, kRight[0].second);
    context.set_deadline(
        absl::ToChronoTime(absl::Now() + absl::Milliseconds(100)));
    EXPECT_EQ(stub->Count(&context, request, &response).error_code(),
              grpc::StatusCode::DEADLINE_EXCEEDED);
  }
  EXPECT_TRUE(imports.back()->Finish().ok());
  {
    grpc::ClientContext context;
    context.AddMetadata(kRight[0].first, kRight[0].second);
    EXPECT_TRUE(stub->Count(&context, request, &response).ok());
  }
  for (size_t i = 0; i + 1 < imports.size(); ++i) {
    EXPECT_TRUE(imports[i]->Finish().ok());
  }
}

TEST_F(ServerTest, AProbeSaysWhetherTheNodeServes) {
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  EXPECT_THAT(ProbeNode(server_->address(), deadline), IsOk());
  server_->Drain(absl::Now());
  EXPECT_THAT(
      ProbeNode(server_->address(), deadline),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr(server_->address())));
  EXPECT_THAT(ProbeNode("192.0.2.1:80", deadline),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("192")));
}

// A Watch of grpc.health.v1 for the whole node.
class HealthWatch {
 public:
  explicit HealthWatch(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(channel) {
    stream_ =
        stub_.PrepareCall(&context_, "/grpc.health.v1.Health/Watch", &queue_);
    stream_->StartCall(this);
    EXPECT_TRUE(Await());
    stream_->WriteLast(testing::ToBuffer(HealthRequest("")),
                       grpc::WriteOptions(), this);
    EXPECT_TRUE(Await());
  }

  // The next state, or "" at the end.
  std::string Next() {
    grpc::ByteBuffer buffer;
    stream_->Read(&buffer, this);
    return Await() ? testing::FromBuffer(buffer) : "";
  }
  grpc::Status Finish() {
    grpc::Status status;
    stream_->Finish(&status, this);
    Await();
    return status;
  }

 private:
  bool Await() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

TEST_F(ServerTest, AWatchSeesTheDrainAndDoesNotHoldIt) {
  HealthWatch watch(channel_);
  EXPECT_EQ(watch.Next(), "\b\1");
  std::thread drain([&] { server_->Drain(absl::Now() + absl::Minutes(10)); });
  EXPECT_EQ(watch.Next(), "\b\2");
  EXPECT_EQ(watch.Next(), "");
  watch.Finish();
  drain.join();
}

TEST_F(ServerTest, DrainLetsRunningCallsFinishAndRefusesNewOnes) {
  std::atomic<int> inside{0};
  std::promise<void> open;
  std::shared_future<void> opened = open.get_future().share();
  Answer([&](auto* answers) {
    answers->count = 7;
    answers->during = [&, opened](const CallOptions&) {
      ++inside;
      opened.wait();
      return absl::OkStatus();
    };
  });
  auto db = Connect(server_->address(), {.token = kToken});
  ASSERT_THAT(db, IsOk());
  auto docs = (*db)->OpenCollection("docs");
  ASSERT_THAT(docs, IsOk());
  absl::StatusOr<size_t> running = absl::UnknownError("not yet");
  std::thread caller([&] { running = (*docs)->Count(); });
  while (inside.load() < 1) std::this_thread::yield();

  std::thread first([&] { server_->Drain(absl::Now() + absl::Minutes(10)); });
  std::thread second([&] { server_->Drain(absl::Now() + absl::Minutes(10)); });
  // A call that the drain lets in would wait inside and stop this test.
  absl::Status refused;
  while (refused.ok()) refused = (*db)->Stats().status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("")));
  EXPECT_EQ(inside.load(), 1);

  open.set_value();
  first.join();
  second.join();
  caller.join();
  ASSERT_THAT(running, IsOk());
  EXPECT_EQ(*running, 7u);
  server_->Drain(absl::Now());  // Again, and nothing happens.
}

TEST_F(ServerTest, DrainCancelsWhatIsLeftAtTheDeadline) {
  std::atomic<int> inside{0};
  Answer([&](auto* answers) {
    answers->during = [&](const CallOptions& call) {
      ++inside;
      while (!call.cancelled()) std::this_thread::yield();
      return absl::CancelledError("cancelled");
    };
  });
  auto db = Connect(server_->address(), {.token = kToken});
  ASSERT_THAT(db, IsOk());
  auto docs = (*db)->OpenCollection("docs");
  ASSERT_THAT(docs, IsOk());
  absl::StatusOr<size_t> running = absl::UnknownError("not yet");
  std::thread caller([&] { running = (*docs)->Count(); });
  while (inside.load() < 1) std::this_thread::yield();
  server_->Drain(absl::Now());
  caller.join();
  EXPECT_FALSE(running.ok());
}

TEST_F(ServerTest, AnIdleImportEndsWithTheDrain) {
  ImportCall import(channel_);
  v1::ImportRequest request = Batch("a");
  request.mutable_collection()->set_name("docs");
  ASSERT_TRUE(import.Write(request));
  v1::ImportResponse response;
  ASSERT_TRUE(import.Read(&response));
  server_->Drain(absl::Now());
  import.Write(Batch("b"));
  EXPECT_FALSE(import.Finish().ok());
  EXPECT_EQ(behind_->asked().calls, 1u);
}

}  // namespace
}  // namespace corkscrew
