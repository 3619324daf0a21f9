#include "server/cli.h"

#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/command.h"
#include "server/console.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

constexpr char kFooter[] =
    R"(TARGET is the directory of a database, or host:port or unix:PATH of a node
(corkscrewd). A directory is held by one process at a time: a command connects to
the node that holds it, or waits up to 30 s for another command to end.

Filters (--filter) are conditions on metadata, joined by and, or, not and
parentheses:
  pos = "noun" and (year >= 2000 or not exists(draft))
  tag in ("a", "b") or title contains "x"
Comparisons: = != < <= > >= in contains, and exists(key). Values: "text",
numbers, true, false, ["a", "b"]. A record without the key matches no comparison.

Exit codes:
  0  done
  1  error
  2  the command line is wrong
  3  done, but some input was bad and left out
  4  a database, collection, record or model that was named is not there
  5  the node can not be reached or was too slow; try again
  6  check: something follows from the rest and can be repaired
  7  acknowledged data is lost or damaged
  8  check: the database can not be read

Examples:
  corkscrew collection create notes.db notes
  corkscrew put notes.db notes n1 'The cat sat on the mat'
  corkscrew search notes.db notes 'a pet indoors'
  corkscrew search 127.0.0.1:7700 notes 'a pet indoors' --token-file token --json)";

ExitCode CodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kDataLoss:
      return ExitCode::kDataLoss;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kUnavailable;
    default:
      return ExitCode::kError;
  }
}

int Exit(ExitCode code) { return static_cast<int>(code); }

}  // namespace

int RunCli(const std::vector<std::string>& arguments, Console& console,
           const CommandSystem& system) {
  CommandContext context{console, system};
  CLI::App app(
      "CorkScrewDB: search text by meaning, at any moment of its history.",
      "corkscrew");
  app.set_version_flag("--version", "corkscrew " CORKSCREW_VERSION);
  app.require_subcommand(1);
  app.footer(kFooter);
  AddCollectionCommands(app, context);
  AddAliasCommands(app, context);
  AddRecordCommands(app, context);
  AddHistoryCommands(app, context);
  AddImportCommand(app, context);
  AddImportV1Command(app, context);
  AddExportCommand(app, context);
  AddSearchCommand(app, context);
  AddBackupCommands(app, context);
  AddLogCommands(app, context);
  AddEmbedCommand(app, context);
  AddModelCommands(app, context);
  AddReembedCommand(app, context);
  AddEncodeCommand(app, context);
  AddRecallCommand(app, context);
  AddBenchCommand(app, context);
  AddCheckCommands(app, context);
  try {
    // CLI11 takes the arguments from the back.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, console.out, console.err);
    return code == 0 ? 0 : Exit(ExitCode::kUsage);
  }
  const absl::StatusOr<ExitCode> result = context.run();
  console.out.flush();
  if (!result.ok()) {
    const absl::Status& status = result.status();
    const std::string message = status.message().empty()
                                    ? absl::StatusCodeToString(status.code())
                                    : Printable(status.message());
    console.err << "corkscrew: " << message << '\n';
    return Exit(CodeOf(status));
  }
  if (!console.out.good()) {
    console.err << "corkscrew: the results could not be written\n";
    return Exit(ExitCode::kError);
  }
  return Exit(*result);
}

}  // namespace corkscrew
