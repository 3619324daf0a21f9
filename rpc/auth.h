#ifndef CORKSCREW_RPC_AUTH_H_
#define CORKSCREW_RPC_AUTH_H_

// Who may call a node. One check in front of every service, before anything of
// a request but its headers is read.

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/hash.h"
#include "grpcpp/security/auth_metadata_processor.h"

namespace corkscrew {

// Checks the form of a token: kMinTokenBytes..kMaxTokenBytes printable ASCII
// characters without spaces.
//   InvalidArgument  says what is wrong, without the token
absl::Status ValidateToken(absl::string_view token);

// Lets calls pass that carry "authorization: Bearer TOKEN", and those of the
// standard health service without one. Others end with UNAUTHENTICATED.
// Immutable. Thread-safe.
class TokenAuth : public grpc::AuthMetadataProcessor {
 public:
  // Keeps only a digest of the token.
  explicit TokenAuth(absl::string_view token) : digest_(Sha256(token)) {}

  // Comparing two digests needs no thread of its own.
  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& headers, grpc::AuthContext* context,
                       OutputMetadata* consumed,
                       OutputMetadata* response) override;

 private:
  const Sha256Digest digest_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_RPC_AUTH_H_
