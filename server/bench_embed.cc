#include "server/bench_embed.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Validators.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "server/command.h"
#include "server/json_lines.h"
#include "server/json_writer.h"
#include "server/model_path.h"
#include "server/percentile.h"

namespace corkscrew {
namespace {

constexpr size_t kMostPasses = 100'000;
constexpr size_t kMostTexts = 1'000'000;

struct Arguments {
  std::string model = kDefaultModel;
  size_t threads = 1;
  size_t batch = 1;
  size_t passes = 5;
  bool exact = false;
};

double WallMilliseconds() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Of all threads of this process.
double CpuMilliseconds() {
  timespec now = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 +
         static_cast<double>(now.tv_nsec) * 1e-6;
}

// Memory of this process that is resident, in MiB; 0 where it can not be read.
double ResidentMegabytes() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  statm >> pages >> pages;
  return statm ? pages * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20)
               : 0;
}

struct Outcome {
  std::vector<double> wall_ms = {};  // Of each call.
  std::vector<double> cpu_ms = {};   // Of each call.
  size_t texts = 0;
  size_t tokens = 0;
};

absl::StatusOr<std::vector<std::string>> ReadTexts(CommandContext& context) {
  std::vector<std::string> texts;
  LineReader reader(context.console.in);
  std::string line;
  while (reader.Next(line)) {
    if (reader.too_long() || texts.size() == kMostTexts) {
      return absl::InvalidArgumentError(absl::StrCat(
          "line ", reader.line_number(), ": want at most ", kMostTexts,
          " lines of at most ", kMaxLineBytes, " bytes"));
    }
    texts.push_back(line);
  }
  if (texts.empty()) {
    return absl::InvalidArgumentError(
        "standard input has no line to embed: give one text per line");
  }
  return texts;
}

// Embeds all texts once.
absl::Status RunPass(const Embedder& embedder,
                     absl::Span<const std::string> texts, size_t batch,
                     Outcome* outcome) {
  for (size_t first = 0; first < texts.size(); first += batch) {
    const absl::Span<const std::string> part = texts.subspan(first, batch);
    const std::vector<absl::string_view> views(part.begin(), part.end());
    const double cpu = CpuMilliseconds();
    const double wall = WallMilliseconds();
    // As documents: vectors of queries are remembered.
    CORKSCREW_ASSIGN_OR_RETURN(const Embeddings embeddings,
                               embedder.Embed(views, TextKind::kDocument));
    outcome->wall_ms.push_back(WallMilliseconds() - wall);
    outcome->cpu_ms.push_back(CpuMilliseconds() - cpu);
    outcome->texts += part.size();
    for (const TokenizedText& text : embeddings.texts) {
      outcome->tokens += text.tokens.size();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> BenchEmbed(const Arguments& arguments,
                                    CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<std::string> texts,
                             ReadTexts(context));
  const double load_from = WallMilliseconds();
  EmbedderOptions options;
  options.threads = arguments.threads;
  options.exact = arguments.exact;
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::shared_ptr<const Embedder> embedder,
      context.system.load_model(arguments.model,
                                context.system.model_path(context.model_dir),
                                options));
  const double load_ms = WallMilliseconds() - load_from;
  const double idle = ResidentMegabytes();
  Outcome warm;
  CORKSCREW_RETURN_IF_ERROR(RunPass(*embedder, texts, arguments.batch, &warm));
  Outcome outcome;
  for (size_t i = 0; i < arguments.passes; ++i) {
    CORKSCREW_RETURN_IF_ERROR(
        RunPass(*embedder, texts, arguments.batch, &outcome));
  }
  const double busy = ResidentMegabytes();
  double seconds = 0;
  for (const double ms : outcome.wall_ms) seconds += ms / 1e3;
  seconds = std::max(seconds, 1e-9);
  const double tokens_per_s = static_cast<double>(outcome.tokens) / seconds;
  const double texts_per_s = static_cast<double>(outcome.texts) / seconds;
  if (context.json) {
    JsonWriter json;
    json.BeginObject();
    json.Key("p50_ms").Double(Percentile(outcome.wall_ms, 0.5));
    json.Key("p95_ms").Double(Percentile(outcome.wall_ms, 0.95));
    json.Key("p50_cpu_ms").Double(Percentile(outcome.cpu_ms, 0.5));
    json.Key("tokens_per_s").Double(tokens_per_s);
    json.Key("texts_per_s").Double(texts_per_s);
    json.Key("texts").Integer(warm.texts);
    json.Key("tokens").Integer(warm.tokens);
    json.Key("load_ms").Double(load_ms);
    json.Key("rss_idle_mb").Double(idle);
    json.Key("rss_busy_mb").Double(busy);
    json.EndObject();
    context.console.out << json.text() << '\n';
  } else {
    context.console.out << absl::StrFormat(
        "p50 %.3f ms  p95 %.3f ms  %.0f tokens/s  %.1f texts/s  loaded in %.0f "
        "ms  memory %.0f MiB, busy %.0f MiB\n",
        Percentile(outcome.wall_ms, 0.5), Percentile(outcome.wall_ms, 0.95),
        tokens_per_s, texts_per_s, load_ms, idle, busy);
  }
  return ExitCode::kOk;
}

}  // namespace

void AddBenchEmbed(CLI::App& bench, CommandContext& context) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& verb = *bench.add_subcommand(
      "embed", "Time to embed each line of standard input");
  verb.add_option("--model", arguments->model,
                  "Name of a model, or path of a model file")
      ->type_name("MODEL")
      ->capture_default_str();
  AddModelDir(verb, context);
  verb.add_option("--threads", arguments->threads, "Threads of one call")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024).description(""));
  verb.add_option("--batch", arguments->batch, "Texts per call")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(size_t{1}, kMostTexts).description(""));
  verb.add_option("--passes", arguments->passes,
                  "How often all lines are embedded, after once for warmth")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(size_t{1}, kMostPasses).description(""));
  verb.add_flag("--exact-embedding", arguments->exact,
                "The slower mode whose vectors are equal on every CPU");
  AddJson(verb, context);
  verb.footer(
      "Times are of whole calls: tokenizing and the model. p50 is their median "
      "over all passes.\n"
      "Example: corkscrew bench embed --json < lines.txt");
  verb.callback([&context, arguments] {
    context.run = [&context, arguments] {
      return BenchEmbed(*arguments, context);
    };
  });
}

}  // namespace corkscrew
