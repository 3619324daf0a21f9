#include "rpc/auth.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rpc/limits.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kScheme = "Bearer ";

absl::string_view View(grpc::string_ref text) {
  return {text.data(), text.size()};
}

grpc::Status Refuse(absl::string_view why) {
  return {grpc::StatusCode::UNAUTHENTICATED,
          absl::StrCat(why,
                       ": send the header \"authorization: Bearer "
                       "TOKEN\" with the token of this node")};
}

// The path comes from the transport, not from a header that a client adds
// beside it: HTTP/2 allows exactly one.
bool IsHealth(const TokenAuth::InputMetadata& headers) {
  if (headers.count(":path") != 1) return false;
  const absl::string_view path = View(headers.find(":path")->second);
  return path == "/grpc.health.v1.Health/Check" ||
         path == "/grpc.health.v1.Health/Watch";
}

}  // namespace

absl::Status ValidateToken(absl::string_view token) {
  if (token.size() < kMinTokenBytes || token.size() > kMaxTokenBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("token: ", token.size(), " bytes, want ", kMinTokenBytes,
                     "..", kMaxTokenBytes));
  }
  for (const char c : token) {
    if (c <= 0x20 || c >= 0x7F) {
      return absl::InvalidArgumentError(
          "token: has a space, a control character or a character outside "
          "ASCII; want printable ASCII characters only");
    }
  }
  return absl::OkStatus();
}

grpc::Status TokenAuth::Process(const InputMetadata& headers,
                                grpc::AuthContext* /*context*/,
                                OutputMetadata* consumed,
                                OutputMetadata* /*response*/) {
  if (IsHealth(headers)) return grpc::Status::OK;
  const size_t given = headers.count("authorization");
  if (given == 0) return Refuse("no token");
  if (given > 1) return Refuse("more than one authorization header");
  const grpc::string_ref header = headers.find("authorization")->second;
  absl::string_view value = View(header);
  if (!absl::StartsWithIgnoreCase(value, kScheme)) {
    return Refuse("the authorization header is not a bearer token");
  }
  value.remove_prefix(kScheme.size());
  // Digests have one length, so the comparison takes the same time for every
  // token and shows nothing of the right one.
  if (!EqualInConstantTime(Sha256(value), digest_)) {
    return Refuse("wrong token");
  }
  // No handler needs it any more.
  consumed->emplace("authorization", std::string(header.data(), header.size()));
  return grpc::Status::OK;
}

}  // namespace corkscrew
