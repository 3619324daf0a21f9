#include "server/json_lines.h"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <limits>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "corkscrew/limits.h"
#include "corkscrew/metadata.h"
#include "corkscrew/record.h"
#include "nlohmann/json.hpp"
#include "server/text_display.h"

namespace corkscrew {
namespace {

// Takes the events of nlohmann's parser straight into a Record: no tree is
// built, so nothing but the record's own limits decides about memory. Each
// event returns false to stop, with error() set.
class RecordHandler : public nlohmann::json_sax<nlohmann::json> {
 public:
  // `metadata_only`: the document is the metadata object itself.
  explicit RecordHandler(bool metadata_only)
      : top_(metadata_only ? State::kMetadata : State::kRecord) {}

  const std::string& error() const { return error_; }
  RecordLine TakeRecord() { return std::move(record_); }

  bool null() override {
    if (state_ == State::kRecord &&
        (key_ == "vector" || key_ == "metadata" || Ignored())) {
      return true;
    }
    return Refuse("null");
  }
  bool boolean(bool value) override {
    if (state_ == State::kRecord && key_ == "deleted") {
      record_.deleted = value;
      return true;
    }
    if (Ignored()) return true;
    if (state_ == State::kMetadata) return Store(value);
    return Refuse(value ? "true" : "false");
  }
  bool number_integer(number_integer_t value) override {
    return Integer(value, absl::StrCat(value));
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (state_ == State::kRecord && key_ == "lamport") record_.lamport = value;
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return Number(static_cast<double>(value), absl::StrCat(value));
    }
    return Integer(static_cast<int64_t>(value), absl::StrCat(value));
  }
  bool number_float(number_float_t value, const string_t& text) override {
    return Number(value, text);
  }
  bool string(string_t& value) override {
    if (Ignored()) return true;
    if (state_ == State::kRecord && key_ == "id") {
      record_.id = std::move(value);
      return true;
    }
    if (state_ == State::kRecord && key_ == "text") {
      record_.text = std::move(value);
      return true;
    }
    if (state_ == State::kMetadata) return Store(std::move(value));
    if (state_ == State::kStrings) {
      strings_.push_back(std::move(value));
      return true;
    }
    return Refuse("a string");
  }
  bool binary(binary_t&) override { return Refuse("binary data"); }

  bool start_object(size_t) override {
    if (state_ == State::kStart) {
      state_ = top_;
      return true;
    }
    if (state_ == State::kRecord && key_ == "metadata") {
      state_ = State::kMetadata;
      return true;
    }
    return Refuse("an object");
  }
  bool key(string_t& key) override {
    std::set<std::string>& seen =
        state_ == State::kMetadata ? metadata_keys_ : keys_;
    if (!seen.insert(key).second) {
      return Fail(absl::StrCat("key \"", Snippet(key, 40), "\" occurs twice"));
    }
    if (state_ == State::kMetadata && seen.size() > kMaxMetadataKeys) {
      return Fail(
          absl::StrCat("metadata has more than ", kMaxMetadataKeys, " keys"));
    }
    key_ = std::move(key);
    if (state_ == State::kRecord && key_ != "id" && key_ != "text" &&
        key_ != "vector" && key_ != "metadata" && key_ != "expires_ms" &&
        !Ignored()) {
      return Fail(absl::StrCat("unknown key \"", Snippet(key_, 40),
                               "\"; known are \"id\", \"text\", \"vector\", "
                               "\"metadata\", \"expires_ms\""));
    }
    return true;
  }
  bool end_object() override {
    state_ = state_ == State::kMetadata && top_ == State::kRecord
                 ? State::kRecord
                 : State::kDone;
    return true;
  }
  bool start_array(size_t) override {
    if (state_ == State::kRecord && key_ == "vector") {
      state_ = State::kVector;
      return true;
    }
    if (state_ == State::kMetadata) {
      strings_.clear();
      state_ = State::kStrings;
      return true;
    }
    return Refuse("an array");
  }
  bool end_array() override {
    if (state_ == State::kVector) {
      state_ = State::kRecord;
      return !record_.vector.empty() || Fail("\"vector\" is empty");
    }
    state_ = State::kMetadata;
    return Store(std::move(strings_));
  }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Fail(absl::StrCat("not valid JSON at byte ", position));
  }

 private:
  enum class State { kStart, kRecord, kMetadata, kVector, kStrings, kDone };

  bool Fail(std::string error) {
    if (error_.empty()) error_ = std::move(error);
    return false;
  }
  bool Refuse(absl::string_view got) {
    switch (state_) {
      case State::kStart:
      case State::kDone:
        return Fail(absl::StrCat("want one JSON object, got ", got));
      case State::kVector:
        return Fail(
            absl::StrCat("\"vector\" has ", got, " where a number is wanted"));
      case State::kStrings:
        return Fail(absl::StrCat("metadata \"", Snippet(key_, 40),
                                 "\": a list holds strings, got ", got));
      case State::kMetadata:
        return Fail(absl::StrCat(
            "metadata \"", Snippet(key_, 40), "\" is ", got,
            "; want a boolean, a number, a string or a list of strings"));
      case State::kRecord:
        break;
    }
    const absl::string_view want = key_ == "vector"     ? "a list of numbers"
                                   : key_ == "metadata" ? "an object"
                                   : key_ == "expires_ms"
                                       ? "an integer of milliseconds"
                                       : "a string";
    return Fail(
        absl::StrCat("\"", Snippet(key_, 40), "\" is ", got, "; want ", want));
  }
  bool Ignored() const {
    return state_ == State::kRecord &&
           (key_ == "lamport" || key_ == "score" || key_ == "wall_ms" ||
            key_ == "deleted" || key_ == "version");
  }
  bool Integer(int64_t value, const std::string& text) {
    if (state_ == State::kMetadata) return Store(value);
    if (state_ == State::kRecord && key_ == "expires_ms") {
      if (value < 0) return Fail("\"expires_ms\" is negative");
      record_.expires_ms = value;
      return true;
    }
    return Number(static_cast<double>(value), text);
  }
  bool Number(double value, const std::string& text) {
    if (Ignored()) return true;
    if (state_ == State::kVector) return Coordinate(text);
    if (state_ != State::kMetadata) return Refuse("a number");
    if (text.find_first_of(".eE") == std::string::npos) {
      return Fail(absl::StrCat("metadata \"", Snippet(key_, 40), "\": integer ",
                               Snippet(text, 24),
                               " does not fit into 64 bits"));
    }
    return Store(value);
  }
  // From the digits as written: a detour over double would round twice.
  bool Coordinate(const std::string& text) {
    if (record_.vector.size() == kMaxDim) {
      return Fail(
          absl::StrCat("\"vector\" has more than ", kMaxDim, " coordinates"));
    }
    float value = 0;
    const auto error =
        std::from_chars(text.data(), text.data() + text.size(), value).ec;
    if (error == std::errc::result_out_of_range &&
        std::abs(std::strtod(text.c_str(), nullptr)) > 1) {
      return Fail(absl::StrCat("\"vector\" coordinate ", record_.vector.size(),
                               " is ", Snippet(text, 24),
                               ", outside the range of float32"));
    }
    record_.vector.push_back(value);
    return true;
  }
  template <typename T>
  bool Store(T value) {
    record_.metadata[key_] = std::move(value);
    return true;
  }

  const State top_;
  State state_ = State::kStart;
  std::string key_;
  std::set<std::string> keys_;
  std::set<std::string> metadata_keys_;
  std::vector<std::string> strings_;
  RecordLine record_;
  std::string error_;
};

absl::StatusOr<RecordLine> Parse(absl::string_view json, bool metadata_only) {
  if (json.size() > kMaxLineBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(json.size(), " bytes, at most ", kMaxLineBytes));
  }
  RecordHandler handler(metadata_only);
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &handler)) {
    return absl::InvalidArgumentError(handler.error());
  }
  return handler.TakeRecord();
}

}  // namespace

bool LineReader::Next(std::string& line) {
  line.clear();
  too_long_ = false;
  std::streambuf* const buffer = in_.rdbuf();
  bool any = false;
  for (;;) {
    const int c = buffer->sbumpc();
    if (c == std::char_traits<char>::eof()) break;
    any = true;
    ++bytes_read_;
    if (c == '\n') break;
    if (line.size() < kMaxLineBytes) {
      line.push_back(static_cast<char>(c));
    } else {
      too_long_ = true;
    }
  }
  if (!any) return false;
  ++line_number_;
  if (too_long_) line.clear();
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return true;
}

absl::StatusOr<RecordLine> ParseRecordLine(absl::string_view line) {
  absl::StatusOr<RecordLine> record = Parse(line, /*metadata_only=*/false);
  if (record.ok() && record->id.empty()) {
    return absl::InvalidArgumentError("\"id\" is missing or empty");
  }
  if (record.ok() && !record->deleted && record->text.empty() &&
      record->vector.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("record \"", Snippet(record->id, 40),
                     "\" has neither \"text\" nor \"vector\""));
  }
  return record;
}

absl::StatusOr<QueryLine> ParseQueryLine(absl::string_view line) {
  absl::StatusOr<RecordLine> record = Parse(line, /*metadata_only=*/false);
  if (!record.ok()) return record.status();
  if (record->id.empty()) {
    return absl::InvalidArgumentError("\"id\" is missing or empty");
  }
  if (record->text.empty() == record->vector.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("query \"", Snippet(record->id, 40),
                     "\": want one of \"text\" and \"vector\""));
  }
  return QueryLine{std::move(record->id), std::move(record->text),
                   std::move(record->vector)};
}

absl::StatusOr<Metadata> ParseMetadata(absl::string_view json) {
  absl::StatusOr<RecordLine> record = Parse(json, /*metadata_only=*/true);
  if (!record.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--metadata: ", record.status().message()));
  }
  return std::move(record->metadata);
}

}  // namespace corkscrew
