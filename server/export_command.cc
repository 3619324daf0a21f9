// corkscrew export: all records of one moment, to files that import reads.

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/status_macros.h"
#include "corkscrew/collection.h"
#include "corkscrew/filter.h"
#include "corkscrew/limits.h"
#include "corkscrew/record.h"
#include "server/command.h"
#include "server/csv.h"
#include "server/filter_expression.h"
#include "server/json_writer.h"
#include "server/output.h"
#include "server/progress.h"
#include "server/record_source.h"
#include "server/table.h"
#include "server/text_display.h"
#include "server/version_sorter.h"

namespace corkscrew {
namespace {

// A page is about this large; a node cuts pages to the same.
constexpr size_t kPageBytes = size_t{16} << 20;
constexpr size_t kPageRecords = 256;  // Each may have a text of 1 MiB.
constexpr size_t kBufferBytes = size_t{1} << 20;
constexpr size_t kSortBytes = size_t{64} << 20;

struct Arguments {
  std::string name;
  std::string file;
  std::string ids;
  std::string filter;
  std::optional<RecordFormat> format;
  std::optional<Lamport> at;
  bool history = false;
};

// A file that appears under its name when it is whole and durable, or a stream.
// Single-threaded.
class Output {
 public:
  // `stream` is taken for "-".
  static absl::StatusOr<std::unique_ptr<Output>> Create(const std::string& path,
                                                        std::ostream& stream) {
    auto output = std::make_unique<Output>();
    output->path_ = path;
    if (path == "-") {
      output->stream_ = &stream;
      return output;
    }
    CORKSCREW_ASSIGN_OR_RETURN(output->file_,
                               FileSystem::Real().NewFile(output->Temporary()));
    return output;
  }
  ~Output() {
    if (file_ == nullptr) return;
    // Not finished.
    file_.reset();
    FileSystem::Real().Remove(Temporary()).IgnoreError();
  }

  absl::Status Write(absl::string_view bytes) {
    absl::StrAppend(&buffer_, bytes);
    return buffer_.size() < kBufferBytes ? absl::OkStatus() : Flush();
  }

  // Call once, last.
  absl::Status Finish() {
    CORKSCREW_RETURN_IF_ERROR(Flush());
    if (stream_ != nullptr) return absl::OkStatus();
    FileSystem& files = FileSystem::Real();
    CORKSCREW_RETURN_IF_ERROR(file_->Sync());
    CORKSCREW_RETURN_IF_ERROR(file_->Close());
    CORKSCREW_RETURN_IF_ERROR(files.Rename(Temporary(), path_));
    file_ = nullptr;
    return files.SyncDirectory(ParentDirectory(path_));
  }

 private:
  std::string Temporary() const { return absl::StrCat(path_, ".tmp"); }

  absl::Status Flush() {
    absl::Status status;
    if (stream_ == nullptr) {
      status = file_->Append(buffer_);
    } else if (!stream_->write(buffer_.data(),
                               static_cast<std::streamsize>(buffer_.size()))) {
      status = absl::UnavailableError("the results could not be written");
    }
    buffer_.clear();
    return status;
  }

  std::string path_;
  std::ostream* stream_ = nullptr;
  std::unique_ptr<WritableFile> file_;
  std::string buffer_;
};

std::string CsvLine(const StoredRecord& stored) {
  const Record& record = stored.record;
  std::string line;
  AppendCsvField(record.id, line);
  line.push_back(',');
  AppendCsvField(record.text, line);
  line.push_back(',');
  JsonWriter vector;
  if (!record.vector.empty()) vector.Floats(record.vector);
  AppendCsvField(vector.text(), line);
  line.push_back(',');
  if (!record.metadata.empty()) {
    JsonWriter metadata;
    WriteMetadata(record.metadata, metadata);
    AppendCsvField(metadata.text(), line);
  }
  line.push_back(',');
  if (stored.expires_ms != 0) absl::StrAppend(&line, stored.expires_ms);
  line.append("\r\n");
  return line;
}

absl::string_view Bytes(const std::vector<float>& vector) {
  return {reinterpret_cast<const char*>(vector.data()),
          vector.size() * sizeof(float)};
}

std::string NpyHead(size_t rows, size_t dim) {
  std::string dictionary =
      absl::StrCat("{'descr': '<f4', 'fortran_order': False, 'shape': (", rows,
                   ", ", dim, "), }");
  // Magic, version and length are 10 bytes; all of it a multiple of 64.
  dictionary.resize((10 + dictionary.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');
  dictionary.push_back('\n');
  std::string head("\x93NUMPY\x01\0", 8);
  head.push_back(static_cast<char>(dictionary.size() % 256));
  head.push_back(static_cast<char>(dictionary.size() / 256));
  return head + dictionary;
}

// Writes what one List() after another gives. Single-threaded.
class Exporter {
 public:
  Exporter(const Collection& collection, RecordFormat format, Output& output,
           Output* ids, Progress& progress)
      : collection_(collection),
        format_(format),
        output_(output),
        ids_(ids),
        progress_(progress) {}

  absl::Status Run(const Filter& filter, std::optional<Moment> at) {
    CORKSCREW_ASSIGN_OR_RETURN(const CollectionInfo info, collection_.Info());
    dim_ = info.options.dim;
    ListOptions options;
    options.filter = filter;
    options.at = at;
    options.fields.vector = true;
    options.page_size = std::clamp<size_t>(
        kPageBytes / (dim_ * sizeof(float) + 1024), 16, kPageRecords);
    bool first = true;
    do {
      CORKSCREW_ASSIGN_OR_RETURN(ListReply reply, collection_.List(options));
      if (first) {
        at_ = reply.at;
        CORKSCREW_RETURN_IF_ERROR(Begin(filter));
        first = false;
      }
      for (const StoredRecord& stored : reply.records) {
        CORKSCREW_RETURN_IF_ERROR(Write(stored));
      }
      progress_.Update(records_, records_);
      options.page_token = std::move(reply.next_page_token);
    } while (!options.page_token.empty());
    if (format_ == RecordFormat::kNpy && records_ != expected_) {
      return absl::AbortedError(absl::StrCat(
          "collection \"", collection_.name(), "\": ", records_,
          " records, but ", expected_,
          " were counted; records expired meanwhile; export again"));
    }
    return absl::OkStatus();
  }

  // Writes every version until `at` of all records, deleted ones too, in the
  // order of versions; `runs` is where to sort.
  absl::Status RunHistory(std::optional<Moment> at, const std::string& runs) {
    VersionSorter sorter(FileSystem::Real(), runs, kSortBytes);
    ListOptions options;
    options.at = at;
    options.fields = {.vector = false, .text = false, .metadata = false};
    options.include_deleted = true;
    options.page_size = kMaxPageSize;
    do {
      CORKSCREW_ASSIGN_OR_RETURN(ListReply reply, collection_.List(options));
      at_ = reply.at;
      for (const StoredRecord& stored : reply.records) {
        CORKSCREW_RETURN_IF_ERROR(AddHistory(stored.record.id, sorter));
        ++records_;
        progress_.Update(records_, records_);
      }
      options.page_token = std::move(reply.next_page_token);
    } while (!options.page_token.empty());
    return sorter.Merge([this](absl::string_view line) {
      return output_.Write(absl::StrCat(line, "\n"));
    });
  }

  size_t records() const { return records_; }
  Lamport at() const { return at_; }

 private:
  absl::Status AddHistory(const std::string& id, VersionSorter& sorter) {
    HistoryOptions options;
    options.fields.vector = true;
    do {
      CORKSCREW_ASSIGN_OR_RETURN(HistoryReply reply,
                                 collection_.History(id, options));
      for (const StoredRecord& stored : reply.versions) {
        if (stored.version.lamport > at_) continue;
        JsonWriter json;
        WriteRecord(stored, json);
        CORKSCREW_RETURN_IF_ERROR(sorter.Add(stored.version, json.TakeText()));
      }
      options.page_token = std::move(reply.next_page_token);
    } while (!options.page_token.empty());
    return absl::OkStatus();
  }

  absl::Status Begin(const Filter& filter) {
    if (format_ == RecordFormat::kCsv) {
      return output_.Write("id,text,vector,metadata,expires_ms\r\n");
    }
    if (format_ != RecordFormat::kNpy) return absl::OkStatus();
    CORKSCREW_ASSIGN_OR_RETURN(expected_,
                               collection_.Count(filter, Moment::At(at_)));
    return output_.Write(NpyHead(expected_, dim_));
  }

  absl::Status Write(const StoredRecord& stored) {
    ++records_;
    if (ids_ != nullptr) {
      CORKSCREW_RETURN_IF_ERROR(
          ids_->Write(absl::StrCat(stored.record.id, "\n")));
    }
    switch (format_) {
      case RecordFormat::kJsonLines: {
        JsonWriter json;
        WriteRecord(stored, json);
        return output_.Write(absl::StrCat(json.text(), "\n"));
      }
      case RecordFormat::kCsv:
        return output_.Write(CsvLine(stored));
      case RecordFormat::kFvecs: {
        const auto dim = static_cast<uint32_t>(stored.record.vector.size());
        CORKSCREW_RETURN_IF_ERROR(output_.Write(absl::string_view(
            reinterpret_cast<const char*>(&dim), sizeof(dim))));
        return output_.Write(Bytes(stored.record.vector));
      }
      case RecordFormat::kNpy:
        return output_.Write(Bytes(stored.record.vector));
    }
    return absl::InternalError("an unknown format");
  }

  const Collection& collection_;
  const RecordFormat format_;
  Output& output_;
  Output* const ids_;  // May be null.
  Progress& progress_;
  size_t dim_ = 0;
  size_t records_ = 0;
  size_t expected_ = 0;  // Rows that an npy head promises.
  Lamport at_ = 0;
};

absl::StatusOr<ExitCode> Export(const Arguments& arguments,
                                Collection& collection,
                                CommandContext& context) {
  const RecordFormat format =
      arguments.format.value_or(FormatOf(arguments.file));
  const bool vectors_only =
      format == RecordFormat::kNpy || format == RecordFormat::kFvecs;
  if (vectors_only == arguments.ids.empty()) {
    return absl::InvalidArgumentError(
        vectors_only ? "npy and fvecs hold vectors only; give --ids FILE for "
                       "the ids"
                     : "--ids goes with npy and fvecs; other files have their "
                       "ids");
  }
  if (arguments.history &&
      (format != RecordFormat::kJsonLines || !arguments.filter.empty())) {
    return absl::InvalidArgumentError(
        "--history goes with jsonl and without --filter");
  }
  if (context.json && arguments.file == "-") {
    return absl::InvalidArgumentError(
        "--json prints a summary on standard output, where the records go; "
        "name a file");
  }
  CORKSCREW_ASSIGN_OR_RETURN(const Filter filter,
                             ParseFilterExpression(arguments.filter));
  CORKSCREW_ASSIGN_OR_RETURN(const CollectionInfo info, collection.Info());
  if (info.options.originals == Originals::kCodesOnly) {
    context.console.err << "warning: the collection holds codes only; the "
                           "vectors are what these stand for\n";
  }
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::unique_ptr<Output> output,
      Output::Create(arguments.file, context.console.out));
  std::unique_ptr<Output> ids;
  if (!arguments.ids.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(
        ids, Output::Create(arguments.ids, context.console.out));
  }
  Progress progress(context.console, "export", "records", info.records,
                    context.system.now);
  Exporter exporter(collection, format, *output, ids.get(), progress);
  std::optional<Moment> at;
  if (arguments.at.has_value()) at = Moment::At(*arguments.at);
  const std::string runs =
      arguments.file == "-"
          ? absl::StrCat(std::filesystem::temp_directory_path().string(),
                         "/corkscrew-export-", getpid())
          : absl::StrCat(arguments.file, ".run");
  const absl::Status status = arguments.history ? exporter.RunHistory(at, runs)
                                                : exporter.Run(filter, at);
  progress.Finish(exporter.records());
  CORKSCREW_RETURN_IF_ERROR(status);
  // The ids last: who finds them finds the vectors.
  CORKSCREW_RETURN_IF_ERROR(output->Finish());
  if (ids != nullptr) CORKSCREW_RETURN_IF_ERROR(ids->Finish());
  if (context.json) {
    JsonWriter json;
    json.BeginObject().Key("records").Integer(exporter.records());
    json.Key("lamport").Integer(exporter.at()).EndObject();
    context.console.out << json.text() << '\n';
  } else if (arguments.file != "-") {
    context.console.out << HumanCount(exporter.records())
                        << " records of lamport " << exporter.at() << '\n';
  }
  return ExitCode::kOk;
}

}  // namespace

void AddExportCommand(CLI::App& app, CommandContext& context) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& verb = *app.add_subcommand(
      "export", "Write all records of one moment to a file");
  AddTarget(verb, context);
  AddName(verb, arguments->name);
  verb.add_option("FILE", arguments->file,
                  ".jsonl, .csv, .npy or .fvecs; - writes standard output")
      ->type_name("")
      ->required();
  AddFormat(verb, arguments->format);
  verb.add_option("--ids", arguments->ids,
                  "Write one id per line here; for npy and fvecs, which hold "
                  "vectors only")
      ->type_name("FILE");
  verb.add_option("--filter", arguments->filter,
                  "Only records whose metadata matches; see corkscrew --help")
      ->type_name("EXPR");
  verb.add_option("--at", arguments->at,
                  "The records of this Lamport time instead of now")
      ->type_name("LAMPORT")
      ->check(Decimal());
  verb.add_flag("--history", arguments->history,
                "All versions of all records, deleted ones too, oldest first; "
                "jsonl only");
  AddJson(verb, context);
  verb.footer(
      "Writes meanwhile do not show: all records are of one moment. What is "
      "exported\ncan be imported. The file appears under its name when it is "
      "whole.\n"
      "Example: corkscrew export notes.db notes notes.jsonl");
  verb.callback([&context, arguments] {
    context.run = [&context, arguments] {
      return WithCollection(context, arguments->name,
                            [&](Collection& collection) {
                              return Export(*arguments, collection, context);
                            });
    };
  });
}

}  // namespace corkscrew
