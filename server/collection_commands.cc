// corkscrew collection create | list | drop | info, and corkscrew stats.

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "base/status_macros.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "corkscrew/limits.h"
#include "corkscrew/metric.h"
#include "server/command.h"
#include "server/json_writer.h"
#include "server/model_path.h"
#include "server/output.h"

namespace corkscrew {
namespace {

ExitCode PrintInfo(const CollectionInfo& info, const CommandContext& context) {
  if (context.json) {
    JsonWriter json;
    WriteCollection(info, json);
    context.console.out << json.text() << '\n';
  } else {
    PrintCollection(info, context.console);
  }
  return ExitCode::kOk;
}

void AddCreate(CLI::App& group, CommandContext& context) {
  struct Arguments {
    std::string name;
    CollectionOptions options;
  };
  const auto arguments = std::make_shared<Arguments>();
  CollectionOptions& options = arguments->options;
  CLI::App& verb = *group.add_subcommand("create", "Create a collection");
  AddTarget(verb, context);
  AddName(verb, arguments->name);
  verb.add_option("--model", options.model,
                  std::string("Model that turns text into vectors, by name; ") +
                      kDefaultModel + " unless --dim is given")
      ->type_name("MODEL");
  verb.add_option("--dim", options.dim,
                  "Coordinates of a vector, for a collection without a model")
      ->type_name("N")
      ->check(Decimal())
      ->check(CLI::Range(size_t{1}, kMaxDim).description(""));
  verb.add_option("--metric", options.metric, "cosine (default), dot or l2")
      ->type_name("METRIC")
      ->transform(
          CLI::CheckedTransformer(std::vector<std::pair<std::string, Metric>>{
                                      {"cosine", Metric::kCosine},
                                      {"dot", Metric::kDot},
                                      {"l2", Metric::kL2}})
              .description(""));
  verb.add_option("--bits", options.bits, "Bits per coordinate of a code, 1-8")
      ->type_name("B")
      ->capture_default_str()
      ->check(CLI::Range(1, 8).description(""));
  verb.add_option("--vectors", options.originals,
                  "What is kept beside the code: float32 (default), bfloat16 "
                  "or codes_only")
      ->type_name("KIND")
      ->transform(CLI::CheckedTransformer(
                      std::vector<std::pair<std::string, Originals>>{
                          {"float32", Originals::kFloat32},
                          {"bfloat16", Originals::kBFloat16},
                          {"codes_only", Originals::kCodesOnly}})
                      .description(""));
  AddJson(verb, context);
  verb.footer(
      "Creates the database too if TARGET is a directory without one.\n"
      "Example: corkscrew collection create notes.db notes");
  verb.callback([&context, arguments] {
    context.target.create_if_missing = true;
    context.run = [&context, arguments] {
      return WithDb(context, [&](Db& db) -> absl::StatusOr<ExitCode> {
        CollectionOptions& wanted = arguments->options;
        if (wanted.model.empty() && wanted.dim == 0) {
          wanted.model = kDefaultModel;
        }
        CORKSCREW_ASSIGN_OR_RETURN(
            const std::shared_ptr<Collection> collection,
            db.CreateCollection(arguments->name, wanted));
        CORKSCREW_ASSIGN_OR_RETURN(const CollectionInfo info,
                                   collection->Info());
        return PrintInfo(info, context);
      });
    };
  });
}

void AddList(CLI::App& group, CommandContext& context) {
  CLI::App& verb = *group.add_subcommand("list", "List the collections");
  AddTarget(verb, context);
  AddJson(verb, context);
  verb.footer("Example: corkscrew collection list notes.db");
  verb.callback([&context] {
    context.run = [&context] {
      return WithDb(context, [&](Db& db) -> absl::StatusOr<ExitCode> {
        CORKSCREW_ASSIGN_OR_RETURN(
            const std::vector<CollectionInfo> collections,
            db.ListCollections());
        if (!context.json) {
          PrintCollections(collections, context.console);
          return ExitCode::kOk;
        }
        for (const CollectionInfo& info : collections) {
          PrintInfo(info, context);
        }
        return ExitCode::kOk;
      });
    };
  });
}

void AddDrop(CLI::App& group, CommandContext& context) {
  const auto name = std::make_shared<std::string>();
  CLI::App& verb = *group.add_subcommand(
      "drop", "Remove a collection with its whole history");
  AddTarget(verb, context);
  AddName(verb, *name);
  AddJson(verb, context);
  verb.footer("Example: corkscrew collection drop notes.db notes");
  verb.callback([&context, name] {
    context.run = [&context, name] {
      return WithDb(context, [&](Db& db) -> absl::StatusOr<ExitCode> {
        CORKSCREW_RETURN_IF_ERROR(db.DropCollection(*name));
        if (context.json) {
          JsonWriter json;
          json.BeginObject().Key("name").String(*name);
          json.Key("dropped").Bool(true).EndObject();
          context.console.out << json.text() << '\n';
        } else {
          context.console.out << "dropped " << *name << '\n';
        }
        return ExitCode::kOk;
      });
    };
  });
}

void AddInfo(CLI::App& group, CommandContext& context) {
  const auto name = std::make_shared<std::string>();
  CLI::App& verb = *group.add_subcommand("info", "Show one collection");
  AddTarget(verb, context);
  AddName(verb, *name);
  AddJson(verb, context);
  verb.footer("Example: corkscrew collection info notes.db notes --json");
  verb.callback([&context, name] {
    context.run = [&context, name] {
      return WithCollection(
          context, *name,
          [&](Collection& collection) -> absl::StatusOr<ExitCode> {
            CORKSCREW_ASSIGN_OR_RETURN(const CollectionInfo info,
                                       collection.Info());
            return PrintInfo(info, context);
          });
    };
  });
}

void AddStats(CLI::App& app, CommandContext& context) {
  CLI::App& verb =
      *app.add_subcommand("stats", "Show sizes of a database and its parts");
  AddTarget(verb, context);
  AddJson(verb, context);
  verb.footer("Example: corkscrew stats notes.db");
  verb.callback([&context] {
    context.run = [&context] {
      return WithDb(context, [&](Db& db) -> absl::StatusOr<ExitCode> {
        CORKSCREW_ASSIGN_OR_RETURN(const DbStats stats, db.Stats());
        if (context.json) {
          JsonWriter json;
          WriteStats(stats, json);
          context.console.out << json.text() << '\n';
        } else {
          PrintStats(stats, context.console);
        }
        return ExitCode::kOk;
      });
    };
  });
}

}  // namespace

void AddCollectionCommands(CLI::App& app, CommandContext& context) {
  CLI::App& group = *app.add_subcommand(
      "collection", "Create, list, drop or show collections");
  group.require_subcommand(1);
  group.footer("Example: corkscrew collection create notes.db notes");
  AddCreate(group, context);
  AddList(group, context);
  AddDrop(group, context);
  AddInfo(group, context);
  AddStats(app, context);
}

}  // namespace corkscrew
