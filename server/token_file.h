#ifndef CORKSCREW_SERVER_TOKEN_FILE_H_
#define CORKSCREW_SERVER_TOKEN_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

// Returns the token in file `path`, without surrounding white space. Tokens
// travel in files only: arguments and environment are visible to others.
//   NotFound            no such file; shows a command that makes one
//   PermissionDenied    other users can read it; shows the chmod that helps
//   InvalidArgument     not a regular file, empty, or above 4 KiB
absl::StatusOr<std::string> ReadTokenFile(absl::string_view path);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_TOKEN_FILE_H_
