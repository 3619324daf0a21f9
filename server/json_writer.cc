#include "server/json_writer.h"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/text_display.h"

namespace corkscrew {

JsonWriter& JsonWriter::Key(absl::string_view key) {
  Separate();
  Quote(key);
  text_.push_back(':');
  separate_ = false;
  return *this;
}

JsonWriter& JsonWriter::String(absl::string_view value) {
  Separate();
  Quote(value);
  separate_ = true;
  return *this;
}

JsonWriter& JsonWriter::Bool(bool value) {
  return Raw(value ? "true" : "false");
}

JsonWriter& JsonWriter::Null() { return Raw("null"); }

JsonWriter& JsonWriter::Float(float value) {
  if (!std::isfinite(value)) return Null();
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  const absl::string_view token(buffer, static_cast<size_t>(end - buffer));
  // As an integer, -0 would lose its sign.
  return Raw(token == "-0" ? "-0.0" : token);
}

JsonWriter& JsonWriter::Double(double value) {
  if (!std::isfinite(value)) return Null();
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  std::string token(buffer, static_cast<size_t>(end - buffer));
  if (token.find_first_of(".e") == std::string::npos) token += ".0";
  return Raw(token);
}

JsonWriter& JsonWriter::Floats(absl::Span<const float> values) {
  BeginArray();
  for (const float value : values) Float(value);
  return EndArray();
}

JsonWriter& JsonWriter::Open(char bracket) {
  Separate();
  text_.push_back(bracket);
  separate_ = false;
  return *this;
}

JsonWriter& JsonWriter::Close(char bracket) {
  text_.push_back(bracket);
  separate_ = true;
  return *this;
}

JsonWriter& JsonWriter::Raw(absl::string_view token) {
  Separate();
  text_.append(token.data(), token.size());
  separate_ = true;
  return *this;
}

void JsonWriter::Separate() {
  if (separate_) text_.push_back(',');
}

void JsonWriter::Quote(absl::string_view value) {
  text_.push_back('"');
  for (size_t position = 0; position < value.size();) {
    const int32_t c = NextCodePoint(value, position);
    switch (c) {
      case '"':
        text_ += "\\\"";
        break;
      case '\\':
        text_ += "\\\\";
        break;
      case '\n':
        text_ += "\\n";
        break;
      case '\r':
        text_ += "\\r";
        break;
      case '\t':
        text_ += "\\t";
        break;
      default:
        // U+2028 and U+2029 end a line for some readers of line-wise JSON.
        if ((c >= 0 && c < 0x20) || c == 0x7F || c == 0x2028 || c == 0x2029) {
          absl::StrAppendFormat(&text_, "\\u%04x", c);
        } else {
          AppendUtf8(c < 0 ? 0xFFFD : c, text_);
        }
    }
  }
  text_.push_back('"');
}

}  // namespace corkscrew
