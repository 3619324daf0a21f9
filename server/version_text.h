#ifndef CORKSCREW_SERVER_VERSION_TEXT_H_
#define CORKSCREW_SERVER_VERSION_TEXT_H_

// Versions on the command line: "LAMPORT.SEQ.REPLICA.INCARNATION", the first
// two decimal, the others 32 and 16 hexadecimal digits.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/record.h"

namespace corkscrew {

std::string VersionText(const Version& version);

// "none" is Version{}.
//   InvalidArgument  anything else
absl::StatusOr<Version> ParseVersion(absl::string_view text);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_VERSION_TEXT_H_
