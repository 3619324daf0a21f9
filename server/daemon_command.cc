#include "server/daemon_command.h"

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/file_system.h"
#include "server/daemon_config.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

constexpr size_t kMaxConfigBytes = size_t{1} << 20;
constexpr int kUsage = 2;

constexpr char kFooter[] =
    R"(Every option is also a variable, CORKSCREWD_ and its name (CORKSCREWD_TOKEN_FILE),
and a key of the configuration file (token_file = "..."). The option wins over the
variable, the variable over the file. docs/configuration.md has all of them.

Serves loopback addresses, until TLS exists, and unix sockets, which only its user
can connect to and need no token; always the socket DIR/socket, for processes that
find the directory held. Prints a line per --listen on standard output when it
answers: corkscrewd ready on ADDRESS. Logs JSON lines on standard error. SIGTERM or
SIGINT: running calls finish, then exit code 0; a second signal stops at once.

Exit codes: 0 stopped by a signal, 1 error, 2 the configuration is wrong.

Example:
  (umask 077; head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' > token)
  corkscrewd --data notes.db --listen 127.0.0.1:7700 --token-file token)";

// The settings of the file `path`; empty without one.
ConfigSettings ReadConfigFile(const std::string& path,
                              std::vector<ConfigProblem>& problems) {
  if (path.empty()) return {};
  const absl::StatusOr<std::string> toml =
      FileSystem::Real().Read(path, kMaxConfigBytes);
  if (!toml.ok()) {
    problems.push_back({"--config", std::string(toml.status().message())});
    return {};
  }
  return ParseConfigFile(*toml, path, problems);
}

}  // namespace

DaemonCommand ReadDaemonCommand(
    const std::vector<std::string>& arguments,
    const std::function<std::optional<std::string>(const std::string&)>& get,
    std::ostream& out, std::ostream& err) {
  CLI::App app("corkscrewd: serves a CorkScrewDB database over gRPC.",
               "corkscrewd");
  app.set_version_flag("--version", "corkscrewd " CORKSCREW_VERSION);
  app.footer(kFooter);
  std::map<std::string, std::vector<std::string>> given;
  for (const DaemonOption& option : DaemonOptionTable()) {
    const std::string name(option.name);
    CLI::Option* const flag =
        app.add_option(absl::StrCat("--", name), given[name],
                       std::string(option.help))
            ->type_name(std::string(option.value_name))
            ->allow_extra_args(false);
    if (!option.initial.empty()) flag->default_str(std::string(option.initial));
    if (option.value != DaemonValue::kTextList) {
      flag->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::Throw);
    }
  }
  std::string path;
  bool check = false;
  bool print = false;
  app.add_option("--config", path,
                 "TOML file with the same options, also CORKSCREWD_CONFIG")
      ->type_name("FILE");
  app.add_flag("--check-config", check,
               "Print every problem of the configuration, and exit");
  app.add_flag("--print-config", print,
               "Print the configuration as a file, and exit");
  DaemonCommand command;
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    command.exit_code = app.exit(error, out, err) == 0 ? 0 : kUsage;
    return command;
  }

  if (path.empty()) path = get("CORKSCREWD_CONFIG").value_or("");
  std::vector<ConfigProblem> problems;
  const ConfigSettings file = ReadConfigFile(path, problems);
  ConfigSettings flags;
  for (auto& [name, values] : given) {
    if (values.empty()) continue;
    flags[name] = {std::move(values), absl::StrCat("--", name)};
  }
  DaemonConfig config =
      MakeDaemonConfig(flags, ConfigVariables(get), file, std::move(problems));
  if (check) CheckDaemonConfig(config);
  for (const ConfigProblem& problem : config.problems) {
    err << "corkscrewd: " << Printable(problem.where) << ": "
        << Printable(problem.what) << '\n';
  }
  if (!config.problems.empty()) {
    command.exit_code = kUsage;
  } else if (print) {
    out << PrintDaemonConfig(config);
    command.exit_code = 0;
  } else if (check) {
    out << "the configuration is good\n";
    command.exit_code = 0;
  }
  command.options = std::move(config.options);
  return command;
}

}  // namespace corkscrew
