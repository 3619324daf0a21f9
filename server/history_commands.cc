// corkscrew tag create | list | delete, retention set | show | apply, purge.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "corkscrew/collection.h"
#include "server/command.h"
#include "server/json_writer.h"
#include "server/moment_argument.h"
#include "server/table.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

struct Arguments {
  std::string name;
  std::string tag;
  std::string at;
  std::optional<size_t> keep_versions;
  std::string keep_for;
  std::vector<std::string> ids;
  bool yes = false;
};

std::string Utc(int64_t wall_ms) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixMillis(wall_ms),
                          absl::UTCTimeZone());
}

void PrintTagJson(const TagInfo& tag, const CommandContext& context) {
  JsonWriter json;
  json.BeginObject().Key("tag").String(tag.name);
  json.Key("lamport").Integer(tag.lamport);
  json.Key("wall_ms").Integer(tag.wall_ms).EndObject();
  context.console.out << json.text() << '\n';
}

absl::StatusOr<ExitCode> CreateTag(const Arguments& arguments,
                                   Collection& collection,
                                   CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(
      const TagInfo tag,
      collection.CreateTag(arguments.tag, MomentOf(arguments.at)));
  if (context.json) {
    PrintTagJson(tag, context);
  } else {
    context.console.out << "tag " << Printable(tag.name) << " is "
                        << tag.lamport << '\n';
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> ListTags(const Arguments& /*arguments*/,
                                  Collection& collection,
                                  CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<TagInfo> tags,
                             collection.ListTags());
  Table table({{"tag"}, {"lamport", Table::Align::kRight}, {"made"}});
  for (const TagInfo& tag : tags) {
    if (context.json) {
      PrintTagJson(tag, context);
    } else {
      table.Add({tag.name, absl::StrCat(tag.lamport), Utc(tag.wall_ms)});
    }
  }
  if (!context.json && !table.empty()) {
    table.Print(context.console.out, context.console.columns);
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> DeleteTag(const Arguments& arguments,
                                   Collection& collection,
                                   CommandContext& context) {
  CORKSCREW_RETURN_IF_ERROR(collection.DeleteTag(arguments.tag));
  if (context.json) {
    JsonWriter json;
    json.BeginObject().Key("tag").String(arguments.tag);
    json.Key("deleted").Bool(true).EndObject();
    context.console.out << json.text() << '\n';
  } else {
    context.console.out << "deleted tag " << Printable(arguments.tag) << '\n';
  }
  return ExitCode::kOk;
}

void PrintRetention(const Retention& retention, const CommandContext& context) {
  const bool forever = retention.keep_for == absl::InfiniteDuration();
  if (context.json) {
    JsonWriter json;
    json.BeginObject().Key("keep_versions").Integer(retention.keep_versions);
    json.Key("keep_for_seconds");
    if (forever) {
      json.Null();
    } else {
      json.Integer(absl::ToInt64Seconds(retention.keep_for));
    }
    context.console.out << json.EndObject().text() << '\n';
    return;
  }
  context.console.out << "versions  "
                      << (retention.keep_versions == 0
                              ? std::string("all")
                              : absl::StrCat("the newest ",
                                             retention.keep_versions))
                      << "\nage       "
                      << (forever
                              ? std::string("any")
                              : absl::StrCat("current within ",
                                             DurationText(retention.keep_for)))
                      << '\n';
}

absl::StatusOr<ExitCode> SetRetention(const Arguments& arguments,
                                      Collection& collection,
                                      CommandContext& context) {
  if (!arguments.keep_versions.has_value() && arguments.keep_for.empty()) {
    return absl::InvalidArgumentError(
        "retention set wants --keep-versions or --keep-for, or both");
  }
  Retention retention;
  retention.keep_versions = arguments.keep_versions.value_or(0);
  if (!arguments.keep_for.empty() && arguments.keep_for != "forever") {
    CORKSCREW_ASSIGN_OR_RETURN(retention.keep_for,
                               ParseDurationArgument(arguments.keep_for));
  }
  CORKSCREW_RETURN_IF_ERROR(collection.SetRetention(retention));
  PrintRetention(retention, context);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> ShowRetention(const Arguments& /*arguments*/,
                                       Collection& collection,
                                       CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(const Retention retention,
                             collection.GetRetention());
  PrintRetention(retention, context);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> ApplyRetention(const Arguments& /*arguments*/,
                                        Collection& collection,
                                        CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(const RetentionReply reply,
                             collection.ApplyRetention());
  if (context.json) {
    JsonWriter json;
    json.BeginObject().Key("removed").Integer(reply.removed);
    json.Key("floor").Integer(reply.floor).EndObject();
    context.console.out << json.text() << '\n';
  } else {
    context.console.out << "removed " << HumanCount(reply.removed)
                        << " versions; moments from " << reply.floor
                        << " on and tags can be read\n";
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Purge(const Arguments& arguments,
                               Collection& collection,
                               CommandContext& context) {
  if (!arguments.yes) {
    return absl::InvalidArgumentError(
        absl::StrCat("purge removes ", arguments.ids.size(),
                     " records with their history for good and can not be "
                     "undone; say --yes to do it"));
  }
  CORKSCREW_ASSIGN_OR_RETURN(const PurgeReply reply,
                             collection.Purge(std::vector<absl::string_view>(
                                 arguments.ids.begin(), arguments.ids.end())));
  if (context.json) {
    JsonWriter json;
    json.BeginObject().Key("purged").Integer(reply.purged);
    json.Key("lamport").Integer(reply.lamport);
    json.Key("untouched").BeginArray();
    for (const std::string& path : reply.untouched) json.String(path);
    context.console.out << json.EndArray().EndObject().text() << '\n';
    return ExitCode::kOk;
  }
  context.console.out << "purged " << HumanCount(reply.purged)
                      << " versions at " << reply.lamport << '\n';
  for (const std::string& path : reply.untouched) {
    context.console.err << "warning: may still hold them: " << Printable(path)
                        << '\n';
  }
  return ExitCode::kOk;
}

void AddTagName(CLI::App& verb, Arguments& arguments) {
  verb.add_option("TAG", arguments.tag, "Name of the tag")
      ->type_name("")
      ->required();
}

void AddTagCommands(CLI::App& app, CommandContext& context) {
  CLI::App& group = *app.add_subcommand("tag", "Name moments of a collection");
  group.require_subcommand(1);
  group.footer(
      "What is alive at a tagged moment is never removed; read it with "
      "--at tag:TAG.\n"
      "Example: corkscrew tag create notes.db notes before-cleanup");
  auto arguments = std::make_shared<Arguments>();
  CLI::App& create = AddCollectionVerb(group, "create", "Name a moment",
                                       context, arguments, &CreateTag);
  AddTagName(create, *arguments);
  AddMoment(create, arguments->at,
            "The moment: a Lamport time, 2026-01-31T12:00:00Z or tag:NAME; "
            "now without it");
  create.footer("Example: corkscrew tag create notes.db notes v1 --at 17");

  arguments = std::make_shared<Arguments>();
  AddCollectionVerb(group, "list", "List the tags", context, arguments,
                    &ListTags)
      .footer("Example: corkscrew tag list notes.db notes");

  arguments = std::make_shared<Arguments>();
  CLI::App& remove = AddCollectionVerb(group, "delete", "Forget a tag", context,
                                       arguments, &DeleteTag);
  AddTagName(remove, *arguments);
  remove.footer("Example: corkscrew tag delete notes.db notes v1");
}

void AddRetentionCommands(CLI::App& app, CommandContext& context) {
  CLI::App& group =
      *app.add_subcommand("retention", "Say which old versions may be removed");
  group.require_subcommand(1);
  group.footer(
      "A version goes when a rule says so, unless it is current or tagged.\n"
      "Example: corkscrew retention set notes.db notes --keep-for 30d");
  auto arguments = std::make_shared<Arguments>();
  CLI::App& set =
      AddCollectionVerb(group, "set", "Set the rules; both replace the old",
                        context, arguments, &SetRetention);
  set.add_option("--keep-versions", arguments->keep_versions,
                 "Newest versions of each record that stay; 0: all")
      ->type_name("N")
      ->check(Decimal());
  set.add_option("--keep-for", arguments->keep_for,
                 "Versions that were current within this time stay: 30d, 12h, "
                 "or forever")
      ->type_name("TIME")
      ->check(CLI::Validator(
          [](const std::string& text) -> std::string {
            if (text == "forever") return "";
            const auto parsed = ParseDurationArgument(text);
            return parsed.ok() ? "" : std::string(parsed.status().message());
          },
          ""));
  set.footer(
      "Example: corkscrew retention set notes.db notes --keep-versions 10 "
      "--keep-for 30d");

  arguments = std::make_shared<Arguments>();
  AddCollectionVerb(group, "show", "Show the rules", context, arguments,
                    &ShowRetention)
      .footer("Example: corkscrew retention show notes.db notes");

  arguments = std::make_shared<Arguments>();
  AddCollectionVerb(group, "apply", "Remove now what the rules allow to remove",
                    context, arguments, &ApplyRetention)
      .footer("Example: corkscrew retention apply notes.db notes");
}

}  // namespace

void AddHistoryCommands(CLI::App& app, CommandContext& context) {
  AddTagCommands(app, context);
  AddRetentionCommands(app, context);
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& purge = AddCollectionVerb(
      app, "purge", "Remove records and all their versions for good", context,
      arguments, &Purge);
  purge.add_option("ID...", arguments->ids, "Ids of the records")
      ->type_name("")
      ->required();
  purge.add_flag("--yes", arguments->yes, "Do it: it can not be undone");
  purge.footer(
      "When it returns, no file of the database holds them any more. Files "
      "are\n"
      "rewritten, so it is slow. delete keeps the history.\n"
      "Example: corkscrew purge notes.db notes n1 --yes");
}

}  // namespace corkscrew
