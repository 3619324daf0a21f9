// corkscrew reembed: a collection again, with another model.

#include <cstddef>
#include <memory>
#include <optional>
#include <ostream>
#include <string>

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
  std::string into;
};

// The collection that gets the records: as `from`, but for model and dim. One
// that is there already is where an earlier run stopped.
absl::StatusOr<std::shared_ptr<Collection>> Destination(
    Db& db, const CollectionInfo& from, const Arguments& arguments) {
  absl::StatusOr<std::shared_ptr<Collection>> found =
      db.OpenCollection(arguments.into);
  if (absl::IsNotFound(found.status())) {
    CollectionOptions options = from.options;
    options.model = arguments.model;
    options.dim = 0;
    return db.CreateCollection(arguments.into, options);
  }
  CORKSCREW_RETURN_IF_ERROR(found.status());
  CORKSCREW_ASSIGN_OR_RETURN(const CollectionInfo info, (*found)->Info());
  if (info.options.model != arguments.model) {
    return absl::AlreadyExistsError(absl::StrCat(
        "collection \"", arguments.into, "\" is there with the model \"",
        info.options.model, "\", want \"", arguments.model,
        "\": name another with --into"));
  }
  return found;
}

void Print(const ReembedReply& reply, const Arguments& arguments,
           CommandContext& context) {
  if (context.json) {
    JsonWriter json;
    json.BeginObject();
    json.Key("into").String(arguments.into);
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
  context.console.out << Printable(arguments.into) << ": "
                      << HumanCount(reply.written) << " records written, "
                      << HumanCount(reply.deleted) << " deleted, "
                      << HumanCount(reply.unchanged) << " as they should be\n";
  if (reply.textless > 0) {
    context.console.err << HumanCount(reply.textless)
                        << " records have no text and were left out\n";
  }
}

absl::StatusOr<ExitCode> RunReembed(const Arguments& arguments,
                                    CommandContext& context) {
  if (arguments.into == arguments.name) {
    return absl::InvalidArgumentError(absl::StrCat(
        "collection \"", arguments.name, "\" can not be written into itself"));
  }
  return WithDb(context, [&](Db& db) -> absl::StatusOr<ExitCode> {
    CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> from,
                               db.OpenCollection(arguments.name));
    CORKSCREW_ASSIGN_OR_RETURN(const CollectionInfo info, from->Info());
    CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> to,
                               Destination(db, info, arguments));
    Progress progress(context.console, "reembed", "records", std::nullopt,
                      context.system.now);
    ReembedOptions options;
    options.progress = [&progress](size_t done) { progress.Update(done, 0); };
    const absl::StatusOr<ReembedReply> reply = Reembed(*from, *to, options);
    progress.Interrupt();
    CORKSCREW_RETURN_IF_ERROR(reply.status());
    Print(*reply, arguments, context);
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
                  "The collection that gets them; made if it is not there")
      ->type_name("NAME")
      ->required();
  AddJson(verb, context);
  verb.footer(
      "The old collection stays as it is. Run it again to go on after a stop, "
      "or "
      "to take\nover what was written meanwhile; then let readers use the new "
      "name.\n"
      "Example: corkscrew reembed notes.db notes --model all-minilm --into "
      "notes-2");
  verb.callback([&context, arguments] {
    context.run = [&context, arguments] {
      return RunReembed(*arguments, context);
    };
  });
}

}  // namespace corkscrew
