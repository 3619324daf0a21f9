// corkscrew check | repair | upgrade: on a directory that nobody has open.

#include <memory>
#include <ostream>
#include <string>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "corkscrew/check.h"
#include "server/command.h"
#include "server/json_writer.h"
#include "server/table.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

absl::string_view StatusName(CheckStatus status) {
  switch (status) {
    case CheckStatus::kClean:
      return "clean";
    case CheckStatus::kRepairable:
      return "repairable";
    case CheckStatus::kDataLoss:
      return "data loss";
    case CheckStatus::kUnreadable:
      break;
  }
  return "unreadable";
}

ExitCode CodeOf(CheckStatus status) {
  switch (status) {
    case CheckStatus::kClean:
      return ExitCode::kOk;
    case CheckStatus::kRepairable:
      return ExitCode::kRepairable;
    case CheckStatus::kDataLoss:
      return ExitCode::kDataLoss;
    case CheckStatus::kUnreadable:
      break;
  }
  return ExitCode::kUnreadable;
}

void WriteReport(const CheckReport& report, JsonWriter& json) {
  json.BeginObject();
  json.Key("status").String(StatusName(report.status));
  json.Key("found").Integer(report.found);
  json.Key("collections").Integer(report.collections);
  json.Key("records").Integer(report.records);
  json.Key("versions").Integer(report.versions);
  json.Key("findings").BeginArray();
  for (const CheckFinding& finding : report.findings) {
    json.BeginObject();
    json.Key("severity").String(StatusName(finding.severity));
    json.Key("where").String(finding.where);
    json.Key("invariant").String(finding.invariant);
    json.Key("what").String(finding.what);
    json.Key("advice").String(finding.advice);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

void PrintReport(const CheckReport& report, std::ostream& out) {
  for (const CheckFinding& finding : report.findings) {
    out << StatusName(finding.severity) << ": " << Printable(finding.where)
        << ": " << finding.invariant << ": " << Printable(finding.what)
        << "\n  " << Printable(finding.advice) << '\n';
  }
  if (report.found > report.findings.size()) {
    out << "and " << HumanCount(report.found - report.findings.size())
        << " more\n";
  }
  out << StatusName(report.status) << ": " << HumanCount(report.collections)
      << " collections, " << HumanCount(report.records) << " records, "
      << HumanCount(report.versions) << " versions\n";
}

void AddDirectory(CLI::App& verb, std::string& directory) {
  verb.add_option("DIR", directory, "Directory of a database nobody has open")
      ->required();
}

void AddCheck(CLI::App& app, CommandContext& context) {
  struct Arguments {
    std::string directory;
    CheckOptions options;
  };
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& verb = *app.add_subcommand(
      "check", "Check that a database is sound; changes nothing");
  AddDirectory(verb, arguments->directory);
  verb.add_flag("--deep", arguments->options.deep,
                "Read everything, with all checksums and content hashes");
  AddJson(verb, context);
  verb.footer(
      "Exit codes: 0 clean, 6 repairable, 7 data loss, 8 unreadable.\n"
      "Example: corkscrew check notes.db --deep");
  verb.callback([&context, arguments] {
    context.run = [&context, arguments]() -> absl::StatusOr<ExitCode> {
      CORKSCREW_ASSIGN_OR_RETURN(
          const CheckReport report,
          context.system.check(arguments->directory, arguments->options));
      if (context.json) {
        JsonWriter json;
        WriteReport(report, json);
        context.console.out << json.text() << '\n';
      } else {
        PrintReport(report, context.console.out);
      }
      return CodeOf(report.status);
    };
  });
}

void WriteRepair(const RepairReport& report, bool applied, JsonWriter& json) {
  json.BeginObject();
  json.Key("applied").Bool(applied);
  json.Key("target").String(report.target);
  json.Key("status").String(StatusName(report.before.status));
  json.Key("actions").BeginArray();
  for (const std::string& action : report.actions) json.String(action);
  json.EndArray();
  json.Key("lost").BeginArray();
  for (const LostVersion& lost : report.lost) {
    json.BeginObject();
    json.Key("collection").String(lost.collection);
    if (!lost.id.empty()) json.Key("id").String(lost.id);
    json.Key("replica").String(lost.version.replica.ToString());
    json.Key("incarnation").String(absl::StrCat(lost.version.incarnation));
    json.Key("seq").Integer(lost.version.seq);
    json.Key("lamport").Integer(lost.version.lamport);
    json.EndObject();
  }
  json.EndArray();
  if (!report.quarantine.empty()) {
    json.Key("quarantine").String(report.quarantine);
  }
  json.EndObject();
}

void PrintRepair(const RepairReport& report, bool applied, std::ostream& out) {
  out << "before: " << StatusName(report.before.status) << '\n';
  for (const std::string& action : report.actions) {
    out << Printable(action) << '\n';
  }
  for (const LostVersion& lost : report.lost) {
    out << "lost: collection \"" << Printable(lost.collection) << "\", "
        << (lost.id.empty() ? "a record that is not known"
                            : absl::StrCat("\"", Printable(lost.id), "\""))
        << ", origin " << lost.version.replica.ToString() << "/"
        << lost.version.incarnation << " seq " << lost.version.seq << '\n';
  }
  if (!report.quarantine.empty()) {
    out << "what could not be kept is in " << report.quarantine << '\n';
  }
  out << (applied ? "repaired copy: "
                  : "nothing was written; with --apply it would be: ")
      << report.target << '\n';
}

void AddRepair(CLI::App& app, CommandContext& context) {
  struct Arguments {
    std::string directory;
    bool apply = false;
    RepairOptions options;
  };
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& verb = *app.add_subcommand(
      "repair", "Repair a copy of a database; says first what would be lost");
  AddDirectory(verb, arguments->directory);
  verb.add_option("--to", arguments->options.target,
                  "Directory of the copy; DIR.repaired if not given")
      ->type_name("DIR2");
  verb.add_flag("--accept-loss", arguments->options.accept_loss,
                "Go on although acknowledged data is lost");
  verb.add_flag("--apply", arguments->apply,
                "Write the copy; without it only say what would be done");
  AddJson(verb, context);
  verb.footer(
      "DIR itself is never changed.\n"
      "Example: corkscrew repair notes.db --accept-loss --apply");
  verb.callback([&context, arguments] {
    context.run = [&context, arguments]() -> absl::StatusOr<ExitCode> {
      arguments->options.dry_run = !arguments->apply;
      CORKSCREW_ASSIGN_OR_RETURN(
          const RepairReport report,
          context.system.repair(arguments->directory, arguments->options));
      if (context.json) {
        JsonWriter json;
        WriteRepair(report, arguments->apply, json);
        context.console.out << json.text() << '\n';
      } else {
        PrintRepair(report, arguments->apply, context.console.out);
      }
      return ExitCode::kOk;
    };
  });
}

void AddUpgrade(CLI::App& app, CommandContext& context) {
  const auto directory = std::make_shared<std::string>();
  CLI::App& verb = *app.add_subcommand(
      "upgrade", "Give a database the format of this build");
  AddDirectory(verb, *directory);
  AddJson(verb, context);
  verb.footer(
      "Older builds may not open it then. Opening never does this.\n"
      "Example: corkscrew upgrade notes.db");
  verb.callback([&context, directory] {
    context.run = [&context, directory]() -> absl::StatusOr<ExitCode> {
      CORKSCREW_ASSIGN_OR_RETURN(const UpgradeReport report,
                                 context.system.upgrade(*directory));
      if (context.json) {
        JsonWriter json;
        json.BeginObject();
        json.Key("from_version").Integer(report.from_version);
        json.Key("to_version").Integer(report.to_version);
        json.Key("changed").Bool(report.changed);
        json.EndObject();
        context.console.out << json.text() << '\n';
      } else if (report.changed) {
        context.console.out << "upgraded from version " << report.from_version
                            << " to " << report.to_version << '\n';
      } else {
        context.console.out << "nothing to upgrade: it has version "
                            << report.to_version
                            << " with all features of this build\n";
      }
      return ExitCode::kOk;
    };
  });
}

}  // namespace

void AddCheckCommands(CLI::App& app, CommandContext& context) {
  AddCheck(app, context);
  AddRepair(app, context);
  AddUpgrade(app, context);
}

}  // namespace corkscrew
