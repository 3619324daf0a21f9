// Records from CSV: which column is what, and the values of cells.

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "corkscrew/limits.h"
#include "corkscrew/metadata.h"
#include "server/csv.h"
#include "server/json_lines.h"
#include "server/record_source.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

enum class ColumnKind {
  kIgnored,
  kId,
  kText,
  kVector,      // A JSON list.
  kCoordinate,  // One number of the vector.
  kMetadata,    // A JSON object.
  kExpires,
  kString,
  kInt,
  kDouble,
  kBool,
  kStrings,  // A JSON list.
};

struct Column {
  std::string name;  // Of the metadata's key, without the type.
  ColumnKind kind = ColumnKind::kString;
  size_t coordinate = 0;
};

template <typename T>
std::optional<T> ParseNumber(absl::string_view text) {
  T value = 0;
  const auto [stop, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

Column ColumnOf(absl::string_view name) {
  static constexpr std::pair<absl::string_view, ColumnKind> kNames[] = {
      {"id", ColumnKind::kId},
      {"text", ColumnKind::kText},
      {"vector", ColumnKind::kVector},
      {"metadata", ColumnKind::kMetadata},
      {"expires_ms", ColumnKind::kExpires},
      {"lamport", ColumnKind::kIgnored},
      {"wall_ms", ColumnKind::kIgnored},
      {"score", ColumnKind::kIgnored},
      {"deleted", ColumnKind::kIgnored}};
  static constexpr std::pair<absl::string_view, ColumnKind> kTypes[] = {
      {":string", ColumnKind::kString},
      {":int", ColumnKind::kInt},
      {":double", ColumnKind::kDouble},
      {":bool", ColumnKind::kBool},
      {":strings", ColumnKind::kStrings}};
  for (const auto& [known, kind] : kNames) {
    if (name == known) return {std::string(name), kind};
  }
  absl::string_view rest = name;
  if (absl::ConsumePrefix(&rest, "vector_")) {
    const std::optional<uint32_t> number = ParseNumber<uint32_t>(rest);
    // Each number in one form: vector_00 is no second vector_0.
    if (number.has_value() && absl::StrCat(*number) == rest) {
      return {std::string(name), ColumnKind::kCoordinate, *number};
    }
  }
  for (const auto& [suffix, kind] : kTypes) {
    rest = name;
    if (absl::ConsumeSuffix(&rest, suffix)) return {std::string(rest), kind};
  }
  return {std::string(name), ColumnKind::kString};
}

absl::StatusOr<std::vector<Column>> ParseHeader(
    const std::vector<std::string>& names) {
  std::vector<Column> columns;
  std::set<std::string> seen;
  std::set<size_t> coordinates;
  for (size_t i = 0; i < names.size(); ++i) {
    absl::string_view name = names[i];
    if (i == 0) absl::ConsumePrefix(&name, "\xEF\xBB\xBF");  // A BOM.
    Column column = ColumnOf(name);
    if (!seen.insert(column.name).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          "csv: column \"", Snippet(column.name, 40), "\" occurs twice"));
    }
    if (column.kind == ColumnKind::kCoordinate) {
      coordinates.insert(column.coordinate);
    }
    columns.push_back(std::move(column));
  }
  if (!seen.contains("id")) {
    return absl::InvalidArgumentError(
        "csv: no column \"id\"; the first line names the columns");
  }
  // From 0 without a gap, each once.
  if (!coordinates.empty() &&
      (*coordinates.rbegin() + 1 != coordinates.size() ||
       coordinates.size() > kMaxDim || seen.contains("vector"))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "csv: want the columns vector_0 to vector_", coordinates.size() - 1,
        seen.contains("vector") ? " or the column vector, not both"
                                : " without a gap"));
  }
  return columns;
}

class Csv : public RecordSource {
 public:
  Csv(CsvReader reader, std::vector<Column> columns)
      : reader_(std::move(reader)), columns_(std::move(columns)) {
    for (const Column& column : columns_) {
      dim_ += column.kind == ColumnKind::kCoordinate ? 1 : 0;
    }
  }

  absl::StatusOr<bool> Next(SourceItem& item) override {
    const uint64_t start = reader_.bytes_read();
    absl::StatusOr<bool> more = reader_.Next(fields_);
    if (more.ok() && !*more) return false;
    item = {.number = reader_.line_number(),
            .bytes = static_cast<size_t>(reader_.bytes_read() - start)};
    item.error = more.ok() ? Parse(item.record) : more.status();
    return true;
  }
  uint64_t bytes_read() const override { return reader_.bytes_read(); }
  absl::string_view unit() const override { return "line"; }

 private:
  absl::Status Parse(RecordLine& record) {
    if (fields_.size() != columns_.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(fields_.size(), " fields, want ", columns_.size()));
    }
    size_t coordinates = 0;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (fields_[i].empty()) continue;
      coordinates += columns_[i].kind == ColumnKind::kCoordinate ? 1 : 0;
      if (!Store(columns_[i], fields_[i], record)) {
        return absl::InvalidArgumentError(absl::StrCat(
            "column \"", Snippet(columns_[i].name, 40), "\": ",
            Snippet(fields_[i], 40), " is not ", Want(columns_[i].kind)));
      }
    }
    if (coordinates != 0 && coordinates != dim_) {
      return absl::InvalidArgumentError(
          absl::StrCat(coordinates, " coordinates of the vector, want ", dim_));
    }
    if (record.id.empty()) return absl::InvalidArgumentError("id is empty");
    if (record.text.empty() && record.vector.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("record \"", Snippet(record.id, 40),
                       "\" has neither text nor vector"));
    }
    return absl::OkStatus();
  }

  static absl::string_view Want(ColumnKind kind) {
    switch (kind) {
      case ColumnKind::kVector:
        return "a JSON list of numbers";
      case ColumnKind::kCoordinate:
        return "a number of float32";
      case ColumnKind::kMetadata:
        return "a JSON object of metadata, or repeats a column";
      case ColumnKind::kExpires:
        return "a time in milliseconds";
      case ColumnKind::kInt:
        return "an integer of 64 bits";
      case ColumnKind::kDouble:
        return "a number";
      case ColumnKind::kBool:
        return "true or false";
      case ColumnKind::kStrings:
        return "a JSON list of strings";
      default:
        return "a text";
    }
  }

  bool Store(const Column& column, const std::string& cell,
             RecordLine& record) const {
    switch (column.kind) {
      case ColumnKind::kIgnored:
        return true;
      case ColumnKind::kId:
        record.id = cell;
        return true;
      case ColumnKind::kText:
        record.text = cell;
        return true;
      case ColumnKind::kVector:
        return StoreVector(cell, record);
      case ColumnKind::kCoordinate: {
        const std::optional<float> value = ParseNumber<float>(cell);
        if (!value.has_value()) return false;
        record.vector.resize(dim_);
        record.vector[column.coordinate] = *value;
        return true;
      }
      case ColumnKind::kMetadata:
        return StoreMetadata(cell, record);
      case ColumnKind::kExpires: {
        const std::optional<int64_t> value = ParseNumber<int64_t>(cell);
        record.expires_ms = value.value_or(0);
        return value.has_value() && *value >= 0;
      }
      default: {
        std::optional<Value> value = ParseValue(column.kind, cell);
        return value.has_value() &&
               record.metadata.emplace(column.name, *std::move(value)).second;
      }
    }
  }

  static bool StoreVector(const std::string& cell, RecordLine& record) {
    // Nothing but a list of numbers can get into the line below.
    if (cell.find_first_not_of("[]0123456789+-.eE, \t\r\n") !=
        std::string::npos) {
      return false;
    }
    absl::StatusOr<RecordLine> parsed =
        ParseRecordLine(absl::StrCat("{\"id\":\"x\",\"vector\":", cell, "}"));
    if (!parsed.ok()) return false;
    record.vector = std::move(parsed->vector);
    return true;
  }

  static bool StoreMetadata(const std::string& cell, RecordLine& record) {
    absl::StatusOr<Metadata> parsed = ParseMetadata(cell);
    if (!parsed.ok()) return false;
    const size_t want = record.metadata.size() + parsed->size();
    record.metadata.merge(*parsed);
    return record.metadata.size() == want;
  }

  static std::optional<Value> ParseValue(ColumnKind kind,
                                         const std::string& cell) {
    switch (kind) {
      case ColumnKind::kInt: {
        const std::optional<int64_t> value = ParseNumber<int64_t>(cell);
        if (!value.has_value()) return std::nullopt;
        return Value(*value);
      }
      case ColumnKind::kDouble: {
        const std::optional<double> value = ParseNumber<double>(cell);
        if (!value.has_value()) return std::nullopt;
        return Value(*value);
      }
      case ColumnKind::kBool:
        if (cell != "true" && cell != "false") return std::nullopt;
        return Value(cell == "true");
      case ColumnKind::kStrings: {
        const absl::StatusOr<Metadata> parsed =
            ParseMetadata(absl::StrCat("{\"x\":", cell, "}"));
        if (!parsed.ok() || parsed->size() != 1) return std::nullopt;
        const Value& value = parsed->begin()->second;
        if (!std::holds_alternative<std::vector<std::string>>(value)) {
          return std::nullopt;
        }
        return value;
      }
      default:
        return Value(cell);
    }
  }

  CsvReader reader_;
  std::vector<Column> columns_;
  size_t dim_ = 0;  // Coordinate columns.
  std::vector<std::string> fields_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RecordSource>> CsvSource(std::istream& in) {
  CsvReader reader(in);
  std::vector<std::string> names;
  CORKSCREW_ASSIGN_OR_RETURN(const bool any, reader.Next(names));
  if (!any) {
    return absl::InvalidArgumentError(
        "csv: the file is empty; the first line names the columns");
  }
  CORKSCREW_ASSIGN_OR_RETURN(std::vector<Column> columns, ParseHeader(names));
  return std::make_unique<Csv>(std::move(reader), std::move(columns));
}

}  // namespace corkscrew
