#ifndef CORKSCREW_SERVER_TARGET_H_
#define CORKSCREW_SERVER_TARGET_H_

// TARGET of the command line: a directory, or a node's address. Both give a Db,
// and no command asks which.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "corkscrew/db.h"

namespace corkscrew {

struct TargetOptions {
  std::string target = {};
  bool create_if_missing = false;  // A directory only.
  std::string token_file = {};     // A node over TCP only; required there.
  absl::Duration timeout = absl::InfiniteDuration();  // Of a call to a node.
  std::vector<std::string> model_path = {};           // A directory only.
  size_t threads = 0;  // As Options::threads. A directory only.
  std::function<absl::Time()> now = nullptr;  // Options::now; a directory only.
};

// Whether `target` is "unix:PATH", or "host:port": a port of digits behind the
// last colon and no "/" anywhere. A directory of such a name is written
// "./name:1".
bool IsNodeAddress(absl::string_view target);

// Opens the directory, or connects to the node that holds it (OpenOrConnect());
// or connects to the node that is named.
//   InvalidArgument  a node over TCP without a token file
//   or an error of OpenOrConnect(), Connect() or ReadTokenFile()
absl::StatusOr<std::unique_ptr<Db>> OpenTarget(const TargetOptions& options);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_TARGET_H_
