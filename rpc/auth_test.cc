// Every method of every service, found by its descriptor, without a token and
// with wrong ones. A new method or a new file is covered by itself.

#include "rpc/auth.h"

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/testing.h"
#include "corkscrew/server.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "rpc/fake_db.h"
#include "rpc/limits.h"
#include "rpc/raw_call.h"
#include "rpc/service.h"

namespace corkscrew {
namespace {

using ::testing::AllOf;
using testing::CallRaw;
using testing::FakeDb;
using ::testing::HasSubstr;
using testing::Headers;
using testing::HealthRequest;
using testing::IsOk;
using ::testing::Not;
using testing::RawChannel;
using testing::StatusIs;

constexpr char kToken[] = "right-token-0123456789";

// "/corkscrew.v1.Records/Put", ... of all files in proto/corkscrew.
std::vector<std::string> AllMethods() {
  const std::filesystem::path root =
      std::filesystem::path(CORKSCREW_SOURCE_DIR) / "proto";
  std::vector<std::string> methods;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(root / "corkscrew")) {
    if (entry.path().extension() != ".proto") continue;
    const std::string name =
        std::filesystem::relative(entry.path(), root).string();
    const google::protobuf::FileDescriptor* file =
        google::protobuf::DescriptorPool::generated_pool()->FindFileByName(
            name);
    EXPECT_NE(file, nullptr) << name << " is not linked into this test";
    if (file == nullptr) continue;
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        methods.push_back(absl::StrCat("/", file->service(s)->full_name(), "/",
                                       file->service(s)->method(m)->name()));
      }
    }
  }
  return methods;
}

class AuthTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = Serve(fake_, {.token = kToken});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    channel_ = RawChannel(server_->address());
  }

  FakeDb fake_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(AuthTest, TheDescriptorsHaveTheMethodsThatThisTestIsAbout) {
  const std::vector<std::string> methods = AllMethods();
  EXPECT_GE(methods.size(), 15u);
  EXPECT_THAT(methods, ::testing::Contains("/corkscrew.v1.Records/Import"));
  EXPECT_THAT(methods, ::testing::Contains("/corkscrew.v1.Search/Search"));
}

TEST_F(AuthTest, NoMethodAnswersWithoutTheToken) {
  const std::string right = absl::StrCat("Bearer ", kToken);
  const std::vector<Headers> wrong = {
      {},
      {{"authorization", ""}},
      {{"authorization", "Bearer"}},
      {{"authorization", "Bearer "}},
      {{"authorization", kToken}},
      {{"authorization", absl::StrCat("Basic ", kToken)}},
      {{"authorization", "Bearer wrong-token-0123456789"}},
      {{"authorization", absl::StrCat(right, "x")}},
      {{"authorization", right.substr(0, right.size() - 1)}},
      {{"authorization", absl::StrCat("Bearer  ", kToken)}},
      {{"authorization", "Bearer wrong"}, {"authorization", right}},
      {{"authorization", right}, {"authorization", right}},
      {{"x-authorization", right}},
      {{"api-key", kToken}},
      {{"x-path", "/grpc.health.v1.Health/Check"}},
  };
  // A message, an empty one, and bytes that are none: nothing of a request is
  // looked at before its token.
  for (const std::string& method : AllMethods()) {
    for (const Headers& headers : wrong) {
      for (const std::string& bytes :
           {std::string("\x0a\x00", 2), std::string(), std::string("\xFF")}) {
        const auto reply = CallRaw(channel_, method, headers, bytes);
        EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::UNAUTHENTICATED)
            << method << ": " << reply.status.error_message();
        EXPECT_THAT(reply.status.error_message(),
                    AllOf(HasSubstr("token"), Not(HasSubstr("right-token"))));
        EXPECT_EQ(reply.bytes, "");
      }
    }
  }
}

TEST_F(AuthTest, EveryMethodAnswersWithTheToken) {
  for (const std::string& method : AllMethods()) {
    for (const char* scheme : {"Bearer ", "bearer "}) {
      const auto reply =
          CallRaw(channel_, method,
                  {{"authorization", absl::StrCat(scheme, kToken)}}, "");
      EXPECT_NE(reply.status.error_code(), grpc::StatusCode::UNAUTHENTICATED)
          << method;
      EXPECT_NE(reply.status.error_code(), grpc::StatusCode::UNIMPLEMENTED)
          << method << " has no handler";
    }
  }
}

TEST_F(AuthTest, UnknownMethodsDoNotShowWithoutTheToken) {
  for (const char* method :
       {"/corkscrew.v1.Records/Nothing", "/x.Y/Z", "/",
        "/grpc.health.v1.Health/Check/", "/grpc.health.v1.Health/Other"}) {
    EXPECT_EQ(CallRaw(channel_, method, {}, "").status.error_code(),
              grpc::StatusCode::UNAUTHENTICATED)
        << method;
  }
}

TEST_F(AuthTest, HealthAnswersWithoutAToken) {
  const std::string check = "/grpc.health.v1.Health/Check";
  std::set<std::string> services = {""};
  for (const std::string& method : AllMethods()) {
    services.insert(method.substr(1, method.rfind('/') - 1));
  }
  ASSERT_EQ(services.size(), 7u);
  for (const std::string& service : services) {
    const auto reply = CallRaw(channel_, check, {}, HealthRequest(service));
    EXPECT_TRUE(reply.status.ok())
        << service << ": " << reply.status.error_message();
    EXPECT_EQ(reply.bytes, "\b\1") << service;
  }
  EXPECT_EQ(
      CallRaw(channel_, check, {}, HealthRequest("x.Y")).status.error_code(),
      grpc::StatusCode::NOT_FOUND);
}

TEST(TokenTest, TokensHaveALengthAndPrintableCharacters) {
  for (const size_t size : {kMinTokenBytes, kMinTokenBytes + 1,
                            kMaxTokenBytes - 1, kMaxTokenBytes}) {
    EXPECT_THAT(ValidateToken(std::string(size, '~')), IsOk());
  }
  for (const size_t size :
       {size_t{0}, kMinTokenBytes - 1, kMaxTokenBytes + 1}) {
    EXPECT_THAT(ValidateToken(std::string(size, '!')),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(absl::StrCat(size, " bytes"))));
  }
  for (int c = 0; c < 256; ++c) {
    std::string token(20, 'x');
    token[7] = static_cast<char>(c);
    EXPECT_EQ(ValidateToken(token).ok(), c > 0x20 && c < 0x7F) << c;
  }
  FakeDb fake;
  EXPECT_THAT(Serve(fake, {.token = ""}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("token")));
}

}  // namespace
}  // namespace corkscrew
