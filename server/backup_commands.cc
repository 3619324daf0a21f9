// corkscrew snapshot, backup, restore.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
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
  std::string where;  // Snapshot, repository, or what to restore from.
  std::string into;   // Where to restore.
  uint64_t generation = 0;
  uint64_t keep = 0;
  double keep_days = 0;
};

void WriteContent(const BackupContent& content, JsonWriter& json) {
  json.Key("uuid").String(content.uuid.ToString());
  json.Key("replica").String(content.replica.ToString());
  json.Key("incarnation").Integer(content.incarnation);
  json.Key("format_version").Integer(content.format_version);
  json.Key("wall_ms").Integer(content.wall_ms);
  json.Key("files").Integer(content.files);
  json.Key("bytes").Integer(content.bytes);
  json.Key("collections").BeginArray();
  for (const BackupCollection& collection : content.collections) {
    json.BeginObject();
    json.Key("name").String(collection.name);
    json.Key("uuid").String(collection.uuid.ToString());
    json.Key("lamport").Integer(collection.lamport);
    json.EndObject();
  }
  json.EndArray();
}

void PrintContent(absl::string_view what, const BackupContent& content,
                  CommandContext& context) {
  if (context.json) {
    JsonWriter json;
    json.BeginObject();
    WriteContent(content, json);
    json.EndObject();
    context.console.out << json.text() << '\n';
    return;
  }
  context.console.out << what << ": " << content.collections.size()
                      << " collections, " << content.files << " files, "
                      << HumanBytes(static_cast<double>(content.bytes)) << "\n";
}

void PrintGeneration(const BackupInfo& info, bool taken,
                     CommandContext& context) {
  if (context.json) {
    JsonWriter json;
    json.BeginObject();
    json.Key("generation").Integer(info.generation);
    if (taken) json.Key("new_bytes").Integer(info.new_bytes);
    WriteContent(info.content, json);
    json.EndObject();
    context.console.out << json.text() << '\n';
    return;
  }
  context.console.out << "generation " << info.generation << ": "
                      << absl::FormatTime(
                             "%Y-%m-%d %H:%M:%S UTC",
                             absl::FromUnixMillis(info.content.wall_ms),
                             absl::UTCTimeZone())
                      << ", " << info.content.collections.size()
                      << " collections, " << info.content.bytes << " bytes";
  if (taken) context.console.out << ", " << info.new_bytes << " of them new";
  context.console.out << '\n';
}

absl::StatusOr<ExitCode> Snapshot(CommandContext& context,
                                  const Arguments& arguments) {
  return WithDb(context, [&](Db& db) -> absl::StatusOr<ExitCode> {
    std::shared_ptr<Progress> progress;
    CORKSCREW_ASSIGN_OR_RETURN(
        const BackupContent content,
        db.Snapshot(arguments.where,
                    ShowProgress(context, "snapshot", "bytes", &progress)));
    if (progress != nullptr) progress->Finish(content.bytes);
    PrintContent(absl::StrCat("snapshot ", Printable(arguments.where)), content,
                 context);
    return ExitCode::kOk;
  });
}

absl::StatusOr<ExitCode> Create(CommandContext& context,
                                const Arguments& arguments) {
  return WithDb(context, [&](Db& db) -> absl::StatusOr<ExitCode> {
    std::shared_ptr<Progress> progress;
    CORKSCREW_ASSIGN_OR_RETURN(
        const BackupInfo info,
        db.Backup(arguments.where,
                  ShowProgress(context, "backup", "bytes", &progress)));
    if (progress != nullptr) progress->Finish(info.content.bytes);
    PrintGeneration(info, /*taken=*/true, context);
    return ExitCode::kOk;
  });
}

absl::StatusOr<ExitCode> List(CommandContext& context,
                              const Arguments& arguments) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<BackupInfo> all,
                             context.system.backups.list(arguments.where));
  for (const BackupInfo& info : all) {
    PrintGeneration(info, /*taken=*/false, context);
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Verify(CommandContext& context,
                                const Arguments& arguments) {
  std::shared_ptr<Progress> progress;
  CORKSCREW_ASSIGN_OR_RETURN(
      const BackupContent content,
      context.system.backups.verify(
          arguments.where, arguments.generation,
          ShowProgress(context, "verify", "bytes", &progress)));
  if (progress != nullptr) progress->Finish(content.bytes);
  PrintContent("verified", content, context);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Prune(CommandContext& context,
                               const Arguments& arguments) {
  BackupRetention retention;
  retention.keep = arguments.keep;
  retention.keep_for = absl::Hours(24) * arguments.keep_days;
  CORKSCREW_ASSIGN_OR_RETURN(
      const PruneReply reply,
      context.system.backups.prune(arguments.where, retention));
  if (context.json) {
    JsonWriter json;
    json.BeginObject();
    json.Key("removed").BeginArray();
    for (const uint64_t generation : reply.removed) json.Integer(generation);
    json.EndArray();
    json.Key("bytes").Integer(reply.bytes);
    json.EndObject();
    context.console.out << json.text() << '\n';
  } else {
    context.console.out << "removed " << reply.removed.size()
                        << " generations, " << reply.bytes << " bytes\n";
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Restore(CommandContext& context,
                                 const Arguments& arguments) {
  std::shared_ptr<Progress> progress;
  CORKSCREW_ASSIGN_OR_RETURN(
      const BackupContent content,
      context.system.backups.restore(
          arguments.where, arguments.generation, arguments.into,
          ShowProgress(context, "restore", "bytes", &progress)));
  if (progress != nullptr) progress->Finish(content.bytes);
  PrintContent(absl::StrCat("restored ", Printable(arguments.into)), content,
               context);
  return ExitCode::kOk;
}

void AddPath(CLI::App& verb, const char* name, std::string& path,
             const char* what) {
  verb.add_option(name, path, what)->type_name("")->required();
}

void AddGeneration(CLI::App& verb, Arguments& arguments) {
  verb.add_option("--generation", arguments.generation,
                  "Which one of a repository; default the newest")
      ->type_name("N")
      ->check(Decimal());
}

}  // namespace

void AddBackupCommands(CLI::App& app, CommandContext& context) {
  auto arguments = std::make_shared<Arguments>();
  const auto bind = [&context, arguments](auto action) {
    return [&context, arguments, action] {
      context.run = [&context, arguments, action] {
        return action(context, *arguments);
      };
    };
  };
  const char* const where =
      "A directory; of a node, a name below its --backup-dir";

  CLI::App* const snapshot = app.add_subcommand(
      "snapshot", "Save all files of a database as of now in a new directory");
  AddTarget(*snapshot, context);
  AddPath(*snapshot, "WHERE", arguments->where, where);
  AddJson(*snapshot, context);
  snapshot->footer("Example:\n  corkscrew snapshot notes.db notes.snapshot");
  snapshot->callback(bind(Snapshot));

  CLI::App* const backup = app.add_subcommand(
      "backup", "Keep generations of a database in a repository");
  backup->require_subcommand(1);
  backup->footer(
      "Example:\n  corkscrew backup create notes.db /backup/notes\n"
      "  corkscrew backup prune /backup/notes --keep 7 --keep-days 30");
  CLI::App* const create =
      backup->add_subcommand("create", "Add a generation with what is new");
  AddTarget(*create, context);
  AddPath(*create, "REPOSITORY", arguments->where, where);
  AddJson(*create, context);
  create->callback(bind(Create));

  CLI::App* const list =
      backup->add_subcommand("list", "Show the generations, oldest first");
  AddPath(*list, "REPOSITORY", arguments->where, "The directory");
  AddJson(*list, context);
  list->callback(bind(List));

  CLI::App* const verify = backup->add_subcommand(
      "verify",
      "Read everything of a generation, or of a snapshot, and "
      "compare the hashes");
  AddPath(*verify, "REPOSITORY", arguments->where,
          "The directory, or that of a snapshot");
  AddGeneration(*verify, *arguments);
  AddJson(*verify, context);
  verify->callback(bind(Verify));

  CLI::App* const prune = backup->add_subcommand(
      "prune",
      "Remove generations that neither --keep nor --keep-days keeps; "
      "never the newest");
  AddPath(*prune, "REPOSITORY", arguments->where, "The directory");
  prune->add_option("--keep", arguments->keep, "The newest N")
      ->type_name("N")
      ->check(Decimal());
  prune->add_option("--keep-days", arguments->keep_days, "The last D days")
      ->type_name("D")
      ->check(CLI::Range(0.0, 1e6).description(""));
  AddJson(*prune, context);
  prune->callback(bind(Prune));

  CLI::App* const restore = app.add_subcommand(
      "restore",
      "Make a database from a backup or a snapshot, all of it verified first");
  AddPath(*restore, "FROM", arguments->where,
          "Directory of a repository or of a snapshot");
  AddPath(*restore, "DIR", arguments->into,
          "Where to; must not exist or be empty");
  AddGeneration(*restore, *arguments);
  AddJson(*restore, context);
  restore->footer("Example:\n  corkscrew restore /backup/notes notes.db");
  restore->callback(bind(Restore));
}

}  // namespace corkscrew
