// corkscrew search: one text, the neighbours of a record, or a file of queries.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "corkscrew/collection.h"
#include "corkscrew/limits.h"
#include "corkscrew/record.h"
#include "corkscrew/search.h"
#include "server/command.h"
#include "server/filter_expression.h"
#include "server/json_lines.h"
#include "server/json_writer.h"
#include "server/moment_argument.h"
#include "server/output.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

// Queries of one SearchBatch(). Bounds the replies held in memory too.
constexpr size_t kBatchQueries = 64;

struct Arguments {
  std::string name;
  std::string text;
  std::string like;
  std::string filter;
  size_t k = 10;
  std::string at;
  std::optional<float> min_score;
  float oversample = Query().oversample;
  bool exact = false;
  bool vectors = false;
};

absl::StatusOr<Query> MakeQuery(const Arguments& arguments) {
  Query query;
  query.k = arguments.k;
  CORKSCREW_ASSIGN_OR_RETURN(query.filter,
                             ParseFilterExpression(arguments.filter));
  query.at = MomentOf(arguments.at);
  query.min_score = arguments.min_score;
  query.exact = arguments.exact;
  query.oversample = arguments.oversample;
  query.fields.vector = arguments.vectors;
  return query;
}

void WarnTruncated(const SearchReply& reply, const Console& console) {
  if (reply.truncated) {
    console.err << "warning: the query is longer than the model reads; its end "
                   "does not count\n";
  }
}

// One query given on the command line.
absl::StatusOr<ExitCode> SearchOne(const Query& query, Collection& collection,
                                   CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(const SearchReply reply, collection.Search(query));
  WarnTruncated(reply, context.console);
  if (!context.json) {
    PrintHits(reply.hits, context.console);
    return ExitCode::kOk;
  }
  for (const Hit& hit : reply.hits) {
    JsonWriter json;
    WriteHit(hit, json);
    context.console.out << json.text() << '\n';
  }
  return ExitCode::kOk;
}

// The queries of a file, all at one moment. Single-threaded.
class QueryFile {
 public:
  // `base` is every query but its target.
  QueryFile(Query base, const Collection& collection, CommandContext& context)
      : base_(std::move(base)), collection_(collection), context_(context) {}

  absl::StatusOr<ExitCode> Run(std::istream& in) {
    LineReader reader(in);
    std::string line;
    while (reader.Next(line)) {
      if (reader.too_long()) {
        ReportLine(reader.line_number(),
                   absl::StrCat("longer than ", kMaxLineBytes, " bytes"));
        continue;
      }
      if (absl::StripAsciiWhitespace(line).empty()) continue;
      absl::StatusOr<QueryLine> parsed = ParseQueryLine(line);
      if (!parsed.ok()) {
        ReportLine(reader.line_number(), parsed.status().message());
        continue;
      }
      pending_.push_back(MakePending(*std::move(parsed), reader.line_number()));
      if (pending_.size() == kBatchQueries) {
        CORKSCREW_RETURN_IF_ERROR(Flush());
      }
    }
    CORKSCREW_RETURN_IF_ERROR(Flush());
    return bad_lines_ ? ExitCode::kBadLines : ExitCode::kOk;
  }

 private:
  struct Pending {
    std::string id;
    std::string shown;  // For people.
    uint64_t line_number;
    Query query;
  };

  Pending MakePending(QueryLine line, uint64_t line_number) const {
    Pending pending{std::move(line.id), line.text, line_number, base_};
    if (line.vector.empty()) {
      pending.query.target = std::move(line.text);
    } else {
      pending.query.target = std::move(line.vector);
    }
    return pending;
  }

  void ReportLine(uint64_t line_number, absl::string_view reason) {
    bad_lines_ = true;
    context_.console.err << "line " << line_number << ": " << Printable(reason)
                         << '\n';
  }

  absl::Status Flush() {
    if (pending_.empty()) return absl::OkStatus();
    std::vector<Query> queries;
    for (Pending& pending : pending_) {
      pending.query.at = base_.at;
      queries.push_back(pending.query);
    }
    const absl::StatusOr<std::vector<SearchReply>> replies =
        collection_.SearchBatch(queries);
    if (replies.ok()) {
      for (size_t i = 0; i < replies->size() && i < pending_.size(); ++i) {
        Print(pending_[i], (*replies)[i]);
      }
    } else if (absl::IsInvalidArgument(replies.status())) {
      // One bad query refuses a batch: find it, answer the others.
      CORKSCREW_RETURN_IF_ERROR(SearchEach());
    } else {
      return replies.status();
    }
    pending_.clear();
    return absl::OkStatus();
  }

  absl::Status SearchEach() {
    for (Pending& pending : pending_) {
      pending.query.at = base_.at;
      const absl::StatusOr<SearchReply> reply =
          collection_.Search(pending.query);
      if (reply.ok()) {
        Print(pending, *reply);
      } else if (absl::IsInvalidArgument(reply.status())) {
        ReportLine(pending.line_number, reply.status().message());
      } else {
        return reply.status();
      }
    }
    return absl::OkStatus();
  }

  void Print(const Pending& pending, const SearchReply& reply) {
    // The first answer fixes the moment of all later ones.
    if (!base_.at.has_value()) base_.at = Moment::At(reply.at);
    if (context_.json) {
      JsonWriter json;
      json.BeginObject().Key("query").String(pending.id);
      json.Key("hits").BeginArray();
      for (const Hit& hit : reply.hits) WriteHit(hit, json);
      json.EndArray().EndObject();
      context_.console.out << json.text() << '\n';
      return;
    }
    if (printed_) context_.console.out << '\n';
    printed_ = true;
    context_.console.out << "query " << Snippet(pending.id, 60);
    if (!pending.shown.empty()) {
      context_.console.out << ": "
                           << Snippet(pending.shown,
                                      context_.console.columns - 20);
    }
    context_.console.out << '\n';
    WarnTruncated(reply, context_.console);
    PrintHits(reply.hits, context_.console);
  }

  Query base_;
  const Collection& collection_;
  CommandContext& context_;
  std::vector<Pending> pending_;
  bool bad_lines_ = false;
  bool printed_ = false;
};

absl::StatusOr<ExitCode> Search(const Arguments& arguments,
                                Collection& collection,
                                CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(Query query, MakeQuery(arguments));
  if (!arguments.like.empty()) {
    query.target = Query::LikeId{arguments.like};
    return SearchOne(query, collection, context);
  }
  if (absl::StartsWith(arguments.text, "@")) {
    std::unique_ptr<std::istream> owner;
    CORKSCREW_ASSIGN_OR_RETURN(
        std::istream * in,
        OpenInput(absl::string_view(arguments.text).substr(1), context, owner));
    return QueryFile(std::move(query), collection, context).Run(*in);
  }
  query.target = arguments.text;
  return SearchOne(query, collection, context);
}

}  // namespace

void AddSearchCommand(CLI::App& app, CommandContext& context) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& verb = *app.add_subcommand(
      "search", "Find the records nearest to a text, a record or queries");
  AddTarget(verb, context);
  AddName(verb, arguments->name);
  CLI::Option* const text =
      verb.add_option("TEXT", arguments->text,
                      "What to look for; @FILE reads queries from lines of "
                      "JSON: {\"id\", "
                      "\"text\" or \"vector\"} (@- from standard input)")
          ->type_name("");
  CLI::Option* const like =
      verb.add_option("--like", arguments->like,
                      "Look for records near this one instead of a text")
          ->type_name("ID")
          ->excludes(text);
  verb.add_option("--k", arguments->k, "Results wanted")
      ->type_name("K")
      ->capture_default_str()
      ->check(Decimal());
  verb.add_option("--filter", arguments->filter,
                  "Only records whose metadata matches; see corkscrew --help")
      ->type_name("EXPR");
  AddMoment(verb, arguments->at,
            "Search the collection as it was at this moment: a Lamport time, "
            "2026-01-31T12:00:00Z or tag:NAME");
  verb.add_flag("--exact", arguments->exact,
                "The k best by the stored vectors; slower");
  verb.add_option("--min-score", arguments->min_score,
                  "Leave out hits below this score (l2: farther than it)")
      ->type_name("SCORE");
  verb.add_option("--oversample", arguments->oversample,
                  "Candidates to rescore, as a multiple of K")
      ->type_name("N")
      ->capture_default_str();
  verb.add_flag("--with-vectors", arguments->vectors, "Print the vectors too");
  AddJson(verb, context);
  verb.footer(
      "Prints {\"id\", \"score\", \"lamport\", \"text\", \"metadata\"} per "
      "hit with --json, and\n{\"query\": id, \"hits\": [...]} per query of a "
      "file.\n"
      "Example: corkscrew search notes.db notes 'broken pipes' --k 3 "
      "--filter 'done = false'");
  verb.callback([&context, arguments, text, like] {
    if (text->empty() && like->empty()) {
      throw CLI::RequiredError("TEXT");
    }
    context.run = [&context, arguments] {
      return WithCollection(context, arguments->name,
                            [&](Collection& collection) {
                              return Search(*arguments, collection, context);
                            });
    };
  });
}

}  // namespace corkscrew
