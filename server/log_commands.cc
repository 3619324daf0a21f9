// corkscrew offload, log list | verify | prune | replay.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "corkscrew/backup.h"
#include "corkscrew/db.h"
#include "server/command.h"
#include "server/json_writer.h"
#include "server/progress.h"
#include "server/table.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

struct Arguments {
  std::string store;
  LogChoice choice;
  LogRetention retention;
  bool apply = false;
};

void WriteLog(const LogInfo& log, JsonWriter& json) {
  json.Key("collection").String(log.name);
  json.Key("uuid").String(log.uuid.ToString());
  json.Key("lineage").Integer(log.lineage);
  json.Key("position").Integer(log.position);
  json.Key("segments").Integer(log.segments);
  json.Key("bytes").Integer(log.bytes);
}

void WriteLogs(absl::string_view key, const std::vector<LogInfo>& logs,
               JsonWriter& json) {
  json.Key(key).BeginArray();
  for (const LogInfo& log : logs) {
    json.BeginObject();
    WriteLog(log, json);
    json.EndObject();
  }
  json.EndArray();
}

void PrintLogs(const std::vector<LogInfo>& logs, CommandContext& context) {
  Table table({{"collection"},
               {"lineage", Table::Align::kRight},
               {"position", Table::Align::kRight},
               {"segments", Table::Align::kRight},
               {"size", Table::Align::kRight}});
  for (const LogInfo& log : logs) {
    if (context.json) {
      JsonWriter json;
      json.BeginObject();
      WriteLog(log, json);
      json.EndObject();
      context.console.out << json.text() << '\n';
    } else {
      table.Add({log.name, absl::StrCat(log.lineage),
                 absl::StrCat(log.position), absl::StrCat(log.segments),
                 HumanBytes(static_cast<double>(log.bytes))});
    }
  }
  if (!context.json && !table.empty()) {
    table.Print(context.console.out, context.console.columns);
  }
}

absl::StatusOr<ExitCode> Offload(CommandContext& context,
                                 const Arguments& arguments) {
  return WithDb(context, [&](Db& db) -> absl::StatusOr<ExitCode> {
    std::shared_ptr<Progress> progress;
    CORKSCREW_ASSIGN_OR_RETURN(
        const OffloadReply reply,
        db.OffloadLogs(arguments.store,
                       ShowProgress(context, "offload", "ops", &progress)));
    if (progress != nullptr) progress->Finish(reply.new_ops);
    if (!context.json) {
      context.console.out << "offloaded " << HumanCount(reply.new_ops)
                          << " ops in "
                          << HumanBytes(static_cast<double>(reply.new_bytes))
                          << " to " << Printable(arguments.store) << '\n';
      return ExitCode::kOk;
    }
    JsonWriter json;
    json.BeginObject().Key("new_ops").Integer(reply.new_ops);
    json.Key("new_bytes").Integer(reply.new_bytes);
    WriteLogs("logs", reply.logs, json);
    context.console.out << json.EndObject().text() << '\n';
    return ExitCode::kOk;
  });
}

absl::StatusOr<ExitCode> List(CommandContext& context,
                              const Arguments& arguments) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<LogInfo> logs,
                             context.system.backups.list_logs(arguments.store));
  PrintLogs(logs, context);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Verify(CommandContext& context,
                                const Arguments& arguments) {
  std::shared_ptr<Progress> progress;
  CORKSCREW_ASSIGN_OR_RETURN(
      const LogInfo log,
      context.system.backups.verify_log(
          arguments.store, arguments.choice,
          ShowProgress(context, "verify", "bytes", &progress)));
  if (progress != nullptr) progress->Finish(log.bytes);
  PrintLogs({log}, context);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Prune(CommandContext& context,
                               const Arguments& arguments) {
  LogRetention retention = arguments.retention;
  retention.dry_run = !arguments.apply;
  std::shared_ptr<Progress> progress;
  CORKSCREW_ASSIGN_OR_RETURN(
      const PruneLogsReply reply,
      context.system.backups.prune_logs(
          arguments.store, retention,
          ShowProgress(context, "verify", "bytes", &progress)));
  if (context.json) {
    JsonWriter json;
    json.BeginObject();
    WriteLogs("removed", reply.removed, json);
    WriteLogs("kept_back", reply.kept_back, json);
    json.Key("bytes").Integer(reply.bytes);
    json.Key("applied").Bool(arguments.apply);
    context.console.out << json.EndObject().text() << '\n';
    return ExitCode::kOk;
  }
  PrintLogs(reply.removed, context);
  for (const LogInfo& log : reply.kept_back) {
    context.console.out << "collection " << Printable(log.name) << ", lineage "
                        << log.lineage
                        << " stays: the newest lineage is not whole or does "
                           "not reach position "
                        << log.position << '\n';
  }
  context.console.out << (arguments.apply ? "removed " : "would remove ")
                      << reply.removed.size() << " lineages, "
                      << HumanBytes(static_cast<double>(reply.bytes))
                      << (arguments.apply || reply.removed.empty()
                              ? "\n"
                              : "; nothing was changed, --apply does it\n");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Replay(CommandContext& context,
                                const Arguments& arguments) {
  context.target.create_if_missing = true;
  return WithDb(context, [&](Db& db) -> absl::StatusOr<ExitCode> {
    std::shared_ptr<Progress> progress;
    CORKSCREW_ASSIGN_OR_RETURN(
        const ReplayReply reply,
        context.system.backups.replay_log(
            arguments.store, arguments.choice, db,
            ShowProgress(context, "replay", "bytes", &progress)));
    if (progress != nullptr) progress->Finish(2 * reply.log.bytes);
    if (!context.json) {
      context.console.out << "collection " << Printable(reply.log.name) << ": "
                          << HumanCount(reply.written) << " versions written, "
                          << HumanCount(reply.left_out) << " left out\n";
      return ExitCode::kOk;
    }
    JsonWriter json;
    json.BeginObject();
    WriteLog(reply.log, json);
    json.Key("written").Integer(reply.written);
    json.Key("left_out").Integer(reply.left_out);
    context.console.out << json.EndObject().text() << '\n';
    return ExitCode::kOk;
  });
}

void AddStore(CLI::App& verb, Arguments& arguments, const char* what) {
  verb.add_option("STORE", arguments.store, what)->type_name("")->required();
}

void AddChoice(CLI::App& verb, Arguments& arguments) {
  verb.add_option("--collection", arguments.choice.name,
                  "Of this collection; needed if the store has several")
      ->type_name("NAME");
  verb.add_option("--lineage", arguments.choice.lineage,
                  "Which one of the collection; default the newest")
      ->type_name("N")
      ->check(Decimal());
}

}  // namespace

void AddLogCommands(CLI::App& app, CommandContext& context) {
  const auto arguments = std::make_shared<Arguments>();
  const auto bind = [&context, arguments](auto action) {
    return [&context, arguments, action] {
      context.run = [&context, arguments, action] {
        return action(context, *arguments);
      };
    };
  };
  CLI::App& offload = *app.add_subcommand(
      "offload",
      "Add what is new in the logs of a database to a store of logs");
  AddTarget(offload, context);
  AddStore(offload, *arguments,
           "A directory; of a node, a name below its --backup-dir");
  AddJson(offload, context);
  offload.footer("Example:\n  corkscrew offload notes.db /backup/notes-logs");
  offload.callback(bind(Offload));

  CLI::App& log =
      *app.add_subcommand("log", "Read a store of logs, and prune it");
  log.require_subcommand(1);
  log.footer(
      "Example:\n  corkscrew log replay /backup/notes-logs other.db "
      "--collection notes");
  CLI::App& list = *log.add_subcommand("list", "Show the logs");
  AddStore(list, *arguments, "The directory");
  AddJson(list, context);
  list.callback(bind(List));

  CLI::App& verify = *log.add_subcommand(
      "verify", "Read everything of a log and compare the hashes");
  AddStore(verify, *arguments, "The directory");
  AddChoice(verify, *arguments);
  AddJson(verify, context);
  verify.callback(bind(Verify));

  CLI::App& prune = *log.add_subcommand(
      "prune",
      "Remove old lineages of logs that a newer one, which is read whole now, "
      "replaces");
  AddStore(prune, *arguments, "The directory");
  prune
      .add_option("--keep", arguments->retention.keep,
                  "The newest N lineages of each collection; default 1")
      ->type_name("N")
      ->check(Decimal());
  prune.add_flag("--apply", arguments->apply,
                 "Remove them; without it only say what would be removed");
  AddJson(prune, context);
  prune.callback(bind(Prune));

  CLI::App& replay = *log.add_subcommand(
      "replay", "Write the collection of a log again, with all versions");
  AddStore(replay, *arguments, "The directory");
  AddTarget(replay, context);
  AddChoice(replay, *arguments);
  AddJson(replay, context);
  replay.callback(bind(Replay));
}

}  // namespace corkscrew
