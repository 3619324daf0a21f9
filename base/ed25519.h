#ifndef CORKSCREW_BASE_ED25519_H_
#define CORKSCREW_BASE_ED25519_H_

#include "absl/strings/string_view.h"

namespace corkscrew {

// Whether `signature` [64] is that of `message` by the owner of `public_key`
// [32] (RFC 8032). False if a length is another.
bool VerifyEd25519(absl::string_view public_key, absl::string_view message,
                   absl::string_view signature);

}  // namespace corkscrew

#endif  // CORKSCREW_BASE_ED25519_H_
