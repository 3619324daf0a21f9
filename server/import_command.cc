// corkscrew import: records from files, in batches.

#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "corkscrew/collection.h"
#include "corkscrew/limits.h"
#include "corkscrew/record.h"
#include "server/command.h"
#include "server/console.h"
#include "server/json_writer.h"
#include "server/output.h"
#include "server/progress.h"
#include "server/record_source.h"
#include "server/table.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

// A batch is one Put: large enough that its fsync costs little per record,
// small enough that progress is seen and memory stays bounded. Embedding a text
// takes longer than all else, so texts have their own limit: 64 KiB are seconds
// of one core at most. What is longer than a model reads does not count.
//
// Batches and their request ids depend on the input alone: an import that was
// stopped forms the same ones again.
constexpr size_t kBatchRecords = 256;
constexpr size_t kBatchBytes = size_t{4} << 20;
constexpr size_t kBatchTextBytes = size_t{64} << 10;
constexpr size_t kLongestText = 4096;

// One Put of a node that is busy takes longer than other calls.
constexpr double kTimeoutSeconds = 300;

// Bad records that are printed when a report has them all.
constexpr uint64_t kPrintedWithReport = 10;

struct Arguments {
  std::string name;
  std::string file;
  std::string ids;
  std::string report;
  std::string space;
  std::optional<RecordFormat> format;
  bool history = false;
  bool again = false;
};

struct Counts {
  uint64_t lines = 0;  // Number of the last one read; rows: how many.
  uint64_t written = 0;
  uint64_t unchanged = 0;
  uint64_t replayed = 0;  // Written by an earlier run of this import.
  uint64_t deleted = 0;
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

// Names the batches of one input: a chain of hashes over all records so far.
class RequestIds {
 public:
  // `salt` separates this import from others of the same input.
  explicit RequestIds(std::string salt) : chain_(std::move(salt)) {}

  std::string Next(absl::Span<const SourceItem> items) {
    Sha256Stream stream;
    stream.Update(chain_);
    for (const SourceItem& item : items) {
      const RecordLine& record = item.record;
      JsonWriter metadata;
      WriteMetadata(record.metadata, metadata);
      const absl::string_view vector(
          reinterpret_cast<const char*>(record.vector.data()),
          record.vector.size() * sizeof(float));
      stream.Update(absl::StrCat(item.number, " ", record.id.size(), " ",
                                 record.text.size(), " ", vector.size(), " ",
                                 metadata.text().size(), " ", record.expires_ms,
                                 " ", record.deleted ? 1 : 0, "\n"));
      for (const absl::string_view part :
           {absl::string_view(record.id), absl::string_view(record.text),
            vector, absl::string_view(metadata.text())}) {
        stream.Update(part);
      }
    }
    const Sha256Digest digest = stream.Finish();
    chain_.assign(reinterpret_cast<const char*>(digest.data()), digest.size());
    return absl::StrCat("import ", absl::BytesToHexString(chain_.substr(0, 16)),
                        " ", items.front().number);
  }

 private:
  std::string chain_;
};

// Collects records and writes them. Single-threaded.
class Importer {
 public:
  Importer(Collection& collection, const Arguments& arguments, RequestIds ids,
           std::ostream* report, Progress& progress, const Console& console)
      : collection_(collection),
        arguments_(arguments),
        ids_(std::move(ids)),
        report_(report),
        progress_(progress),
        console_(console) {}

  absl::Status Run(RecordSource& source) {
    unit_ = std::string(source.unit());
    SourceItem item;
    for (;;) {
      const absl::StatusOr<bool> more = source.Next(item);
      if (!more.ok()) return AtEnd(more.status());
      if (!*more) break;
      counts_.lines = item.number + (unit_ == "row" ? 1 : 0);
      if (!item.error.ok()) {
        Report(item.number, item.record.id, item.error.message());
        continue;
      }
      CORKSCREW_RETURN_IF_ERROR(Add(std::move(item)));
      progress_.Update(done(), source.bytes_read());
    }
    return WriteBatch();
  }

  const Counts& counts() const { return counts_; }
  uint64_t done() const {
    return counts_.written + counts_.unchanged + counts_.replayed +
           counts_.deleted;
  }

 private:
  // What was read before the input became unreadable is written.
  absl::Status AtEnd(const absl::Status& unreadable) {
    CORKSCREW_RETURN_IF_ERROR(WriteBatch());
    return absl::Status(
        unreadable.code(),
        absl::StrCat("file \"", arguments_.file, "\": ", unreadable.message()));
  }

  absl::Status Add(SourceItem item) {
    if (!items_.empty() && StartsBatch(item)) {
      CORKSCREW_RETURN_IF_ERROR(WriteBatch());
    }
    const RecordLine& record = item.record;
    batch_bytes_ += item.bytes;
    if (record.vector.empty() && !record.deleted) {
      text_bytes_ += std::min(record.text.size(), kLongestText);
    }
    items_.push_back(std::move(item));
    if (items_.size() >= kBatchRecords || batch_bytes_ >= kBatchBytes ||
        text_bytes_ >= kBatchTextBytes) {
      // The versions of one moment stay together as far as they fit.
      if (!arguments_.history || items_.size() >= kMaxPutRecords ||
          batch_bytes_ >= kBatchBytes) {
        return WriteBatch();
      }
    }
    return absl::OkStatus();
  }

  // Whether `item` can not be in one write with those collected.
  bool StartsBatch(const SourceItem& item) const {
    const RecordLine& last = items_.back().record;
    return item.record.deleted != last.deleted ||
           (arguments_.history && item.record.lamport != last.lamport);
  }

  void Report(uint64_t number, absl::string_view id, absl::string_view reason) {
    ++counts_.invalid;
    if (report_ != nullptr) {
      JsonWriter json;
      json.BeginObject().Key(unit_).Integer(number);
      json.Key("id").String(id);
      json.Key("reason").String(reason).EndObject();
      *report_ << json.text() << '\n';
      if (counts_.invalid > kPrintedWithReport) return;
    }
    progress_.Interrupt();
    console_.err << unit_ << ' ' << number << ": " << Printable(reason) << '\n';
  }

  absl::Status Stopped(const absl::Status& status) const {
    if (status.ok()) return status;
    return absl::Status(
        status.code(),
        absl::StrCat(status.message(), " (", unit_, "s ", items_.front().number,
                     " to ", items_.back().number,
                     "; what came before is written, and a repeated import "
                     "writes only what is missing)"));
  }

  absl::Status WriteBatch() {
    if (items_.empty()) return absl::OkStatus();
    WriteOptions options;
    options.request_id = ids_.Next(items_);
    options.space = arguments_.space;
    CORKSCREW_RETURN_IF_ERROR(Stopped(
        items_[0].record.deleted ? Delete(options) : Put(std::move(options))));
    items_.clear();
    batch_bytes_ = 0;
    text_bytes_ = 0;
    return absl::OkStatus();
  }

  absl::Status Put(WriteOptions options) {
    CORKSCREW_ASSIGN_OR_RETURN(const bool there, IsThere());
    if (there) {
      counts_.unchanged += items_.size();
      return absl::OkStatus();
    }
    std::vector<PutItem> puts(items_.size());
    for (size_t i = 0; i < puts.size(); ++i) {
      puts[i].record = RecordView(items_[i].record);
      puts[i].record.expires_ms = items_[i].record.expires_ms;
    }
    options.skip_invalid = true;
    // In a history, a version that repeats the one before is one too.
    options.skip_unchanged = !arguments_.history;
    CORKSCREW_ASSIGN_OR_RETURN(const PutReply reply,
                               collection_.Put(puts, options));
    for (size_t i = 0; i < reply.items.size() && i < puts.size(); ++i) {
      const PutOutcome& outcome = reply.items[i];
      if (!outcome.status.ok()) {
        Report(items_[i].number, items_[i].record.id, outcome.status.message());
        continue;
      }
      ++(reply.replayed      ? counts_.replayed
         : outcome.unchanged ? counts_.unchanged
                             : counts_.written);
      if (outcome.truncated) ++counts_.truncated;
    }
    counts_.lamport = reply.lamport;
    return absl::OkStatus();
  }

  // Whether all of the batch are texts that the collection has: a write would
  // find that out too, but only after embedding them.
  absl::StatusOr<bool> IsThere() {
    if (arguments_.history) return false;
    std::vector<absl::string_view> ids;
    for (const SourceItem& item : items_) {
      if (!item.record.vector.empty()) return false;
      ids.push_back(item.record.id);
    }
    const auto stored = collection_.Get(ids);
    // An id outside the limits is for the write to report; what is there may
    // be too large for one answer of a node.
    if (absl::IsInvalidArgument(stored.status()) ||
        absl::IsResourceExhausted(stored.status())) {
      return false;
    }
    CORKSCREW_RETURN_IF_ERROR(stored.status());
    for (size_t i = 0; i < ids.size(); ++i) {
      const RecordLine& record = items_[i].record;
      const std::optional<StoredRecord>& there = (*stored)[i];
      if (!there.has_value() || there->record.text != record.text ||
          there->record.metadata != record.metadata ||
          there->expires_ms != record.expires_ms) {
        return false;
      }
      counts_.lamport = std::max(counts_.lamport, there->version.lamport);
    }
    return true;
  }

  absl::Status Delete(const WriteOptions& options) {
    std::vector<absl::string_view> ids;
    for (const SourceItem& item : items_) ids.push_back(item.record.id);
    const absl::StatusOr<DeleteReply> reply = collection_.Delete(ids, options);
    if (absl::IsInvalidArgument(reply.status()) && items_.size() == 1) {
      Report(items_[0].number, items_[0].record.id, reply.status().message());
      return absl::OkStatus();
    }
    CORKSCREW_RETURN_IF_ERROR(reply.status());
    for (const bool deleted : reply->deleted) {
      ++(reply->replayed ? counts_.replayed
         : deleted       ? counts_.deleted
                         : counts_.unchanged);
    }
    counts_.lamport = reply->lamport;
    return absl::OkStatus();
  }

  Collection& collection_;
  const Arguments& arguments_;
  RequestIds ids_;
  std::ostream* const report_;  // May be null.
  Progress& progress_;
  const Console& console_;
  std::string unit_;
  std::vector<SourceItem> items_;  // The batch.
  size_t batch_bytes_ = 0;         // Of its input,
  size_t text_bytes_ = 0;          // of the texts to embed.
  Counts counts_;
};

void PrintSummary(const Counts& counts, absl::Duration elapsed,
                  const CommandContext& context) {
  if (context.json) {
    JsonWriter json;
    json.BeginObject().Key("lines").Integer(counts.lines);
    json.Key("written").Integer(counts.written);
    json.Key("unchanged").Integer(counts.unchanged);
    json.Key("replayed").Integer(counts.replayed);
    json.Key("deleted").Integer(counts.deleted);
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
  if (counts.deleted > 0) {
    context.console.out << HumanCount(counts.deleted) << " deleted\n";
  }
  if (counts.replayed > 0) {
    context.console.out
        << HumanCount(counts.replayed)
        << " had been written by the same import before, within 24 hours\n"
           "(--again writes those anew that have changed since)\n";
  }
  if (counts.truncated > 0) {
    context.console.err << "warning: " << HumanCount(counts.truncated)
                        << " texts are longer than the model reads; their ends "
                           "do not count in searches\n";
  }
}

absl::StatusOr<std::unique_ptr<RecordSource>> OpenSource(RecordFormat format,
                                                         std::istream& in,
                                                         std::istream* ids) {
  switch (format) {
    case RecordFormat::kJsonLines:
      return JsonLinesSource(in);
    case RecordFormat::kCsv:
      return CsvSource(in);
    case RecordFormat::kNpy:
      return NpySource(in, ids);
    case RecordFormat::kFvecs:
      return FvecsSource(in, ids);
  }
  return absl::InternalError("an unknown format");
}

absl::StatusOr<ExitCode> Import(const Arguments& arguments,
                                Collection& collection,
                                CommandContext& context) {
  const RecordFormat format =
      arguments.format.value_or(FormatOf(arguments.file));
  if (!arguments.ids.empty() && format != RecordFormat::kNpy &&
      format != RecordFormat::kFvecs) {
    return absl::InvalidArgumentError(
        "--ids goes with npy and fvecs; other files have their ids");
  }
  std::unique_ptr<std::istream> owner;
  std::unique_ptr<std::istream> ids_owner;
  std::istream* ids = nullptr;
  CORKSCREW_ASSIGN_OR_RETURN(std::istream * in,
                             OpenInput(arguments.file, context, owner));
  if (!arguments.ids.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(ids,
                               OpenInput(arguments.ids, context, ids_owner));
  }
  std::ofstream report;
  if (!arguments.report.empty()) {
    report.open(arguments.report, std::ios::binary | std::ios::trunc);
    if (!report) {
      return absl::PermissionDeniedError(
          absl::StrCat("file \"", arguments.report, "\" can not be written"));
    }
  }
  std::string salt;
  if (arguments.again) {
    uint8_t random[16];
    if (!SystemRandom(random, sizeof(random))) {
      return absl::UnavailableError("no random source");
    }
    salt.assign(reinterpret_cast<const char*>(random), sizeof(random));
  }
  Progress progress(context.console, "import", "records",
                    FileBytes(arguments.file), context.system.now);
  Importer importer(collection, arguments, RequestIds(salt),
                    arguments.report.empty() ? nullptr : &report, progress,
                    context.console);
  absl::StatusOr<std::unique_ptr<RecordSource>> source =
      OpenSource(format, *in, ids);
  CORKSCREW_RETURN_IF_ERROR(source.status());
  const absl::Status status = importer.Run(**source);
  progress.Finish(importer.done());
  CORKSCREW_RETURN_IF_ERROR(status);
  if (!arguments.report.empty() && !report.flush()) {
    return absl::DataLossError(
        absl::StrCat("file \"", arguments.report, "\" could not be written"));
  }
  PrintSummary(importer.counts(), progress.elapsed(), context);
  return importer.counts().invalid > 0 ? ExitCode::kBadLines : ExitCode::kOk;
}

}  // namespace

CLI::Option* AddFormat(CLI::App& verb, std::optional<RecordFormat>& format) {
  return verb
      .add_option("--format", format,
                  "jsonl, csv, npy or fvecs; default: by the file's name")
      ->type_name("FORMAT")
      ->transform(CLI::CheckedTransformer(
                      std::vector<std::pair<std::string, RecordFormat>>{
                          {"jsonl", RecordFormat::kJsonLines},
                          {"csv", RecordFormat::kCsv},
                          {"npy", RecordFormat::kNpy},
                          {"fvecs", RecordFormat::kFvecs}})
                      .description(""));
}

void AddImportCommand(CLI::App& app, CommandContext& context) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& verb =
      *app.add_subcommand("import", "Write many records from a file");
  AddTarget(verb, context);
  AddName(verb, arguments->name);
  verb.add_option("FILE", arguments->file,
                  ".jsonl, .csv, .npy or .fvecs; - reads standard input")
      ->type_name("")
      ->required();
  AddFormat(verb, arguments->format);
  verb.add_option("--ids", arguments->ids,
                  "File with one id per line, for npy and fvecs; default: "
                  "the number of the row from 0")
      ->type_name("FILE");
  verb.add_option("--report", arguments->report,
                  "Write the records that are left out here, with why, as "
                  "lines of JSON; only the first ones are printed then")
      ->type_name("FILE");
  verb.add_option("--space", arguments->space,
                  "Embedding space of the vectors; refused if the collection "
                  "has another one")
      ->type_name("SPACE");
  verb.add_flag("--history", arguments->history,
                "The file is an export with --history: lines of one Lamport "
                "time become one write");
  verb.add_flag("--again", arguments->again,
                "Do not take this for the continuation of an earlier import "
                "of the same records");
  AddJson(verb, context);
  verb.footer(
      "jsonl: one {\"id\", \"text\" or \"vector\", \"metadata\", "
      "\"expires_ms\"} per line;\na line with \"deleted\": true deletes.\n"
      "csv: the first line names the columns id, text, vector (or vector_0, "
      "vector_1,\n...), metadata, expires_ms; others are metadata, NAME:TYPE "
      "with int, double,\nbool or strings.\n"
      "Bad records are reported with their number and left out (exit code 3).\n"
      "Records that are there with the same content are not written again. An "
      "import\nthat was stopped is repeated as it is: it goes on and writes "
      "nothing twice.\n"
      "Example: corkscrew import notes.db notes notes.jsonl");
  verb.callback([&context, arguments, &verb] {
    if (verb.get_option("--timeout")->empty()) {
      context.timeout_seconds = kTimeoutSeconds;
    }
    context.run = [&context, arguments] {
      return WithCollection(context, arguments->name,
                            [&](Collection& collection) {
                              return Import(*arguments, collection, context);
                            });
    };
  });
}

}  // namespace corkscrew
