#ifndef CORKSCREW_BASE_ED25519_H_
#define CORKSCREW_BASE_ED25519_H_

#include <string>

#include "absl/strings/string_view.h"

namespace corkscrew {

// Whether `signature` [64] is that of `message` by the owner of `public_key`
// [32] (RFC 8032). False if a length is another.
bool VerifyEd25519(absl::string_view public_key, absl::string_view message,
                   absl::string_view signature);

// The signature [64] of `message` by the private key `seed` [32]. Empty if the
// seed has another length.
std::string SignEd25519(absl::string_view seed, absl::string_view message);

// The public key [32] of the private key `seed` [32]. Empty if the seed has
// another length.
std::string Ed25519PublicKey(absl::string_view seed);

}  // namespace corkscrew

#endif  // CORKSCREW_BASE_ED25519_H_
