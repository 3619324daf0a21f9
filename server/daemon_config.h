#ifndef CORKSCREW_SERVER_DAEMON_CONFIG_H_
#define CORKSCREW_SERVER_DAEMON_CONFIG_H_

// The configuration of corkscrewd. Every option is one row of one table, and
// can be a flag (--token-file), a variable (CORKSCREWD_TOKEN_FILE) or a key of
// a TOML file (token_file); a flag wins over a variable, a variable over the
// file. docs/configuration.md is made from the table.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/daemon.h"

namespace corkscrew {

enum class DaemonValue {
  kText,
  kTextList,  // Several flags; commas in a variable; an array in the file.
  kCount,     // A decimal number.
  kBytes,     // A decimal number, with KiB, MiB or GiB or without.
};

// One option.
struct DaemonOption {
  absl::string_view name;        // Of the flag, without "--".
  absl::string_view value_name;  // In the help, "DIR".
  DaemonValue value;
  absl::string_view initial;  // As text; empty: unset.
  absl::string_view help;     // One sentence without its full stop.
  // Takes the value, which may be of a list with one element per call.
  std::function<absl::Status(const std::string& text, DaemonOptions& options)>
      set;
};

// All options, in the order of the help.
absl::Span<const DaemonOption> DaemonOptionTable();

// "token-file" -> "token_file", "CORKSCREWD_TOKEN_FILE".
std::string DaemonKey(absl::string_view name);
std::string DaemonVariable(absl::string_view name);

// What is wrong, and where: "node.toml:3", "--listen", "CORKSCREWD_LISTEN".
struct ConfigProblem {
  std::string where = {};
  std::string what = {};
};

// The values of one option, and where they are from.
struct ConfigSetting {
  std::vector<std::string> values = {};
  std::string where = {};
};
// By option name.
using ConfigSettings = std::map<std::string, ConfigSetting>;

// A configuration put together from all that says something about it.
struct DaemonConfig {
  DaemonOptions options = {};
  ConfigSettings settings = {};  // Of all options that have a value.
  std::vector<ConfigProblem> problems = {};
};

// Adds to `problems` what is wrong with the TOML text `toml` of the file `path`
// (which is not read); else returns its settings. Unknown keys are problems.
ConfigSettings ParseConfigFile(absl::string_view toml, const std::string& path,
                               std::vector<ConfigProblem>& problems);

// The settings of the variables that `get` (like getenv) knows.
ConfigSettings ConfigVariables(
    const std::function<std::optional<std::string>(const std::string&)>& get);

// Puts the configuration together. `file` may be empty.
DaemonConfig MakeDaemonConfig(const ConfigSettings& flags,
                              const ConfigSettings& variables,
                              const ConfigSettings& file,
                              std::vector<ConfigProblem> problems);

// Adds what only a look at the system shows: a token file that can not be used,
// an address that is none.
void CheckDaemonConfig(DaemonConfig& config);

// The configuration as a TOML file, with where each value is from.
std::string PrintDaemonConfig(const DaemonConfig& config);

// The option of the most similar name, empty if none is similar.
std::string SimilarOption(absl::string_view key);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_DAEMON_CONFIG_H_
