// corkscrew model info | list | discover | verify | graph: what model files
// are, and whether they are whole.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/file_system.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "embed/architecture.h"
#include "embed/architecture_set.h"
#include "embed/architecture_svg.h"
#include "embed/builtin_embedder.h"
#include "embed/gguf.h"
#include "embed/mll_package.h"
#include "embed/model_file.h"
#include "embed/model_info.h"
#include "nlohmann/json.hpp"
#include "server/command.h"
#include "server/json_lines.h"
#include "server/json_writer.h"
#include "server/model_key.h"
#include "server/model_options.h"
#include "server/percentile.h"
#include "server/table.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

struct Arguments {
  std::string model;
  std::vector<std::string> directories;
  ModelFlags flags;
  std::string golden;
  std::string key;
  double least_cosine = 0.999;
  std::string svg;
};

// How fast a model is on this machine.
struct Speed {
  double short_ms = 0;  // Median of a text of 8 words,
  double long_ms = 0;   // and of one of 100 words.
  size_t short_tokens = 0;
  size_t long_tokens = 0;
};

constexpr int kRuns = 7;

absl::StatusOr<double> MedianMs(const Embedder& embedder,
                                absl::string_view text,
                                const CommandSystem& system, size_t* tokens) {
  std::vector<double> times(kRuns);
  for (double& time : times) {
    const absl::Time start = system.now();
    CORKSCREW_ASSIGN_OR_RETURN(const Embeddings embeddings,
                               embedder.Embed({&text, 1}, TextKind::kDocument));
    time = absl::ToDoubleMilliseconds(system.now() - start);
    *tokens = embeddings.texts.front().tokens.size();
  }
  return Percentile(std::move(times), 0.5);
}

absl::StatusOr<Speed> MeasureSpeed(const Embedder& embedder,
                                   const CommandSystem& system) {
  constexpr absl::string_view kWords = "the quick brown fox saw a lazy dog ";
  std::string many;
  for (int i = 0; i < 13; ++i) absl::StrAppend(&many, kWords);
  Speed speed;
  CORKSCREW_ASSIGN_OR_RETURN(
      speed.short_ms, MedianMs(embedder, kWords, system, &speed.short_tokens));
  CORKSCREW_ASSIGN_OR_RETURN(
      speed.long_ms, MedianMs(embedder, many, system, &speed.long_tokens));
  return speed;
}

void WriteInfo(const std::string& path, const ModelInfo& info,
               const Speed& speed, JsonWriter& json) {
  json.BeginObject();
  json.Key("path").String(path);
  json.Key("format").String(info.format);
  json.Key("name").String(info.name);
  json.Key("architecture").String(info.architecture);
  json.Key("architecture_source").String(info.architecture_source);
  json.Key("bytes").Integer(info.bytes);
  json.Key("parameters").Integer(info.parameters);
  json.Key("tensors").BeginArray();
  for (const TensorKind& kind : info.kinds) {
    json.BeginObject();
    json.Key("type").String(kind.type);
    json.Key("tensors").Integer(kind.tensors);
    json.Key("parameters").Integer(kind.parameters);
    json.Key("bytes").Integer(kind.bytes);
    json.EndObject();
  }
  json.EndArray();
  json.Key("layers").Integer(info.layers);
  json.Key("dim").Integer(info.dim);
  json.Key("context_length").Integer(info.context_length);
  json.Key("max_tokens").Integer(info.max_tokens);
  json.Key("tokenizer").String(info.tokenizer);
  json.Key("vocabulary").Integer(info.vocabulary);
  json.Key("pooling").String(info.pooling);
  json.Key("query_prompt").String(info.query_prompt);
  json.Key("document_prompt").String(info.document_prompt);
  json.Key("space").String(info.space);
  json.Key("content_hash").String(info.content_hash);
  json.Key("signed").Bool(info.is_signed);
  json.Key("warnings").BeginArray();
  for (const std::string& warning : info.warnings) json.String(warning);
  json.EndArray();
  json.Key("speed").BeginObject();
  json.Key("short_tokens").Integer(speed.short_tokens);
  json.Key("short_ms").Double(speed.short_ms);
  json.Key("long_tokens").Integer(speed.long_tokens);
  json.Key("long_ms").Double(speed.long_ms);
  json.EndObject().EndObject();
}

void PrintInfo(const std::string& path, const ModelInfo& info,
               const Speed& speed, const Console& console) {
  Table table({{""}, {""}});
  const auto row = [&](const char* name, std::string value) {
    if (!value.empty()) table.Add({name, std::move(value)});
  };
  row("file", path);
  row("format", info.bytes == 0
                    ? info.format
                    : absl::StrCat(info.format, ", ",
                                   HumanBytes(static_cast<double>(info.bytes)),
                                   info.is_signed ? ", signed" : ""));
  row("name", info.name);
  row("architecture", info.architecture_source.empty()
                          ? info.architecture
                          : absl::StrCat(info.architecture, " (",
                                         info.architecture_source, ")"));
  if (info.parameters > 0) row("parameters", HumanCount(info.parameters));
  for (const TensorKind& kind : info.kinds) {
    row("tensors", absl::StrCat(kind.tensors, " of ", kind.type, ", ",
                                HumanCount(kind.parameters), " parameters, ",
                                HumanBytes(static_cast<double>(kind.bytes))));
  }
  if (info.layers > 0) row("layers", absl::StrCat(info.layers));
  row("vectors", absl::StrCat(info.dim, " coordinates, pooling ",
                              info.pooling.empty() ? "?" : info.pooling));
  if (info.vocabulary > 0) {
    row("texts", absl::StrCat("at most ", info.max_tokens, " tokens"));
    row("tokenizer", absl::StrCat(info.tokenizer, ", ",
                                  HumanCount(info.vocabulary), " tokens"));
  }
  row("query prompt", info.query_prompt);
  row("document prompt", info.document_prompt);
  row("space", info.space);
  row("content hash", info.content_hash);
  row("speed here",
      absl::StrFormat("%.2f ms for %d tokens, %.2f ms for %d", speed.short_ms,
                      speed.short_tokens, speed.long_ms, speed.long_tokens));
  for (const std::string& warning : info.warnings) row("warning", warning);
  table.Print(console.out, std::max<size_t>(console.columns, 100));
}

absl::StatusOr<std::string> PathOf(const Arguments& arguments,
                                   const CommandContext& context) {
  return ModelFileOf(arguments.model,
                     context.system.model_path(context.model_dir));
}

struct LoadedModel {
  std::string path;
  ModelInfo info;
  std::shared_ptr<const Embedder> embedder;
};

// The model that a verb names.
absl::StatusOr<LoadedModel> Load(const Arguments& arguments,
                                 const CommandContext& context) {
  LoadedModel model;
  if (arguments.model == kBuiltinModel) {
    model.info = DescribeBuiltinModel();
    model.embedder = BuiltinEmbedder();
    return model;
  }
  CORKSCREW_ASSIGN_OR_RETURN(model.path, PathOf(arguments, context));
  CORKSCREW_ASSIGN_OR_RETURN(const std::string bytes,
                             ReadModelOrPackage(model.path));
  CORKSCREW_ASSIGN_OR_RETURN(
      model.info, DescribeModel(bytes, model.path, arguments.flags.options(),
                                &model.embedder));
  return model;
}

absl::StatusOr<ExitCode> Info(const Arguments& arguments,
                              CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(const LoadedModel model, Load(arguments, context));
  CORKSCREW_ASSIGN_OR_RETURN(const Speed speed,
                             MeasureSpeed(*model.embedder, context.system));
  if (context.json) {
    JsonWriter json;
    WriteInfo(model.path, model.info, speed, json);
    context.console.out << json.text() << '\n';
  } else {
    PrintInfo(model.path, model.info, speed, context.console);
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> List(const Arguments& arguments,
                              CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::vector<DiscoveredModel> models,
      DiscoverModels(arguments.directories.empty()
                         ? context.system.model_path(context.model_dir)
                         : arguments.directories));
  if (context.json) {
    for (const DiscoveredModel& model : models) {
      JsonWriter json;
      json.BeginObject();
      json.Key("name").String(model.name);
      json.Key("path").String(model.path);
      json.Key("format").String(model.format);
      json.Key("bytes").Integer(model.bytes);
      json.Key("shadowed").Bool(model.shadowed);
      json.EndObject();
      context.console.out << json.text() << '\n';
    }
    return ExitCode::kOk;
  }
  Table table(
      {{"name"}, {"format"}, {"size", Table::Align::kRight}, {""}, {"file"}});
  for (const DiscoveredModel& model : models) {
    table.Add({model.name, model.format,
               HumanBytes(static_cast<double>(model.bytes)),
               model.shadowed ? "hidden" : "", model.path});
  }
  table.Print(context.console.out, context.console.columns);
  return ExitCode::kOk;
}

// One line of a file of golden vectors.
struct Golden {
  std::string text;
  TextKind kind = TextKind::kDocument;
  std::vector<double> vector;
};

absl::StatusOr<Golden> ParseGolden(absl::string_view line) {
  const auto json = nlohmann::json::parse(line.begin(), line.end(), nullptr,
                                          /*allow_exceptions=*/false);
  const auto error = [] {
    return absl::InvalidArgumentError(
        "want {\"text\": string, \"vector\": [numbers], [\"kind\": \"query\" "
        "or \"document\"]}");
  };
  if (!json.is_object() || !json.contains("text") ||
      !json["text"].is_string()) {
    return error();
  }
  Golden golden;
  golden.text = json["text"].get<std::string>();
  if (const auto kind = json.find("kind"); kind != json.end()) {
    if (*kind != "query" && *kind != "document") return error();
    if (*kind == "query") golden.kind = TextKind::kQuery;
  }
  auto vector = json.find("vector");
  if (vector == json.end()) vector = json.find("vec");
  if (vector == json.end() || !vector->is_array()) return error();
  for (const auto& value : *vector) {
    if (!value.is_number()) return error();
    golden.vector.push_back(value.get<double>());
  }
  return golden;
}

// Of two zero vectors 1, of a zero and another 0.
double Cosine(const std::vector<double>& a, const std::vector<float>& b) {
  double dot = 0;
  double aa = 0;
  double bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += a[i] * double{b[i]};
    aa += a[i] * a[i];
    bb += double{b[i]} * double{b[i]};
  }
  if (aa == 0 || bb == 0) return aa == bb ? 1 : 0;
  return dot / std::sqrt(aa * bb);
}

struct Agreement {
  size_t rows = 0;
  size_t bad_lines = 0;
  double least = 1;
  double sum = 0;
  uint64_t worst_line = 0;
  std::string worst_text;
};

absl::StatusOr<Agreement> CompareGoldens(const Arguments& arguments,
                                         const Embedder& embedder,
                                         CommandContext& context) {
  std::unique_ptr<std::istream> owner;
  CORKSCREW_ASSIGN_OR_RETURN(std::istream* const in,
                             OpenInput(arguments.golden, context, owner));
  Agreement agreement;
  LineReader reader(*in);
  std::string line;
  while (reader.Next(line)) {
    if (line.empty() && !reader.too_long()) continue;
    absl::StatusOr<Golden> golden =
        reader.too_long() ? absl::InvalidArgumentError(absl::StrCat(
                                "longer than ", kMaxLineBytes, " bytes"))
                          : ParseGolden(line);
    if (golden.ok() && golden->vector.size() != embedder.dim()) {
      golden = absl::InvalidArgumentError(
          absl::StrCat("has ", golden->vector.size(), " coordinates, want ",
                       embedder.dim()));
    }
    if (!golden.ok()) {
      context.console.err << "line " << reader.line_number() << ": "
                          << Printable(golden.status().message()) << '\n';
      ++agreement.bad_lines;
      continue;
    }
    const absl::string_view text = golden->text;
    CORKSCREW_ASSIGN_OR_RETURN(const Embeddings embeddings,
                               embedder.Embed({&text, 1}, golden->kind));
    const double cosine = Cosine(golden->vector, embeddings.vectors);
    ++agreement.rows;
    agreement.sum += cosine;
    if (agreement.rows == 1 || !(cosine >= agreement.least)) {
      agreement.least = cosine;
      agreement.worst_line = reader.line_number();
      agreement.worst_text = golden->text;
    }
  }
  if (agreement.rows == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(arguments.golden, ": has no golden vectors"));
  }
  return agreement;
}

void PrintAgreement(const Agreement& agreement, double mean, bool agrees,
                    const Arguments& arguments, const CommandContext& context) {
  if (context.json) {
    JsonWriter json;
    json.BeginObject();
    json.Key("status").String(agrees ? "verified" : "differs");
    json.Key("rows").Integer(agreement.rows);
    json.Key("least_cosine").Double(agreement.least);
    json.Key("mean_cosine").Double(mean);
    json.Key("worst_line").Integer(agreement.worst_line);
    json.Key("worst_text").String(agreement.worst_text);
    json.EndObject();
    context.console.out << json.text() << '\n';
    return;
  }
  context.console.out << absl::StrFormat(
      "%s: %d golden vectors, cosine %.6f at least (want %.6f), %.6f on "
      "average\nworst: line %d, %s\n",
      agrees ? "verified" : "differs", agreement.rows, agreement.least,
      arguments.least_cosine, mean, agreement.worst_line,
      Snippet(agreement.worst_text, 60));
}

absl::StatusOr<ExitCode> Verify(const Arguments& arguments,
                                CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::string path,
                             PathOf(arguments, context));
  std::string key;
  if (!arguments.key.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(key, ReadPublicKey(arguments.key));
  }
  CORKSCREW_ASSIGN_OR_RETURN(const std::string bytes, ReadModelOrPackage(path));
  CORKSCREW_RETURN_IF_ERROR(CheckModel(bytes, path, key));
  // Whether it is a model that can be run, too.
  std::shared_ptr<const Embedder> embedder;
  CORKSCREW_ASSIGN_OR_RETURN(
      const ModelInfo info,
      DescribeModel(bytes, path, arguments.flags.options(), &embedder));
  if (arguments.golden.empty()) {
    if (context.json) {
      JsonWriter json;
      json.BeginObject();
      json.Key("status").String("verified");
      json.Key("space").String(info.space);
      json.Key("signature").Bool(!key.empty());
      json.EndObject();
      context.console.out << json.text() << '\n';
    } else {
      context.console.out << "verified: " << Printable(path) << " is whole"
                          << (key.empty() ? "" : " and signed by this key")
                          << '\n';
    }
    return ExitCode::kOk;
  }
  CORKSCREW_ASSIGN_OR_RETURN(const Agreement agreement,
                             CompareGoldens(arguments, *embedder, context));
  const bool agrees = agreement.least >= arguments.least_cosine;
  PrintAgreement(agreement, agreement.sum / static_cast<double>(agreement.rows),
                 agrees, arguments, context);
  if (!agrees) return ExitCode::kDataLoss;
  return agreement.bad_lines > 0 ? ExitCode::kBadLines : ExitCode::kOk;
}

// The architecture of a model file, of an .arch.toml file, or called so.
absl::StatusOr<Architecture> ArchitectureOf(const Arguments& arguments,
                                            const CommandContext& context) {
  if (absl::EndsWith(arguments.model, ".arch.toml")) {
    CORKSCREW_ASSIGN_OR_RETURN(const std::string text,
                               ReadModelFile(arguments.model));
    return Architecture::Parse(text, arguments.model);
  }
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::shared_ptr<const ArchitectureSet> architectures,
      ArchitectureSet::Read(arguments.flags.arch_dirs));
  if (!IsModelFile(arguments.model)) {
    const auto named = architectures->Find(arguments.model);
    if (named.ok()) return **named;
  }
  CORKSCREW_ASSIGN_OR_RETURN(const std::string path,
                             PathOf(arguments, context));
  CORKSCREW_ASSIGN_OR_RETURN(const std::string bytes, ReadModelOrPackage(path));
  CORKSCREW_ASSIGN_OR_RETURN(const std::string name,
                             ArchitectureNameOf(bytes, path));
  const auto found = architectures->Find(name);
  if (!found.ok()) {
    return absl::Status(found.status().code(),
                        absl::StrCat(path, ": ", found.status().message()));
  }
  return **found;
}

absl::StatusOr<ExitCode> Graph(const Arguments& arguments,
                               CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(const Architecture architecture,
                             ArchitectureOf(arguments, context));
  if (arguments.svg.empty()) {
    context.console.out << Printable(ArchitectureOutline(architecture));
    return ExitCode::kOk;
  }
  const std::string svg = ArchitectureSvg(architecture);
  if (arguments.svg == "-") {
    context.console.out << svg;
    return ExitCode::kOk;
  }
  CORKSCREW_RETURN_IF_ERROR(
      AtomicWriteFile(FileSystem::Real(), arguments.svg, {svg}));
  return ExitCode::kOk;
}

using Action = absl::StatusOr<ExitCode> (*)(const Arguments&, CommandContext&);

CLI::App& AddVerb(CLI::App& model, const char* name, const char* what,
                  CommandContext& context,
                  const std::shared_ptr<Arguments>& arguments, Action action) {
  CLI::App& verb = *model.add_subcommand(name, what);
  verb.callback([&context, arguments, action] {
    context.run = [&context, arguments, action] {
      return action(*arguments, context);
    };
  });
  return verb;
}

void AddModelArgument(CLI::App& verb, CommandContext& context,
                      Arguments& arguments) {
  verb.add_option("MODEL", arguments.model,
                  "Name of a model, or path of a model file")
      ->type_name("")
      ->required();
  AddModelDir(verb, context);
  AddModelFlags(verb, arguments.flags);
}

}  // namespace

void AddModelCommands(CLI::App& app, CommandContext& context) {
  CLI::App& model =
      *app.add_subcommand("model", "Explain, verify and convert model files");
  model.require_subcommand(1);

  const auto info = std::make_shared<Arguments>();
  CLI::App& info_verb = AddVerb(model, "info", "Say what is in a model file",
                                context, info, Info);
  AddModelArgument(info_verb, context, *info);
  AddJson(info_verb, context);

  const auto list = std::make_shared<Arguments>();
  CLI::App& list_verb = AddVerb(
      model, "list", "List the models that can be named", context, list, List);
  CLI::App& discover_verb =
      AddVerb(model, "discover", "List the model files in directories", context,
              list, List);
  discover_verb
      .add_option("DIR", list->directories,
                  "Directories; default: where models are looked for")
      ->type_name("");
  for (CLI::App* const verb : {&list_verb, &discover_verb}) {
    AddModelDir(*verb, context);
    AddJson(*verb, context);
  }

  const auto verify = std::make_shared<Arguments>();
  CLI::App& verify_verb =
      AddVerb(model, "verify", "Check that a model file is whole and right",
              context, verify, Verify);
  AddModelArgument(verify_verb, context, *verify);
  verify_verb
      .add_option("--golden", verify->golden,
                  "Lines of {\"text\", \"vector\"} to compare with")
      ->type_name("FILE");
  verify_verb
      .add_option("--least-cosine", verify->least_cosine,
                  "What each golden vector must reach")
      ->type_name("C")
      ->capture_default_str();
  verify_verb
      .add_option("--key", verify->key,
                  "Public key that must have signed the file: PEM, or 64 "
                  "hexadecimal digits")
      ->type_name("FILE");
  AddJson(verify_verb, context);
  verify_verb.footer(
      "Exit code 7: the file is damaged, signed by another key, or its vectors "
      "are not the golden ones.");

  const auto graph = std::make_shared<Arguments>();
  CLI::App& graph_verb =
      AddVerb(model, "graph", "Show the blocks of an architecture", context,
              graph, Graph);
  AddModelArgument(graph_verb, context, *graph);
  graph_verb
      .add_option("--svg", graph->svg,
                  "Write a drawing to this file; - is standard output")
      ->type_name("OUT");
  graph_verb.footer(
      "MODEL may also be a .arch.toml file or the name of an architecture.\n"
      "Example: corkscrew model graph nomic-bert --svg nomic-bert.svg");

  AddModelWriteCommands(model, context);
}

}  // namespace corkscrew
