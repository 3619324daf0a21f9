#include "rpc/status.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "base/utf8.h"
#include "google/rpc/error_details.pb.h"
#include "rpc/limits.h"

namespace corkscrew {
namespace {

constexpr char kBadRequestUrl[] = "type.googleapis.com/google.rpc.BadRequest";
constexpr char kReasonUrl[] = "corkscrewdb/reason";

// Headers that other clients accept, less room for names and framing.
constexpr size_t kMaxEncodedStatusBytes = 7 * 1024;

// What follows from the code alone.
absl::string_view ReasonOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kCancelled:
      return "CANCELLED";
    case absl::StatusCode::kUnknown:
      return "OUTCOME_UNKNOWN";
    case absl::StatusCode::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case absl::StatusCode::kDeadlineExceeded:
      return "DEADLINE_EXCEEDED";
    case absl::StatusCode::kNotFound:
      return "NOT_FOUND";
    case absl::StatusCode::kAlreadyExists:
      return "ALREADY_EXISTS";
    case absl::StatusCode::kPermissionDenied:
      return "PERMISSION_DENIED";
    case absl::StatusCode::kResourceExhausted:
      return "LIMIT_EXCEEDED";
    case absl::StatusCode::kFailedPrecondition:
      return "FAILED_PRECONDITION";
    case absl::StatusCode::kAborted:
      return "VERSION_CONFLICT";
    case absl::StatusCode::kOutOfRange:
      return "OUT_OF_RANGE";
    case absl::StatusCode::kUnimplemented:
      return "UNIMPLEMENTED";
    case absl::StatusCode::kUnavailable:
      return "UNAVAILABLE";
    case absl::StatusCode::kDataLoss:
      return "DATA_LOSS";
    default:
      return "INTERNAL";
  }
}

// Returns `text` as valid UTF-8, cut to `limit` bytes and "..." if longer.
std::string Cut(absl::string_view text, size_t limit) {
  std::string result(text.substr(0, limit));
  if (text.size() > limit) {
    // Not inside a character: at most three bytes of one are left.
    for (int i = 0; i < 3 && !IsValidUtf8(result); ++i) result.pop_back();
    result += "...";
  }
  if (!IsValidUtf8(result)) {
    for (char& c : result) {
      if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    }
  }
  return result;
}

// Bytes of a header value after percent-encoding.
size_t PercentEncodedSize(absl::string_view text) {
  size_t size = 0;
  for (const char c : text) {
    size += (c >= 0x20 && c <= 0x7E && c != '%') ? 1 : 3;
  }
  return size;
}

}  // namespace

absl::Status FieldViolation(absl::string_view field,
                            absl::string_view description) {
  google::rpc::BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field(Cut(field, 256));
  violation->set_description(Cut(description, 512));
  absl::Status status =
      absl::InvalidArgumentError(absl::StrCat(field, ": ", description));
  status.SetPayload(kBadRequestUrl, absl::Cord(bad.SerializeAsString()));
  return status;
}

absl::Status WithReason(absl::Status status, absl::string_view reason) {
  status.SetPayload(kReasonUrl, absl::Cord(reason));
  return status;
}

grpc::Status ToGrpcStatus(const absl::Status& status, const ErrorPlace& place) {
  if (status.ok()) return grpc::Status::OK;
  const std::string message = Cut(status.message(), kMaxStatusMessageBytes);

  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(message);

  google::rpc::ErrorInfo info;
  info.set_domain(std::string(kErrorDomain));
  const auto reason = status.GetPayload(kReasonUrl);
  info.set_reason(reason.has_value() ? std::string(*reason)
                                     : std::string(ReasonOf(status.code())));
  if (!place.method.empty()) {
    (*info.mutable_metadata())["method"] = std::string(place.method);
  }
  if (!place.collection.empty()) {
    (*info.mutable_metadata())["collection"] =
        Cut(place.collection, kMaxCollectionNameBytes);
  }
  details.add_details()->PackFrom(info);

  if (status.code() == absl::StatusCode::kUnavailable) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(1);
    details.add_details()->PackFrom(retry);
  }

  const auto bad = status.GetPayload(kBadRequestUrl);
  if (bad.has_value()) {
    google::protobuf::Any* any = details.add_details();
    any->set_type_url(kBadRequestUrl);
    any->set_value(std::string(*bad));
  }
  // The message travels twice and in base64 the second time; one copy is
  // enough where both are too much for a client's limit on headers.
  if (PercentEncodedSize(message) + details.ByteSizeLong() * 4 / 3 >
      kMaxEncodedStatusBytes) {
    details.clear_message();
    if (bad.has_value()) details.mutable_details()->RemoveLast();
  }
  return {static_cast<grpc::StatusCode>(status.code()), message,
          details.SerializeAsString()};
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  return {static_cast<absl::StatusCode>(status.error_code()),
          status.error_message()};
}

bool DecidedByNode(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return false;
  for (const google::protobuf::Any& any : details.details()) {
    google::rpc::ErrorInfo info;
    if (any.UnpackTo(&info) && info.domain() == kErrorDomain) return true;
  }
  return false;
}

void ToProto(const absl::Status& status, google::rpc::Status* proto) {
  proto->set_code(static_cast<int>(status.code()));
  proto->set_message(Cut(status.message(), kMaxStatusMessageBytes));
}

absl::Status FromProto(const google::rpc::Status& proto) {
  return {static_cast<absl::StatusCode>(proto.code()), proto.message()};
}

}  // namespace corkscrew
