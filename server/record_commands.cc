// corkscrew put | get | delete | history | list | count.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "corkscrew/collection.h"
#include "corkscrew/filter.h"
#include "corkscrew/limits.h"
#include "corkscrew/metadata.h"
#include "corkscrew/record.h"
#include "server/command.h"
#include "server/filter_expression.h"
#include "server/json_lines.h"
#include "server/json_writer.h"
#include "server/moment_argument.h"
#include "server/output.h"
#include "server/table.h"
#include "server/version_text.h"

namespace corkscrew {
namespace {

// Arguments of all verbs here; each uses some.
struct Arguments {
  std::string name;
  std::string id;                // Of put and history,
  std::vector<std::string> ids;  // of get and delete.
  std::string text;
  std::string metadata;
  std::string filter;
  std::string expires;              // Of put,
  std::string set;                  // of patch,
  std::vector<std::string> remove;  // of patch.
  std::string at;
  size_t page_size = 100;
  std::string page_token;
  std::string if_version;
  std::string request_id;
  bool vectors = false;
  bool all = false;

  std::optional<Moment> moment() const { return MomentOf(at); }
  Fields fields() const {
    Fields wanted;
    wanted.vector = vectors;
    return wanted;
  }
};

void AddAt(CLI::App& verb, Arguments& arguments) {
  AddMoment(verb, arguments.at,
            "Answer as of this moment instead of now: a Lamport time, "
            "2026-01-31T12:00:00Z or tag:NAME");
}
void AddFilter(CLI::App& verb, Arguments& arguments) {
  verb.add_option("--filter", arguments.filter,
                  "Only records whose metadata matches, for example "
                  "'pos = \"noun\" and year >= 2000'; see corkscrew --help")
      ->type_name("EXPR");
}
void AddPages(CLI::App& verb, Arguments& arguments) {
  verb.add_option("--page-size", arguments.page_size,
                  "Records of one page, 1-1000")
      ->type_name("N")
      ->capture_default_str()
      ->check(Decimal())
      ->check(CLI::Range(size_t{1}, kMaxPageSize).description(""));
  verb.add_option("--page-token", arguments.page_token,
                  "Go on after the page that printed this token")
      ->type_name("T");
  verb.add_flag("--all", arguments.all, "Print all pages");
}
void AddVectors(CLI::App& verb, Arguments& arguments) {
  verb.add_flag("--with-vectors", arguments.vectors, "Print the vectors too");
}

void AddCondition(CLI::App& verb, Arguments& arguments) {
  verb.add_option("--if-version", arguments.if_version,
                  "Only if this is the current version, as get --json prints "
                  "it; none: only if there is no record")
      ->type_name("VERSION");
}
void AddRequestId(CLI::App& verb, Arguments& arguments) {
  verb.add_option("--request-id", arguments.request_id,
                  "A retry with the same id within 24 hours writes nothing and "
                  "answers as the first one did")
      ->type_name("ID");
}

absl::StatusOr<std::optional<Version>> Condition(const Arguments& arguments) {
  if (arguments.if_version.empty()) return std::nullopt;
  CORKSCREW_ASSIGN_OR_RETURN(const Version version,
                             ParseVersion(arguments.if_version));
  return std::optional<Version>(version);
}

WriteOptions OptionsOf(const Arguments& arguments) {
  WriteOptions options;
  options.request_id = arguments.request_id;
  return options;
}

std::vector<absl::string_view> Views(const std::vector<std::string>& ids) {
  return {ids.begin(), ids.end()};
}

void PrintJsonRecord(const StoredRecord& record,
                     const CommandContext& context) {
  JsonWriter json;
  WriteRecord(record, json);
  context.console.out << json.text() << '\n';
}

// Prints one page, and how to get the next one.
void PrintPage(const std::vector<StoredRecord>& records,
               const std::string& next_page_token, bool all,
               const CommandContext& context) {
  if (!context.json) {
    PrintRecords(records, context.console);
    if (!next_page_token.empty() && !all) {
      context.console.err << "more: --page-token " << next_page_token << '\n';
    }
    return;
  }
  for (const StoredRecord& record : records) PrintJsonRecord(record, context);
  if (!next_page_token.empty() && !all) {
    JsonWriter json;
    json.BeginObject().Key("next_page_token").String(next_page_token);
    context.console.out << json.EndObject().text() << '\n';
  }
}

// Lamport time and version of a reply about a record.
void WriteVersion(Lamport lamport, const PutOutcome& outcome,
                  JsonWriter& json) {
  json.Key("lamport").Integer(lamport);
  if (outcome.version.seq == 0) return;
  json.Key("version").String(VersionText(outcome.version));
}

absl::StatusOr<ExitCode> Put(const Arguments& arguments, Collection& collection,
                             CommandContext& context) {
  Metadata metadata;
  if (!arguments.metadata.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(metadata, ParseMetadata(arguments.metadata));
  }
  PutItem item;
  item.record = RecordView(arguments.id);
  item.record.text = arguments.text;
  item.record.metadata = &metadata;
  if (!arguments.expires.empty()) {
    const absl::StatusOr<absl::Time> expires =
        ParseTimeOrDelay(arguments.expires, context.system.now());
    if (!expires.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--expires ", expires.status().message()));
    }
    item.record.expires_ms = absl::ToUnixMillis(*expires);
  }
  CORKSCREW_ASSIGN_OR_RETURN(item.if_version, Condition(arguments));
  CORKSCREW_ASSIGN_OR_RETURN(const PutReply reply,
                             collection.Put({&item, 1}, OptionsOf(arguments)));
  const bool truncated = !reply.items.empty() && reply.items[0].truncated;
  if (context.json) {
    JsonWriter json;
    json.BeginObject().Key("id").String(arguments.id);
    WriteVersion(reply.lamport, reply.items[0], json);
    json.Key("truncated").Bool(truncated).EndObject();
    context.console.out << json.text() << '\n';
    return ExitCode::kOk;
  }
  context.console.out << "put " << arguments.id << " at " << reply.lamport
                      << '\n';
  if (truncated) {
    context.console.err << "warning: the text is longer than the model reads; "
                           "its end does not count in searches\n";
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Get(const Arguments& arguments, Collection& collection,
                             CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(
      const auto records,
      collection.Get(Views(arguments.ids), arguments.fields(),
                     arguments.moment()));
  ExitCode code = ExitCode::kOk;
  bool first = true;
  for (size_t i = 0; i < records.size(); ++i) {
    if (!records[i].has_value()) {
      context.console.err << "corkscrew: collection \"" << arguments.name
                          << "\": no record \"" << arguments.ids[i] << "\"\n";
      code = ExitCode::kNotFound;
      continue;
    }
    if (context.json) {
      PrintJsonRecord(*records[i], context);
    } else {
      if (!first) context.console.out << '\n';
      PrintRecord(*records[i], context.console);
      first = false;
    }
  }
  return code;
}

absl::StatusOr<ExitCode> DeleteMatching(const Arguments& arguments,
                                        Collection& collection,
                                        CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(const Filter filter,
                             ParseFilterExpression(arguments.filter));
  CORKSCREW_ASSIGN_OR_RETURN(
      const DeleteMatchingReply reply,
      collection.DeleteMatching(filter, OptionsOf(arguments)));
  if (context.json) {
    JsonWriter json;
    json.BeginObject().Key("deleted").Integer(reply.deleted);
    json.Key("lamport").Integer(reply.lamport).EndObject();
    context.console.out << json.text() << '\n';
  } else {
    context.console.out << "deleted " << reply.deleted << " records at "
                        << reply.lamport << '\n';
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Patch(const Arguments& arguments,
                               Collection& collection,
                               CommandContext& context) {
  Metadata set;
  if (!arguments.set.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(set, ParseMetadata(arguments.set));
  }
  std::vector<PatchItem> items;
  CORKSCREW_ASSIGN_OR_RETURN(const std::optional<Version> condition,
                             Condition(arguments));
  if (condition.has_value() && arguments.ids.size() != 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--if-version is of one record, ", arguments.ids.size(), " are given"));
  }
  for (const std::string& id : arguments.ids) {
    PatchItem& item = items.emplace_back();
    item.id = id;
    item.set = set;
    item.remove = arguments.remove;
    item.if_version = condition;
  }
  CORKSCREW_ASSIGN_OR_RETURN(const PutReply reply,
                             collection.Patch(items, OptionsOf(arguments)));
  for (size_t i = 0; i < arguments.ids.size(); ++i) {
    if (context.json) {
      JsonWriter json;
      json.BeginObject().Key("id").String(arguments.ids[i]);
      WriteVersion(reply.lamport, reply.items[i], json);
      context.console.out << json.EndObject().text() << '\n';
    } else {
      context.console.out << "patched " << arguments.ids[i] << " at "
                          << reply.lamport << '\n';
    }
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Delete(const Arguments& arguments,
                                Collection& collection,
                                CommandContext& context) {
  if (!arguments.filter.empty()) {
    return DeleteMatching(arguments, collection, context);
  }
  CORKSCREW_ASSIGN_OR_RETURN(
      const DeleteReply reply,
      collection.Delete(Views(arguments.ids), OptionsOf(arguments)));
  for (size_t i = 0; i < reply.deleted.size(); ++i) {
    if (context.json) {
      JsonWriter json;
      json.BeginObject().Key("id").String(arguments.ids[i]);
      json.Key("deleted").Bool(reply.deleted[i]);
      json.Key("lamport").Integer(reply.lamport).EndObject();
      context.console.out << json.text() << '\n';
    } else if (reply.deleted[i]) {
      context.console.out << "deleted " << arguments.ids[i] << " at "
                          << reply.lamport << '\n';
    } else {
      context.console.out << "not there: " << arguments.ids[i] << '\n';
    }
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> History(const Arguments& arguments,
                                 Collection& collection,
                                 CommandContext& context) {
  HistoryOptions options;
  options.fields = arguments.fields();
  options.page_size = arguments.page_size;
  options.page_token = arguments.page_token;
  do {
    CORKSCREW_ASSIGN_OR_RETURN(HistoryReply reply,
                               collection.History(arguments.id, options));
    PrintPage(reply.versions, reply.next_page_token, arguments.all, context);
    options.page_token = std::move(reply.next_page_token);
  } while (arguments.all && !options.page_token.empty());
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> List(const Arguments& arguments,
                              Collection& collection, CommandContext& context) {
  ListOptions options;
  CORKSCREW_ASSIGN_OR_RETURN(options.filter,
                             ParseFilterExpression(arguments.filter));
  options.at = arguments.moment();
  options.fields = arguments.fields();
  options.page_size = arguments.page_size;
  options.page_token = arguments.page_token;
  do {
    CORKSCREW_ASSIGN_OR_RETURN(ListReply reply, collection.List(options));
    PrintPage(reply.records, reply.next_page_token, arguments.all, context);
    options.page_token = std::move(reply.next_page_token);
  } while (arguments.all && !options.page_token.empty());
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Count(const Arguments& arguments,
                               Collection& collection,
                               CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(const Filter filter,
                             ParseFilterExpression(arguments.filter));
  CORKSCREW_ASSIGN_OR_RETURN(const size_t count,
                             collection.Count(filter, arguments.moment()));
  if (context.json) {
    JsonWriter json;
    json.BeginObject().Key("count").Integer(count).EndObject();
    context.console.out << json.text() << '\n';
  } else {
    context.console.out << count << '\n';
  }
  return ExitCode::kOk;
}

void AddId(CLI::App& verb, Arguments& arguments) {
  verb.add_option("ID", arguments.id, "Id of the record")
      ->type_name("")
      ->required();
}
void AddIds(CLI::App& verb, Arguments& arguments) {
  verb.add_option("ID...", arguments.ids, "Ids of the records")
      ->type_name("")
      ->required();
}

}  // namespace

void AddRecordCommands(CLI::App& app, CommandContext& context) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& put = AddCollectionVerb(app, "put", "Write one record", context,
                                    arguments, &Put);
  AddId(put, *arguments);
  put.add_option("TEXT", arguments->text, "Its text")
      ->type_name("")
      ->required();
  put.add_option("--metadata", arguments->metadata,
                 "A JSON object of booleans, numbers, strings and lists of "
                 "strings")
      ->type_name("JSON");
  put.add_option("--expires", arguments->expires,
                 "Hide the record from then on: 2030-01-31T12:00:00Z, or from "
                 "now: 90s, 12h, 30d")
      ->type_name("TIME");
  AddCondition(put, *arguments);
  AddRequestId(put, *arguments);
  put.footer(
      "Example: corkscrew put notes.db notes n1 'Call the plumber' "
      "--metadata '{\"done\": false}'");

  arguments = std::make_shared<Arguments>();
  CLI::App& get = AddCollectionVerb(app, "get", "Print records by id", context,
                                    arguments, &Get);
  AddIds(get, *arguments);
  AddAt(get, *arguments);
  AddVectors(get, *arguments);
  get.footer("Example: corkscrew get notes.db notes n1 n2 --json");

  arguments = std::make_shared<Arguments>();
  CLI::App& remove = AddCollectionVerb(
      app, "delete", "Delete records by id, or all that match a filter",
      context, arguments, &Delete);
  remove.add_option("ID...", arguments->ids, "Ids of the records")
      ->type_name("");
  remove
      .add_option("--filter", arguments->filter,
                  "Delete every record whose metadata matches; see corkscrew "
                  "--help")
      ->type_name("EXPR");
  AddRequestId(remove, *arguments);
  remove.footer(
      "Earlier moments keep them: search and get with --at.\n"
      "Example: corkscrew delete notes.db notes n1 n2");
  remove.parse_complete_callback([arguments] {
    if (arguments->ids.empty() == arguments->filter.empty()) {
      throw CLI::ValidationError("delete", "want either ids or --filter EXPR");
    }
  });

  arguments = std::make_shared<Arguments>();
  CLI::App& patch =
      AddCollectionVerb(app, "patch", "Change the metadata of records", context,
                        arguments, &Patch);
  AddIds(patch, *arguments);
  patch
      .add_option("--set", arguments->set,
                  "A JSON object of the keys to set; others stay")
      ->type_name("JSON");
  patch.add_option("--remove", arguments->remove, "A key to remove")
      ->type_name("KEY")
      ->allow_extra_args(false);
  AddCondition(patch, *arguments);
  AddRequestId(patch, *arguments);
  patch.footer(
      "Text and vector stay. All of the records are changed or none.\n"
      "Example: corkscrew patch notes.db notes n1 --set '{\"done\": true}' "
      "--remove draft");

  arguments = std::make_shared<Arguments>();
  CLI::App& history =
      AddCollectionVerb(app, "history", "Print all versions of a record",
                        context, arguments, &History);
  AddId(history, *arguments);
  AddPages(history, *arguments);
  AddVectors(history, *arguments);
  history.footer("Example: corkscrew history notes.db notes n1");

  arguments = std::make_shared<Arguments>();
  CLI::App& list = AddCollectionVerb(
      app, "list", "Print records by id, in pages", context, arguments, &List);
  AddFilter(list, *arguments);
  AddPages(list, *arguments);
  AddAt(list, *arguments);
  AddVectors(list, *arguments);
  list.footer(
      "With --json, a line {\"next_page_token\": T} ends a page that has a "
      "next one.\nWhat --all --json --with-vectors prints can be imported.\n"
      "Example: corkscrew list notes.db notes --filter 'done = false'");

  arguments = std::make_shared<Arguments>();
  CLI::App& count = AddCollectionVerb(app, "count", "Count records", context,
                                      arguments, &Count);
  AddFilter(count, *arguments);
  AddAt(count, *arguments);
  count.footer(
      "Example: corkscrew count notes.db notes --filter 'year > 1999'");
}

}  // namespace corkscrew
