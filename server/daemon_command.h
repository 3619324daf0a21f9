#ifndef CORKSCREW_SERVER_DAEMON_COMMAND_H_
#define CORKSCREW_SERVER_DAEMON_COMMAND_H_

// The command line of corkscrewd.

#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "server/daemon.h"

namespace corkscrew {

// What to do: exit with `exit_code`, or serve with `options`.
struct DaemonCommand {
  std::optional<int> exit_code = std::nullopt;
  DaemonOptions options = {};
};

// Reads `arguments` (without the program's name), the variables that `get`
// (like getenv) knows and the configuration file that they name. Prints help,
// the configuration (--print-config, --check-config) to `out` and problems,
// each on a line with where it is, to `err`.
DaemonCommand ReadDaemonCommand(
    const std::vector<std::string>& arguments,
    const std::function<std::optional<std::string>(const std::string&)>& get,
    std::ostream& out, std::ostream& err);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_DAEMON_COMMAND_H_
