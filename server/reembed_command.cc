// corkscrew reembed: a collection again, with another model.

#include <cstddef>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "server/command.h"
#include "server/json_writer.h"
#include "server/progress.h"
#include "server/reembed.h"
#include "server/table.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

struct Arguments {
  std::string name;
  std::string model;
  std::string into;   // Empty: named after the alias and the model.
  std::string alias;  // Names the result in the end; empty: none does.
  bool skip_textless = false;
};

// What a run is about.
struct Plan {
  std::shared_ptr<Collection> from;
  CollectionInfo info;
  std::string into;
  std::string alias;  // Empty: no alias is moved.
  // What the alias names at the start; empty: nothing.
  std::string alias_names;
};

absl::StatusOr<Plan> MakePlan(Db& db, const Arguments& arguments) {
  Plan plan;
  CORKSCREW_ASSIGN_OR_RETURN(plan.from, db.OpenCollection(arguments.name));
  CORKSCREW_ASSIGN_OR_RETURN(plan.info, plan.from->Info());
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<AliasInfo> aliases,
                             db.ListAliases());
  plan.alias = arguments.alias;
  for (const AliasInfo& alias : aliases) {
    if (plan.alias.empty() && alias.name == arguments.name) {
      plan.alias = alias.name;
    }
  }
  for (const AliasInfo& alias : aliases) {
    if (alias.name == plan.alias) plan.alias_names = alias.collection;
  }
  plan.into = arguments.into;
  if (plan.into.empty() && plan.alias.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", arguments.name,
        "\" is a collection and no alias: say with --into which collection "
        "gets the records, or with --alias which alias is to name it"));
  }
  if (plan.into.empty()) {
    plan.into = absl::StrCat(plan.alias, "@", arguments.model);
  }
  return plan;
}

// Whether an earlier run got to its end.
bool IsDone(const Plan& plan, const Arguments& arguments) {
  return !plan.alias.empty() && arguments.into.empty() &&
         plan.info.options.model == arguments.model &&
         plan.alias_names == plan.info.name;
}

// The collection that gets the records: as `from`, but for model and dim. One
// that is there already is where an earlier run stopped.
absl::StatusOr<std::shared_ptr<Collection>> Destination(
    Db& db, const Plan& plan, const Arguments& arguments) {
  absl::StatusOr<std::shared_ptr<Collection>> found =
      db.OpenCollection(plan.into);
  if (absl::IsNotFound(found.status())) {
    CollectionOptions options = plan.info.options;
    options.model = arguments.model;
    options.dim = 0;
    return db.CreateCollection(plan.into, options);
  }
  CORKSCREW_RETURN_IF_ERROR(found.status());
  CORKSCREW_ASSIGN_OR_RETURN(const CollectionInfo info, (*found)->Info());
  if (info.options.model != arguments.model) {
    return absl::AlreadyExistsError(absl::StrCat(
        "collection \"", plan.into, "\" is there with the model \"",
        info.options.model, "\", want \"", arguments.model,
        "\": name another with --into"));
  }
  return found;
}

void Print(const ReembedReply& reply, const Plan& plan, bool moved,
           CommandContext& context) {
  if (context.json) {
    JsonWriter json;
    json.BeginObject();
    json.Key("into").String(plan.into);
    json.Key("alias");
    if (moved) {
      json.String(plan.alias);
    } else {
      json.Null();
    }
    json.Key("records").Integer(reply.records);
    json.Key("written").Integer(reply.written);
    json.Key("unchanged").Integer(reply.unchanged);
    json.Key("deleted").Integer(reply.deleted);
    json.Key("truncated").Integer(reply.truncated);
    json.Key("textless").Integer(reply.textless);
    json.Key("passes").Integer(reply.passes);
    json.EndObject();
    context.console.out << json.text() << '\n';
    return;
  }
  context.console.out << Printable(plan.into) << ": "
                      << HumanCount(reply.written) << " records written, "
                      << HumanCount(reply.deleted) << " deleted, "
                      << HumanCount(reply.unchanged) << " as they should be\n";
  if (moved) {
    context.console.out << Printable(plan.alias) << " names it now; "
                        << Printable(plan.info.name) << " is as it was\n";
  }
  if (reply.textless > 0) {
    context.console.err << HumanCount(reply.textless)
                        << " records have no text and were left out\n";
  }
}

// Moves the alias if `to` has all of the source, whose clock is then still at
// `at`. False: the source was written to.
absl::StatusOr<bool> MoveAlias(Db& db, const Plan& plan, Lamport at) {
  absl::Status moved = db.SetAlias(
      plan.alias, plan.into,
      {.if_collection = plan.alias_names,
       .if_unchanged = AliasOptions::Unchanged{plan.info.name, at}});
  if (moved.ok()) return true;
  if (!absl::IsAborted(moved)) return moved;
  CORKSCREW_ASSIGN_OR_RETURN(const CollectionInfo now, plan.from->Info());
  if (now.lamport == at) return moved;  // It is the alias that has changed.
  return false;
}

absl::StatusOr<ExitCode> RunReembed(const Arguments& arguments,
                                    CommandContext& context) {
  return WithDb(context, [&](Db& db) -> absl::StatusOr<ExitCode> {
    CORKSCREW_ASSIGN_OR_RETURN(Plan plan, MakePlan(db, arguments));
    if (IsDone(plan, arguments)) {
      plan.into = plan.info.name;
      context.console.err << Printable(plan.alias) << " names "
                          << Printable(plan.into) << ", which has the model "
                          << Printable(arguments.model) << " already\n";
      return ExitCode::kOk;
    }
    if (plan.into == plan.info.name) {
      return absl::InvalidArgumentError(absl::StrCat(
          "collection \"", plan.into, "\" can not be written into itself"));
    }
    CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> to,
                               Destination(db, plan, arguments));
    Progress progress(context.console, "reembed", "records", std::nullopt,
                      context.system.now);
    ReembedOptions options;
    options.progress = [&progress](size_t done) { progress.Update(done, 0); };
    bool moved = false;
    if (!plan.alias.empty()) {
      options.complete =
          [&](Lamport at, const ReembedReply& so_far) -> absl::StatusOr<bool> {
        // Records without text would be gone for who reads by the alias.
        if (so_far.textless > 0 && !arguments.skip_textless) return true;
        CORKSCREW_ASSIGN_OR_RETURN(moved, MoveAlias(db, plan, at));
        return moved;
      };
    }
    const absl::StatusOr<ReembedReply> reply =
        Reembed(*plan.from, *to, options);
    progress.Interrupt();
    CORKSCREW_RETURN_IF_ERROR(reply.status());
    Print(*reply, plan, moved, context);
    if (!plan.alias.empty() && !moved) {
      context.console.err << Printable(plan.alias)
                          << " was not moved: --skip-textless moves it all the "
                             "same\n";
    }
    return reply->textless > 0 ? ExitCode::kBadLines : ExitCode::kOk;
  });
}

}  // namespace

void AddReembedCommand(CLI::App& app, CommandContext& context) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& verb = *app.add_subcommand(
      "reembed", "Embed the records of a collection with another model");
  AddTarget(verb, context);
  AddName(verb, arguments->name);
  verb.add_option("--model", arguments->model, "Name of the model")
      ->type_name("MODEL")
      ->required();
  verb.add_option("--into", arguments->into,
                  "The collection that gets them, made if it is not there; "
                  "ALIAS@MODEL unless given")
      ->type_name("NAME");
  verb.add_option("--alias", arguments->alias,
                  "Alias that names the new collection once it is complete; "
                  "the given NAME if that is an alias")
      ->type_name("ALIAS");
  verb.add_flag("--skip-textless", arguments->skip_textless,
                "Move the alias although records without text are left out");
  AddJson(verb, context);
  verb.footer(
      "The old collection stays as it is. When the new one has every write of "
      "it,\nthe alias is moved at once. Run it again to go on after a stop.\n"
      "Example: corkscrew alias set notes.db docs notes\n"
      "         corkscrew reembed notes.db docs --model all-minilm");
  verb.callback([&context, arguments] {
    context.run = [&context, arguments] {
      return RunReembed(*arguments, context);
    };
  });
}

}  // namespace corkscrew
