// corkscrew alias set | list | delete.

#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "base/status_macros.h"
#include "corkscrew/db.h"
#include "server/command.h"
#include "server/json_writer.h"
#include "server/table.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

struct Arguments {
  std::string alias;
  std::string collection;
};

void PrintJson(const AliasInfo& alias, const CommandContext& context) {
  JsonWriter json;
  json.BeginObject().Key("alias").String(alias.name);
  json.Key("collection").String(alias.collection).EndObject();
  context.console.out << json.text() << '\n';
}

absl::StatusOr<ExitCode> Set(const Arguments& arguments, Db& db,
                             CommandContext& context) {
  CORKSCREW_RETURN_IF_ERROR(db.SetAlias(arguments.alias, arguments.collection));
  if (context.json) {
    PrintJson({arguments.alias, arguments.collection}, context);
  } else {
    context.console.out << Printable(arguments.alias) << " names "
                        << Printable(arguments.collection) << '\n';
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> List(const Arguments& /*arguments*/, Db& db,
                              CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<AliasInfo> aliases,
                             db.ListAliases());
  Table table({{"alias"}, {"collection"}});
  for (const AliasInfo& alias : aliases) {
    if (context.json) {
      PrintJson(alias, context);
    } else {
      table.Add({alias.name, alias.collection});
    }
  }
  if (!table.empty()) {
    table.Print(context.console.out, context.console.columns);
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Delete(const Arguments& arguments, Db& db,
                                CommandContext& context) {
  CORKSCREW_RETURN_IF_ERROR(db.DeleteAlias(arguments.alias));
  if (context.json) {
    JsonWriter json;
    json.BeginObject().Key("alias").String(arguments.alias);
    json.Key("deleted").Bool(true).EndObject();
    context.console.out << json.text() << '\n';
  } else {
    context.console.out << "deleted alias " << Printable(arguments.alias)
                        << '\n';
  }
  return ExitCode::kOk;
}

// Adds a verb with a TARGET that runs `action`.
CLI::App& AddVerb(CLI::App& group, const char* name, const char* what,
                  CommandContext& context,
                  const std::shared_ptr<Arguments>& arguments,
                  absl::StatusOr<ExitCode> (*action)(const Arguments&, Db&,
                                                     CommandContext&)) {
  CLI::App& verb = *group.add_subcommand(name, what);
  AddTarget(verb, context);
  AddJson(verb, context);
  verb.callback([&context, arguments, action] {
    context.run = [&context, arguments, action] {
      return WithDb(context,
                    [&](Db& db) { return action(*arguments, db, context); });
    };
  });
  return verb;
}

void AddAlias(CLI::App& verb, Arguments& arguments) {
  verb.add_option("ALIAS", arguments.alias, "Name of the alias")
      ->type_name("")
      ->required();
}

}  // namespace

void AddAliasCommands(CLI::App& app, CommandContext& context) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& group =
      *app.add_subcommand("alias", "Give collections second names");
  group.require_subcommand(1);
  group.footer(
      "An alias goes wherever the name of a collection does, but for drop; "
      "moving it\nis seen by everybody at once.\n"
      "Example: corkscrew alias set notes.db docs notes");
  CLI::App& set = AddVerb(group, "set", "Make an alias, or move it", context,
                          arguments, Set);
  AddAlias(set, *arguments);
  AddName(set, arguments->collection);
  set.footer("Example: corkscrew alias set notes.db docs notes");
  AddVerb(group, "list", "List the aliases", context, arguments, List)
      .footer("Example: corkscrew alias list notes.db");
  CLI::App& remove =
      AddVerb(group, "delete", "Forget an alias; its collection stays", context,
              arguments, Delete);
  AddAlias(remove, *arguments);
  remove.footer("Example: corkscrew alias delete notes.db docs");
}

}  // namespace corkscrew
