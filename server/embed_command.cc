// corkscrew embed: the vectors of lines of text.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "server/command.h"
#include "server/json_lines.h"
#include "server/json_writer.h"
#include "server/model_options.h"
#include "server/model_path.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

struct Arguments {
  std::string model = kDefaultModel;
  bool query = false;
  bool exact = false;
  ModelFlags flags;
};

void PrintEmbedding(absl::string_view text, const Embeddings& embeddings,
                    const CommandContext& context) {
  const TokenizedText& tokenized = embeddings.texts.front();
  if (context.json) {
    JsonWriter json;
    json.BeginObject().Key("tokens").BeginArray();
    for (const int32_t token : tokenized.tokens) json.Integer(token);
    json.EndArray().Key("truncated").Bool(tokenized.truncated);
    json.Key("vector").Floats(embeddings.vectors).EndObject();
    context.console.out << json.text() << '\n';
    return;
  }
  constexpr size_t kShown = 6;  // Coordinates; --json prints all.
  std::string line = absl::StrFormat("%4d tokens%s  [", tokenized.tokens.size(),
                                     tokenized.truncated ? " (cut)" : "");
  const size_t dim = embeddings.vectors.size();
  for (size_t i = 0; i < dim && i < kShown; ++i) {
    absl::StrAppendFormat(&line, "%s%.4f", i == 0 ? "" : ", ",
                          embeddings.vectors[i]);
  }
  if (dim > kShown) absl::StrAppend(&line, ", ... ", dim);
  context.console.out << line << "]  " << Snippet(text, 48) << '\n';
}

absl::StatusOr<ExitCode> Embed(const Arguments& arguments,
                               CommandContext& context) {
  EmbedderOptions options = arguments.flags.options();
  options.exact = arguments.exact;
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::shared_ptr<const Embedder> embedder,
      context.system.load_model(arguments.model,
                                context.system.model_path(context.model_dir),
                                options));
  const TextKind kind =
      arguments.query ? TextKind::kQuery : TextKind::kDocument;
  ExitCode code = ExitCode::kOk;
  LineReader reader(context.console.in);
  std::string line;
  while (reader.Next(line)) {
    const auto report = [&](absl::string_view reason) {
      context.console.err << "line " << reader.line_number() << ": " << reason
                          << '\n';
      code = ExitCode::kBadLines;
    };
    if (reader.too_long()) {
      report(absl::StrCat("longer than ", kMaxLineBytes, " bytes"));
      continue;
    }
    const absl::string_view text = line;
    const absl::StatusOr<Embeddings> embeddings =
        embedder->Embed({&text, 1}, kind);
    if (embeddings.ok()) {
      PrintEmbedding(text, *embeddings, context);
    } else if (absl::IsInvalidArgument(embeddings.status())) {
      report(embeddings.status().message());
    } else {
      return embeddings.status();
    }
  }
  return code;
}

}  // namespace

void AddEmbedCommand(CLI::App& app, CommandContext& context) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& verb = *app.add_subcommand(
      "embed", "Print the vector of each line of standard input");
  verb.add_option("--model", arguments->model,
                  "Name of a model, or path of a model file")
      ->type_name("MODEL")
      ->capture_default_str();
  AddModelDir(verb, context);
  AddModelFlags(verb, arguments->flags);
  verb.add_flag("--query", arguments->query,
                "Embed as queries; some models treat them differently");
  verb.add_flag("--exact-embedding", arguments->exact,
                "The slower mode whose vectors are equal on every CPU");
  AddJson(verb, context);
  verb.footer(
      "Prints {\"tokens\": [...], \"truncated\": bool, \"vector\": [...]} per "
      "line with --json.\n"
      "Example: echo 'a cat' | corkscrew embed --json");
  verb.callback([&context, arguments] {
    context.run = [&context, arguments] { return Embed(*arguments, context); };
  });
}

}  // namespace corkscrew
