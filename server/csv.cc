#include "server/csv.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/json_lines.h"

namespace corkscrew {
namespace {

constexpr int kEnd = std::char_traits<char>::eof();

}  // namespace

int CsvReader::Take() {
  const int c = in_.rdbuf()->sbumpc();
  if (c == kEnd) return kEnd;
  ++bytes_read_;
  if (c == '\n') ++line_ends_;
  return c;
}

absl::StatusOr<bool> CsvReader::Next(std::vector<std::string>& fields) {
  enum class State { kStart, kPlain, kQuoted, kClosed };
  fields.clear();
  line_number_ = line_ends_ + 1;
  State state = State::kStart;
  std::string field;
  std::string error;
  size_t size = 0;
  bool any = false;
  const auto refuse = [&](absl::string_view what) {
    if (error.empty()) error = std::string(what);
    state = State::kPlain;  // To the end of the line.
  };
  for (;;) {
    const int c = Take();
    if (c == kEnd && !any) return false;
    any = true;
    if (c == kEnd && state == State::kQuoted) {
      refuse(
          absl::StrCat("field ", fields.size() + 1, " has no closing quote"));
    }
    if (state == State::kQuoted) {
      if (c == '"') {
        state = State::kClosed;
        continue;
      }
    } else if (c == kEnd || c == '\n') {
      break;
    } else if (c == ',') {
      fields.push_back(field);
      field.clear();
      state = State::kStart;
      continue;
    } else if (c == '"' && state == State::kClosed) {
      state = State::kQuoted;  // A doubled quote.
    } else if (c == '"' && state == State::kStart) {
      state = State::kQuoted;
      continue;
    } else if (c == '"' && error.empty()) {
      refuse(absl::StrCat("field ", fields.size() + 1,
                          " has a quote but is not quoted"));
    } else if (c == '\r' && in_.rdbuf()->sgetc() == '\n') {
      continue;
    } else if (state == State::kClosed) {
      refuse(absl::StrCat("field ", fields.size() + 1,
                          " goes on behind its closing quote"));
    } else {
      state = State::kPlain;
    }
    if (++size > kMaxLineBytes) {
      refuse(absl::StrCat("longer than ", kMaxLineBytes, " bytes"));
      field.clear();
      fields.clear();
    } else if (error.empty()) {
      field.push_back(static_cast<char>(c));
    }
  }
  if (!error.empty()) return absl::InvalidArgumentError(error);
  fields.push_back(field);
  return true;
}

void AppendCsvField(absl::string_view value, std::string& out) {
  if (value.find_first_of(",\"\r\n") == absl::string_view::npos) {
    absl::StrAppend(&out, value);
    return;
  }
  out.push_back('"');
  for (const char c : value) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  out.push_back('"');
}

}  // namespace corkscrew
