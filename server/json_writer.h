#ifndef CORKSCREW_SERVER_JSON_WRITER_H_
#define CORKSCREW_SERVER_JSON_WRITER_H_

// Writes JSON text. Numbers are the shortest form that reads back as the same
// value, a float as a float: a general JSON library would print its 0.1 as
// 0.10000000149011612.

#include <concepts>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace corkscrew {

// Appends one JSON value to a string, on one line. The caller keeps the
// grammar: a Key() before each value of an object. Single-threaded.
class JsonWriter {
 public:
  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& EndObject() { return Close('}'); }
  JsonWriter& BeginArray() { return Open('['); }
  JsonWriter& EndArray() { return Close(']'); }

  JsonWriter& Key(absl::string_view key);

  // Invalid UTF-8 becomes U+FFFD.
  JsonWriter& String(absl::string_view value);
  JsonWriter& Bool(bool value);
  JsonWriter& Null();
  // NaN and infinity, which JSON lacks, become null.
  JsonWriter& Float(float value);
  // Has a "." or an exponent, so that it reads back as a double.
  JsonWriter& Double(double value);
  template <std::integral T>
  JsonWriter& Integer(T value) {
    return Raw(std::to_string(value));
  }
  JsonWriter& Floats(absl::Span<const float> values);

  const std::string& text() const { return text_; }
  std::string TakeText() { return std::move(text_); }

 private:
  JsonWriter& Open(char bracket);
  JsonWriter& Close(char bracket);
  JsonWriter& Raw(absl::string_view token);
  void Separate();
  void Quote(absl::string_view value);

  std::string text_;
  bool separate_ = false;  // A comma belongs before the next key or value.
};

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_JSON_WRITER_H_
