#include "server/record_source.h"

#include <cstddef>
#include <cstdint>
#include <istream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "corkscrew/limits.h"
#include "server/json_lines.h"
#include "server/npy_reader.h"

namespace corkscrew {
namespace {

class JsonLines : public RecordSource {
 public:
  explicit JsonLines(std::istream& in) : reader_(in) {}

  absl::StatusOr<bool> Next(SourceItem& item) override {
    do {
      if (!reader_.Next(line_)) return false;
    } while (!reader_.too_long() && absl::StripAsciiWhitespace(line_).empty());
    item = {.number = reader_.line_number(), .bytes = line_.size()};
    if (reader_.too_long()) {
      item.error = absl::InvalidArgumentError(
          absl::StrCat("longer than ", kMaxLineBytes, " bytes"));
      return true;
    }
    absl::StatusOr<RecordLine> record = ParseRecordLine(line_);
    if (record.ok()) {
      item.record = *std::move(record);
    } else {
      item.error = record.status();
    }
    return true;
  }
  uint64_t bytes_read() const override { return reader_.bytes_read(); }
  absl::string_view unit() const override { return "line"; }

 private:
  LineReader reader_;
  std::string line_;
};

// Gives rows of vectors their ids.
class RowIds {
 public:
  explicit RowIds(std::istream* in) {
    if (in != nullptr) reader_ = std::make_unique<LineReader>(*in);
  }

  absl::Status Next(uint64_t row, std::string& id) {
    if (reader_ == nullptr) {
      id = absl::StrCat(row);
      return absl::OkStatus();
    }
    if (!reader_->Next(id)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the ids file ends after ", row, " ids; there is a row ",
                       row, " of vectors"));
    }
    return absl::OkStatus();
  }
  // Call behind the last row.
  absl::Status End(uint64_t rows) {
    std::string id;
    if (reader_ == nullptr || !reader_->Next(id)) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "the ids file has more lines than the ", rows, " rows of vectors"));
  }

 private:
  std::unique_ptr<LineReader> reader_;
};

class Npy : public RecordSource {
 public:
  Npy(NpyReader reader, std::istream* ids)
      : reader_(std::move(reader)), ids_(ids) {}

  absl::StatusOr<bool> Next(SourceItem& item) override {
    if (row_ == reader_.header().rows) {
      CORKSCREW_RETURN_IF_ERROR(ids_.End(row_));
      return false;
    }
    const size_t dim = reader_.header().dim;
    item = {.number = row_, .bytes = dim * sizeof(float)};
    item.record.vector.resize(dim);
    CORKSCREW_RETURN_IF_ERROR(
        reader_.ReadRow(absl::MakeSpan(item.record.vector)));
    CORKSCREW_RETURN_IF_ERROR(ids_.Next(row_, item.record.id));
    ++row_;
    return true;
  }
  uint64_t bytes_read() const override {
    return row_ * reader_.header().dim * reader_.header().value_bytes;
  }
  absl::string_view unit() const override { return "row"; }

 private:
  NpyReader reader_;
  RowIds ids_;
  uint64_t row_ = 0;
};

class Fvecs : public RecordSource {
 public:
  Fvecs(std::istream& in, std::istream* ids) : in_(in), ids_(ids) {}

  absl::StatusOr<bool> Next(SourceItem& item) override {
    int32_t dim = 0;
    const size_t head = Read(&dim, sizeof(dim));
    if (head == 0) {
      CORKSCREW_RETURN_IF_ERROR(ids_.End(row_));
      return false;
    }
    if (head != sizeof(dim)) return Cut();
    if (dim < 1 || static_cast<uint32_t>(dim) > kMaxDim ||
        (row_ > 0 && dim != dim_)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "fvecs file: row ", row_, " has ", dim, " coordinates, want ",
          row_ > 0 ? absl::StrCat(dim_) : absl::StrCat("1 to ", kMaxDim)));
    }
    dim_ = dim;
    const size_t bytes = static_cast<size_t>(dim) * sizeof(float);
    item = {.number = row_, .bytes = bytes};
    item.record.vector.resize(static_cast<size_t>(dim));
    if (Read(item.record.vector.data(), bytes) != bytes) return Cut();
    CORKSCREW_RETURN_IF_ERROR(ids_.Next(row_, item.record.id));
    ++row_;
    return true;
  }
  uint64_t bytes_read() const override { return bytes_read_; }
  absl::string_view unit() const override { return "row"; }

 private:
  size_t Read(void* to, size_t bytes) {
    in_.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes));
    bytes_read_ += static_cast<uint64_t>(in_.gcount());
    return static_cast<size_t>(in_.gcount());
  }
  absl::Status Cut() const {
    return absl::InvalidArgumentError(
        absl::StrCat("fvecs file: ends in row ", row_));
  }

  std::istream& in_;
  RowIds ids_;
  int32_t dim_ = 0;
  uint64_t row_ = 0;
  uint64_t bytes_read_ = 0;
};

}  // namespace

RecordFormat FormatOf(absl::string_view file) {
  if (absl::EndsWith(file, ".csv")) return RecordFormat::kCsv;
  if (absl::EndsWith(file, ".npy")) return RecordFormat::kNpy;
  if (absl::EndsWith(file, ".fvecs")) return RecordFormat::kFvecs;
  return RecordFormat::kJsonLines;
}

std::unique_ptr<RecordSource> JsonLinesSource(std::istream& in) {
  return std::make_unique<JsonLines>(in);
}

absl::StatusOr<std::unique_ptr<RecordSource>> NpySource(std::istream& in,
                                                        std::istream* ids) {
  CORKSCREW_ASSIGN_OR_RETURN(NpyReader reader, NpyReader::Open(in));
  return std::make_unique<Npy>(std::move(reader), ids);
}

std::unique_ptr<RecordSource> FvecsSource(std::istream& in, std::istream* ids) {
  return std::make_unique<Fvecs>(in, ids);
}

}  // namespace corkscrew
