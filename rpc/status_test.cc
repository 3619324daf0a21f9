#include "rpc/status.h"

#include <string>

#include "base/utf8.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "rpc/limits.h"

namespace corkscrew {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr ErrorPlace kPlace = {.method = "/corkscrew.v1.Records/Put",
                               .collection = "docs"};

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

template <typename Message>
bool Find(const google::rpc::Status& details, Message* message) {
  for (const auto& any : details.details()) {
    if (any.UnpackTo(message)) return true;
  }
  return false;
}

TEST(StatusTest, EveryCodeAndItsMessageSurviveTheWire) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code),
                              "collection \"docs\": 3 of 4");
    const grpc::Status wire = ToGrpcStatus(status, kPlace);
    EXPECT_EQ(static_cast<int>(wire.error_code()), code);
    EXPECT_EQ(FromGrpcStatus(wire), status);
    EXPECT_TRUE(DecidedByNode(wire));
    EXPECT_EQ(Details(wire).code(), code);
  }
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus(), kPlace).ok());
}

TEST(StatusTest, DetailsSayReasonMethodAndCollection) {
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(Find(
      Details(ToGrpcStatus(
          WithReason(absl::NotFoundError("x"), "COLLECTION_REPLACED"), kPlace)),
      &info));
  EXPECT_EQ(info.reason(), "COLLECTION_REPLACED");
  EXPECT_EQ(info.domain(), "corkscrewdb");
  EXPECT_EQ(info.metadata().at("method"), "/corkscrew.v1.Records/Put");
  EXPECT_EQ(info.metadata().at("collection"), "docs");
}

TEST(StatusTest, AFieldViolationNamesTheField) {
  const absl::Status status = FieldViolation("request.items[3]", "missing");
  EXPECT_EQ(status.message(), "request.items[3]: missing");
  google::rpc::BadRequest bad;
  ASSERT_TRUE(Find(Details(ToGrpcStatus(status, kPlace)), &bad));
  ASSERT_EQ(bad.field_violations_size(), 1);
  EXPECT_EQ(bad.field_violations(0).field(), "request.items[3]");
  EXPECT_EQ(bad.field_violations(0).description(), "missing");
}

TEST(StatusTest, UnavailableSaysWhenToRetry) {
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(
      Find(Details(ToGrpcStatus(absl::UnavailableError("x"), kPlace)), &retry));
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_FALSE(
      Find(Details(ToGrpcStatus(absl::DataLossError("x"), kPlace)), &retry));
}

TEST(StatusTest, AStatusOfTheTransportWasNotDecidedByANode) {
  EXPECT_FALSE(DecidedByNode({grpc::StatusCode::UNAVAILABLE, "closed"}));
  EXPECT_FALSE(DecidedByNode({grpc::StatusCode::UNAVAILABLE, "x", "garbage"}));
  google::rpc::ErrorInfo info;
  info.set_domain("somebody.else");
  google::rpc::Status details;
  details.add_details()->PackFrom(info);
  EXPECT_FALSE(DecidedByNode(
      {grpc::StatusCode::UNAVAILABLE, "x", details.SerializeAsString()}));
}

TEST(StatusTest, LongMessagesAreCutBetweenCharacters) {
  for (size_t extra = 0; extra < 8; ++extra) {
    std::string message(kMaxStatusMessageBytes - 4 + extra, 'a');
    message += "\xF0\x9F\xA6\x86";  // Four bytes.
    const grpc::Status wire =
        ToGrpcStatus(absl::NotFoundError(message), kPlace);
    EXPECT_TRUE(IsValidUtf8(wire.error_message()));
    if (extra == 0) {
      EXPECT_EQ(wire.error_message(), message);
    } else {
      EXPECT_LE(wire.error_message().size(), kMaxStatusMessageBytes + 3);
      EXPECT_EQ(wire.error_message().substr(wire.error_message().size() - 3),
                "...");
    }
  }
}

TEST(StatusTest, BytesThatAreNoTextDoNotReachTheWire) {
  const grpc::Status wire =
      ToGrpcStatus(absl::NotFoundError("id \"\xFF\xFE\""), kPlace);
  EXPECT_EQ(wire.error_message(), "id \"??\"");
}

TEST(StatusTest, TheWorstStatusFitsTheHeadersOfOtherClients) {
  std::string worst;
  while (worst.size() < 2 * kMaxStatusMessageBytes) worst += "\xC3\xA9";
  const grpc::Status wire = ToGrpcStatus(FieldViolation(worst, worst),
                                         {.method = "/corkscrew.v1.Records/Put",
                                          .collection = std::string(255, 'x')});
  // Percent-encoding triples, base64 adds a third.
  EXPECT_LT(
      3 * wire.error_message().size() + wire.error_details().size() * 4 / 3,
      8 * 1024);
  EXPECT_TRUE(DecidedByNode(wire));
}

TEST(StatusTest, OutcomesOfItemsKeepCodeAndMessage) {
  google::rpc::Status proto;
  ToProto(absl::InvalidArgumentError("item 3: id is empty"), &proto);
  EXPECT_EQ(FromProto(proto),
            absl::InvalidArgumentError("item 3: id is empty"));
}

}  // namespace
}  // namespace corkscrew
