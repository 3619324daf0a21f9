#ifndef CORKSCREW_SERVER_COMMAND_H_
#define CORKSCREW_SERVER_COMMAND_H_

// What the verbs of `corkscrew` share. Each group of verbs is one file with one
// function that adds them to the application; choosing a verb sets
// CommandContext::run, which is called after all arguments were checked.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Validators.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "corkscrew/backup.h"
#include "corkscrew/check.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "corkscrew/embedder.h"
#include "server/console.h"
#include "server/progress.h"
#include "server/record_source.h"
#include "server/target.h"

namespace corkscrew {

// Exit codes; stable, for scripts. Documented in --help and docs/cli.md.
enum class ExitCode {
  kOk = 0,
  kError = 1,
  kUsage = 2,
  kBadLines = 3,  // Done, but some input lines were bad and left out.
  kNotFound = 4,  // A database, collection, record or model named is not there.
  kUnavailable = 5,  // A node can not be reached or was too slow; try again.
  // What a check found; see CheckStatus.
  kRepairable = 6,
  kDataLoss = 7,
  kUnreadable = 8,
};

// Backups in directories, which need no open database. `from` is a repository,
// or where it says so a snapshot.
struct BackupSystem {
  std::function<absl::StatusOr<std::vector<BackupInfo>>(
      const std::string& repository)>
      list;
  // A repository or a snapshot.
  std::function<absl::StatusOr<BackupContent>(const std::string& from,
                                              uint64_t generation,
                                              const BackupOptions& options)>
      verify;
  std::function<absl::StatusOr<PruneReply>(const std::string& repository,
                                           const BackupRetention& retention)>
      prune;
  // A repository or a snapshot.
  std::function<absl::StatusOr<BackupContent>(
      const std::string& from, uint64_t generation,
      const std::string& directory, const BackupOptions& options)>
      restore;

  // Of a store of logs in a directory.
  std::function<absl::StatusOr<std::vector<LogInfo>>(const std::string& store)>
      list_logs;
  std::function<absl::StatusOr<LogInfo>(const std::string& store,
                                        const LogChoice& choice,
                                        const BackupOptions& options)>
      verify_log;
  std::function<absl::StatusOr<PruneLogsReply>(const std::string& store,
                                               const LogRetention& retention,
                                               const BackupOptions& options)>
      prune_logs;
  std::function<absl::StatusOr<ReplayReply>(const std::string& store,
                                            const LogChoice& choice, Db& db,
                                            const BackupOptions& options)>
      replay_log;
};

// What the commands reach the world with. A test gives its own.
struct CommandSystem {
  std::function<absl::StatusOr<std::unique_ptr<Db>>(const TargetOptions&)> open;
  // `model` is a name, or a path to a model file. Loads anew at each call.
  std::function<absl::StatusOr<std::shared_ptr<const Embedder>>(
      absl::string_view model, const std::vector<std::string>& model_path,
      const EmbedderOptions& options)>
      load_model;
  // --model-dir -> directories to look in.
  std::function<std::vector<std::string>(absl::string_view model_dir)>
      model_path;
  std::function<absl::Time()> now;
  BackupSystem backups = {};
  std::function<absl::StatusOr<CheckReport>(absl::string_view directory,
                                            const CheckOptions&)>
      check;
  std::function<absl::StatusOr<RepairReport>(absl::string_view directory,
                                             const RepairOptions&)>
      repair;
  std::function<absl::StatusOr<UpgradeReport>(absl::string_view directory)>
      upgrade;
};

// State of one invocation.
struct CommandContext {
  Console& console;
  const CommandSystem& system;

  // Options that many verbs have.
  TargetOptions target = {};
  std::string model_dir = {};
  double timeout_seconds = 60;
  bool json = false;

  std::function<absl::StatusOr<ExitCode>()> run = nullptr;
};

// Shows on the error stream how far a snapshot, a backup or what is like it is:
// `*progress` is made when there is something to show. Borrows both.
BackupOptions ShowProgress(CommandContext& context, absl::string_view what,
                           absl::string_view unit,
                           std::shared_ptr<Progress>* progress);

// Adds the positional TARGET with --token-file, --model-dir and --timeout.
void AddTarget(CLI::App& verb, CommandContext& context);

// Adds --model-dir, to a verb that has no TARGET.
void AddModelDir(CLI::App& verb, CommandContext& context);

// Adds --json.
void AddJson(CLI::App& verb, CommandContext& context);

// Adds the positional NAME of a collection.
void AddName(CLI::App& verb, std::string& name);

// Checks that an argument is an unsigned decimal number of 64 bits; the library
// alone would take -1 and wrap it.
CLI::Validator Decimal();

// Adds --format for files of records.
CLI::Option* AddFormat(CLI::App& verb, std::optional<RecordFormat>& format);

// Opens the target, runs `action`, closes. The first error counts.
absl::StatusOr<ExitCode> WithDb(
    CommandContext& context,
    const std::function<absl::StatusOr<ExitCode>(Db&)>& action);

// The same with a collection opened.
absl::StatusOr<ExitCode> WithCollection(
    CommandContext& context, absl::string_view name,
    const std::function<absl::StatusOr<ExitCode>(Collection&)>& action);

// Adds a verb about one collection: TARGET, the collection's NAME (which is
// arguments->name) and --json. Chosen, it runs `action` with the collection.
template <typename Arguments>
CLI::App& AddCollectionVerb(
    CLI::App& app, const char* name, const char* what, CommandContext& context,
    const std::shared_ptr<Arguments>& arguments,
    absl::StatusOr<ExitCode> (*action)(const Arguments&, Collection&,
                                       CommandContext&)) {
  CLI::App& verb = *app.add_subcommand(name, what);
  AddTarget(verb, context);
  AddName(verb, arguments->name);
  AddJson(verb, context);
  verb.callback([&context, arguments, action] {
    context.run = [&context, arguments, action] {
      return WithCollection(context, arguments->name,
                            [&](Collection& collection) {
                              return action(*arguments, collection, context);
                            });
    };
  });
  return verb;
}

// Opens the file `path`, or takes standard input for "-".
//   NotFound, PermissionDenied, ...  names the file
absl::StatusOr<std::istream*> OpenInput(absl::string_view path,
                                        CommandContext& context,
                                        std::unique_ptr<std::istream>& owner);

void AddAliasCommands(CLI::App& app, CommandContext& context);
void AddCollectionCommands(CLI::App& app, CommandContext& context);
void AddRecordCommands(CLI::App& app, CommandContext& context);
void AddHistoryCommands(CLI::App& app, CommandContext& context);
void AddImportCommand(CLI::App& app, CommandContext& context);
void AddExportCommand(CLI::App& app, CommandContext& context);
void AddImportV1Command(CLI::App& app, CommandContext& context);
void AddSearchCommand(CLI::App& app, CommandContext& context);
void AddEmbedCommand(CLI::App& app, CommandContext& context);
void AddModelCommands(CLI::App& app, CommandContext& context);
void AddReembedCommand(CLI::App& app, CommandContext& context);
// Below `corkscrew model`: convert and sign.
void AddModelWriteCommands(CLI::App& model, CommandContext& context);
void AddBackupCommands(CLI::App& app, CommandContext& context);
void AddLogCommands(CLI::App& app, CommandContext& context);
void AddEncodeCommand(CLI::App& app, CommandContext& context);
void AddBenchCommand(CLI::App& app, CommandContext& context);
void AddRecallCommand(CLI::App& app, CommandContext& context);
void AddCheckCommands(CLI::App& app, CommandContext& context);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_COMMAND_H_
