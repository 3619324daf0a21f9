#ifndef CORKSCREW_SERVER_MODEL_KEY_H_
#define CORKSCREW_SERVER_MODEL_KEY_H_

// Files with Ed25519 keys, as `openssl genpkey -algorithm ed25519` and
// `openssl pkey -pubout` write them (PEM), or 64 hexadecimal digits.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

// The public key [32] in file `path`.
//   NotFound         no such file
//   InvalidArgument  not such a key
absl::StatusOr<std::string> ReadPublicKey(absl::string_view path);

// The private key [32] in file `path`. Errors as above.
//   PermissionDenied  other users can read it; shows the chmod that helps
absl::StatusOr<std::string> ReadPrivateKey(absl::string_view path);

// The 32 bytes in `text`, a file called `path`: behind `der`, the fixed
// beginning of a key of 32 bytes between the lines BEGIN `label` and END.
//   InvalidArgument  neither that nor 64 hexadecimal digits
absl::StatusOr<std::string> ParseKey(absl::string_view text,
                                     absl::string_view path,
                                     absl::string_view label,
                                     absl::string_view der);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_MODEL_KEY_H_
