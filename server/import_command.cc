// corkscrew import: records from lines of JSON, in batches.

#include <sys/stat.h>

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
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "corkscrew/collection.h"
#include "corkscrew/record.h"
#include "server/command.h"
#include "server/json_lines.h"
#include "server/json_writer.h"
#include "server/progress.h"
#include "server/table.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

// A batch is one Put: large enough that its fsync costs little per record,
// small enough that progress is seen and memory stays bounded. Embedding a text
// takes longer than all else, so texts have their own limit: 64 KiB are seconds
// of one core at most. What is longer than a model reads does not count.
constexpr size_t kBatchRecords = 256;
constexpr size_t kBatchBytes = size_t{4} << 20;
constexpr size_t kBatchTextBytes = size_t{64} << 10;
constexpr size_t kLongestText = 4096;

// One Put of a node that is busy takes longer than other calls.
constexpr double kTimeoutSeconds = 300;

struct Counts {
  uint64_t lines = 0;
  uint64_t written = 0;
  uint64_t unchanged = 0;
  uint64_t invalid = 0;
  uint64_t truncated = 0;
  Lamport lamport = 0;
};

// Bytes of a regular file, nullopt for anything else.
std::optional<uint64_t> FileBytes(const std::string& path) {
  struct stat info;
  if (path == "-" || stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return std::nullopt;
  }
  return static_cast<uint64_t>(info.st_size);
}

// Collects records and puts them. Single-threaded.
class Importer {
 public:
  Importer(Collection& collection, Progress& progress, const Console& console)
      : collection_(collection), progress_(progress), console_(console) {}

  absl::Status Run(std::istream& in) {
    LineReader reader(in);
    std::string line;
    while (reader.Next(line)) {
      counts_.lines = reader.line_number();
      if (reader.too_long()) {
        ReportLine(reader.line_number(),
                   absl::StrCat("longer than ", kMaxLineBytes, " bytes"));
        continue;
      }
      if (absl::StripAsciiWhitespace(line).empty()) continue;
      absl::StatusOr<Record> record = ParseRecordLine(line);
      if (!record.ok()) {
        ReportLine(reader.line_number(), record.status().message());
        continue;
      }
      batch_bytes_ += line.size();
      if (record->vector.empty()) {
        text_bytes_ += std::min(record->text.size(), kLongestText);
      }
      records_.push_back(*std::move(record));
      line_numbers_.push_back(reader.line_number());
      if (records_.size() >= kBatchRecords || batch_bytes_ >= kBatchBytes ||
          text_bytes_ >= kBatchTextBytes) {
        CORKSCREW_RETURN_IF_ERROR(PutBatch());
        progress_.Update(done(), reader.bytes_read());
      }
    }
    return PutBatch();
  }

  const Counts& counts() const { return counts_; }
  uint64_t done() const { return counts_.written + counts_.unchanged; }

 private:
  void ReportLine(uint64_t line_number, absl::string_view reason) {
    ++counts_.invalid;
    progress_.Interrupt();
    console_.err << "line " << line_number << ": " << Printable(reason) << '\n';
  }

  absl::Status PutBatch() {
    if (records_.empty()) return absl::OkStatus();
    std::vector<PutItem> items(records_.size());
    for (size_t i = 0; i < items.size(); ++i) {
      items[i].record = RecordView(records_[i]);
    }
    WriteOptions options;
    options.skip_invalid = true;
    options.skip_unchanged = true;
    absl::StatusOr<PutReply> reply = collection_.Put(items, options);
    if (!reply.ok()) {
      return absl::Status(
          reply.status().code(),
          absl::StrCat(reply.status().message(), " (lines ",
                       line_numbers_.front(), " to ", line_numbers_.back(),
                       "; what came before is written, and a repeated import "
                       "writes only what is missing)"));
    }
    for (size_t i = 0; i < reply->items.size() && i < items.size(); ++i) {
      const PutOutcome& outcome = reply->items[i];
      if (!outcome.status.ok()) {
        ReportLine(line_numbers_[i], outcome.status.message());
        continue;
      }
      ++(outcome.unchanged ? counts_.unchanged : counts_.written);
      if (outcome.truncated) ++counts_.truncated;
    }
    counts_.lamport = reply->lamport;
    records_.clear();
    line_numbers_.clear();
    batch_bytes_ = 0;
    text_bytes_ = 0;
    return absl::OkStatus();
  }

  Collection& collection_;
  Progress& progress_;
  const Console& console_;
  std::vector<Record> records_;
  std::vector<uint64_t> line_numbers_;  // [records_]
  size_t batch_bytes_ = 0;              // Of the lines,
  size_t text_bytes_ = 0;               // of the texts to embed.
  Counts counts_;
};

void PrintSummary(const Counts& counts, absl::Duration elapsed,
                  const CommandContext& context) {
  if (context.json) {
    JsonWriter json;
    json.BeginObject().Key("lines").Integer(counts.lines);
    json.Key("written").Integer(counts.written);
    json.Key("unchanged").Integer(counts.unchanged);
    json.Key("invalid").Integer(counts.invalid);
    json.Key("truncated").Integer(counts.truncated);
    json.Key("lamport").Integer(counts.lamport);
    json.Key("seconds").Double(absl::ToDoubleSeconds(elapsed)).EndObject();
    context.console.out << json.text() << '\n';
    return;
  }
  context.console.out << HumanCount(counts.written) << " written, "
                      << HumanCount(counts.unchanged) << " unchanged, "
                      << HumanCount(counts.invalid) << " bad lines; lamport "
                      << counts.lamport << '\n';
  if (counts.truncated > 0) {
    context.console.err << "warning: " << HumanCount(counts.truncated)
                        << " texts are longer than the model reads; their ends "
                           "do not count in searches\n";
  }
}

}  // namespace

void AddImportCommand(CLI::App& app, CommandContext& context) {
  struct Arguments {
    std::string name;
    std::string file;
  };
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& verb =
      *app.add_subcommand("import", "Write many records from lines of JSON");
  AddTarget(verb, context);
  AddName(verb, arguments->name);
  verb.add_option("FILE.jsonl", arguments->file,
                  "One record per line: {\"id\", \"text\" or \"vector\", "
                  "\"metadata\"}; - reads standard input")
      ->type_name("")
      ->required();
  AddJson(verb, context);
  verb.footer(
      "Bad lines are reported with their number and left out (exit code 3).\n"
      "Records that are there with the same content are not written again, so "
      "an\ninterrupted import is simply repeated.\n"
      "Example: corkscrew import notes.db notes notes.jsonl");
  verb.callback([&context, arguments, &verb] {
    if (verb.get_option("--timeout")->empty()) {
      context.timeout_seconds = kTimeoutSeconds;
    }
    context.run = [&context, arguments] {
      return WithCollection(
          context, arguments->name,
          [&](Collection& collection) -> absl::StatusOr<ExitCode> {
            std::unique_ptr<std::istream> owner;
            CORKSCREW_ASSIGN_OR_RETURN(
                std::istream * in, OpenInput(arguments->file, context, owner));
            Progress progress(context.console, "import", "records",
                              FileBytes(arguments->file), context.system.now);
            Importer importer(collection, progress, context.console);
            const absl::Status status = importer.Run(*in);
            progress.Finish(importer.done());
            CORKSCREW_RETURN_IF_ERROR(status);
            PrintSummary(importer.counts(), progress.elapsed(), context);
            return importer.counts().invalid > 0 ? ExitCode::kBadLines
                                                 : ExitCode::kOk;
          });
    };
  });
}

}  // namespace corkscrew
