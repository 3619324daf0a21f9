#include "server/filter_expression.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "corkscrew/filter.h"
#include "corkscrew/limits.h"
#include "corkscrew/metadata.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

struct Token {
  enum class Kind { kEnd, kWord, kString, kNumber, kSymbol };
  Kind kind = Kind::kEnd;
  size_t begin = 0;             // Offset of the first byte.
  absl::string_view text = {};  // As written.
  std::string string = {};      // Value of a kString.
};

bool IsNameStart(char c) { return absl::ascii_isalpha(c) || c == '_'; }
bool IsNamePart(char c) {
  return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
}

constexpr absl::string_view kWords[] = {"and",      "or",     "not",  "in",
                                        "contains", "exists", "true", "false"};

bool IsWord(const Token& token, absl::string_view word) {
  return token.kind == Token::Kind::kWord &&
         absl::EqualsIgnoreCase(token.text, word);
}

bool IsReserved(const Token& token) {
  for (const absl::string_view word : kWords) {
    if (IsWord(token, word)) return true;
  }
  return false;
}

bool IsSymbol(const Token& token, absl::string_view symbol) {
  return token.kind == Token::Kind::kSymbol && token.text == symbol;
}

// Recursive descent with one token of look-ahead. Recursion is bounded by
// kMaxFilterDepth. Single-threaded.
class Parser {
 public:
  explicit Parser(absl::string_view input) : input_(input) {}

  absl::StatusOr<Filter> Parse() {
    CORKSCREW_RETURN_IF_ERROR(Advance());
    if (token_.kind == Token::Kind::kEnd) return Filter::All();
    CORKSCREW_ASSIGN_OR_RETURN(Filter filter, ParseExpression());
    if (token_.kind != Token::Kind::kEnd) {
      return ErrorHere("want \"and\", \"or\" or the end");
    }
    return filter;
  }

 private:
  absl::Status ErrorAt(size_t offset, absl::string_view what) const {
    std::string shown(input_);
    for (char& c : shown) {
      if (absl::ascii_iscntrl(c)) c = ' ';
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "filter, column ", offset + 1, ": ", what, "\n  ", shown, "\n  ",
        std::string(DisplayWidth(input_.substr(0, offset)), ' '), "^"));
  }
  absl::Status ErrorHere(absl::string_view want) const {
    const std::string got =
        token_.kind == Token::Kind::kEnd
            ? std::string("the end")
            : absl::StrCat("\"", Snippet(token_.text, 24), "\"");
    return ErrorAt(token_.begin, absl::StrCat(want, ", got ", got));
  }

  // --- Tokens.

  absl::Status Advance() {
    while (next_ < input_.size() && absl::ascii_isspace(input_[next_])) ++next_;
    token_ = Token();
    token_.begin = next_;
    if (next_ == input_.size()) return absl::OkStatus();
    const char c = input_[next_];
    if (c == '"' || c == '\'') return ScanString(c);
    if (IsNameStart(c)) {
      while (next_ < input_.size() && IsNamePart(input_[next_])) ++next_;
      return Finish(Token::Kind::kWord);
    }
    if (absl::ascii_isdigit(c) || c == '-' || c == '+' || c == '.') {
      ++next_;
      while (next_ < input_.size() &&
             (absl::ascii_isalnum(input_[next_]) || input_[next_] == '.' ||
              ((input_[next_] == '-' || input_[next_] == '+') &&
               absl::ascii_tolower(input_[next_ - 1]) == 'e'))) {
        ++next_;
      }
      return Finish(Token::Kind::kNumber);
    }
    for (const absl::string_view symbol :
         {"==", "!=", "<=", ">=", "=", "<", ">", "(", ")", ",", "[", "]"}) {
      if (absl::StartsWith(input_.substr(next_), symbol)) {
        next_ += symbol.size();
        return Finish(Token::Kind::kSymbol);
      }
    }
    return ErrorAt(next_, "this character starts nothing of the language");
  }

  absl::Status Finish(Token::Kind kind) {
    token_.kind = kind;
    token_.text = input_.substr(token_.begin, next_ - token_.begin);
    return absl::OkStatus();
  }

  absl::Status ScanString(char quote) {
    ++next_;
    while (next_ < input_.size() && input_[next_] != quote) {
      if (input_[next_] == '\\') {
        CORKSCREW_RETURN_IF_ERROR(ScanEscape());
      } else {
        token_.string.push_back(input_[next_++]);
      }
    }
    if (next_ == input_.size()) {
      return ErrorAt(token_.begin, "this string has no closing quote");
    }
    ++next_;
    if (!IsValidUtf8(token_.string)) {
      return ErrorAt(token_.begin, "this string is not valid UTF-8");
    }
    return Finish(Token::Kind::kString);
  }

  absl::Status ScanEscape() {
    const size_t begin = next_++;
    const char c = next_ < input_.size() ? input_[next_++] : '\0';
    switch (c) {
      case '"':
      case '\'':
      case '\\':
        token_.string.push_back(c);
        return absl::OkStatus();
      case 'n':
        token_.string.push_back('\n');
        return absl::OkStatus();
      case 'r':
        token_.string.push_back('\r');
        return absl::OkStatus();
      case 't':
        token_.string.push_back('\t');
        return absl::OkStatus();
      case 'u': {
        const absl::string_view digits = input_.substr(next_, 4);
        uint32_t value = 0;
        const auto [end, error] = std::from_chars(
            digits.data(), digits.data() + digits.size(), value, 16);
        if (digits.size() == 4 && error == std::errc() &&
            end == digits.data() + 4 && !(value >= 0xD800 && value <= 0xDFFF)) {
          AppendUtf8(static_cast<int32_t>(value), token_.string);
          next_ += 4;
          return absl::OkStatus();
        }
        return ErrorAt(begin,
                       "want \\u and four hexadecimal digits, no surrogate");
      }
      default:
        return ErrorAt(begin,
                       "unknown escape; there are \\\" \\' \\\\ \\n \\r \\t "
                       "\\uXXXX");
    }
  }

  // --- Grammar. Each function leaves token_ on the first token behind it.

  absl::StatusOr<Filter> ParseExpression() {
    return ParseList("or", &Filter::Or, &Parser::ParseConjunction);
  }
  absl::StatusOr<Filter> ParseConjunction() {
    return ParseList("and", &Filter::And, &Parser::ParseTerm);
  }

  // item { word item }, as one node with all items as children.
  absl::StatusOr<Filter> ParseList(absl::string_view word,
                                   Filter (*make)(std::vector<Filter>),
                                   absl::StatusOr<Filter> (Parser::*item)()) {
    CORKSCREW_ASSIGN_OR_RETURN(Filter first, (this->*item)());
    if (!IsWord(token_, word)) return first;
    CORKSCREW_RETURN_IF_ERROR(CountNode());
    std::vector<Filter> children;
    children.push_back(std::move(first));
    while (IsWord(token_, word)) {
      CORKSCREW_RETURN_IF_ERROR(Advance());
      CORKSCREW_ASSIGN_OR_RETURN(Filter next, (this->*item)());
      children.push_back(std::move(next));
    }
    return make(std::move(children));
  }

  absl::StatusOr<Filter> ParseTerm() {
    if (IsWord(token_, "not")) {
      CORKSCREW_RETURN_IF_ERROR(CountNode());
      CORKSCREW_RETURN_IF_ERROR(Enter());
      CORKSCREW_RETURN_IF_ERROR(Advance());
      CORKSCREW_ASSIGN_OR_RETURN(Filter child, ParseTerm());
      --depth_;
      return Filter::Not(std::move(child));
    }
    if (IsSymbol(token_, "(")) {
      CORKSCREW_RETURN_IF_ERROR(Enter());
      CORKSCREW_RETURN_IF_ERROR(Advance());
      CORKSCREW_ASSIGN_OR_RETURN(Filter inner, ParseExpression());
      CORKSCREW_RETURN_IF_ERROR(Expect(")"));
      --depth_;
      return inner;
    }
    CORKSCREW_RETURN_IF_ERROR(CountNode());
    if (IsWord(token_, "exists")) {
      CORKSCREW_RETURN_IF_ERROR(Advance());
      CORKSCREW_RETURN_IF_ERROR(Expect("("));
      CORKSCREW_ASSIGN_OR_RETURN(std::string key, ParseKey());
      CORKSCREW_RETURN_IF_ERROR(Expect(")"));
      return Filter::Exists(std::move(key));
    }
    CORKSCREW_ASSIGN_OR_RETURN(std::string key, ParseKey());
    return ParseComparison(std::move(key));
  }

  absl::StatusOr<std::string> ParseKey() {
    std::string key;
    if (token_.kind == Token::Kind::kString) {
      key = std::move(token_.string);
    } else if (token_.kind == Token::Kind::kWord && !IsReserved(token_)) {
      key = std::string(token_.text);
    } else {
      return ErrorHere(
          "want a metadata key (quote one that is a word of the language)");
    }
    if (key.empty()) return ErrorAt(token_.begin, "a key is not empty");
    CORKSCREW_RETURN_IF_ERROR(Advance());
    return key;
  }

  absl::StatusOr<Filter> ParseComparison(std::string key) {
    if (IsWord(token_, "in")) {
      CORKSCREW_RETURN_IF_ERROR(Advance());
      CORKSCREW_ASSIGN_OR_RETURN(std::vector<Value> values, ParseValues());
      return Filter::In(std::move(key), std::move(values));
    }
    const std::optional<Filter::Op> op = ComparisonOp();
    if (!op.has_value()) {
      return ErrorHere("want = != < <= > >= in or contains after the key");
    }
    CORKSCREW_RETURN_IF_ERROR(Advance());
    CORKSCREW_ASSIGN_OR_RETURN(Value value, ParseValue());
    return Filter::Compare(*op, std::move(key), std::move(value));
  }

  std::optional<Filter::Op> ComparisonOp() const {
    if (IsWord(token_, "contains")) return Filter::Op::kContains;
    if (IsSymbol(token_, "=") || IsSymbol(token_, "==")) {
      return Filter::Op::kEq;
    }
    if (IsSymbol(token_, "!=")) return Filter::Op::kNe;
    if (IsSymbol(token_, "<")) return Filter::Op::kLt;
    if (IsSymbol(token_, "<=")) return Filter::Op::kLe;
    if (IsSymbol(token_, ">")) return Filter::Op::kGt;
    if (IsSymbol(token_, ">=")) return Filter::Op::kGe;
    return std::nullopt;
  }

  // "(" [ value { "," value } ] ")"
  absl::StatusOr<std::vector<Value>> ParseValues() {
    CORKSCREW_RETURN_IF_ERROR(Expect("("));
    std::vector<Value> values;
    while (!IsSymbol(token_, ")")) {
      if (!values.empty()) CORKSCREW_RETURN_IF_ERROR(Expect(","));
      CORKSCREW_ASSIGN_OR_RETURN(Value value, ParseValue());
      values.push_back(std::move(value));
    }
    CORKSCREW_RETURN_IF_ERROR(Advance());
    return values;
  }

  absl::StatusOr<Value> ParseValue() {
    if (IsSymbol(token_, "[")) return ParseStringList();
    Value value;
    if (token_.kind == Token::Kind::kString) {
      value = std::move(token_.string);
    } else if (IsWord(token_, "true")) {
      value = true;
    } else if (IsWord(token_, "false")) {
      value = false;
    } else if (token_.kind == Token::Kind::kNumber) {
      CORKSCREW_ASSIGN_OR_RETURN(value, NumberValue());
    } else {
      return ErrorHere(
          "want a value: \"text\", a number, true, false or [\"a\", \"b\"]");
    }
    CORKSCREW_RETURN_IF_ERROR(Advance());
    return value;
  }

  absl::StatusOr<Value> ParseStringList() {
    CORKSCREW_RETURN_IF_ERROR(Advance());
    std::vector<std::string> strings;
    while (!IsSymbol(token_, "]")) {
      if (!strings.empty()) CORKSCREW_RETURN_IF_ERROR(Expect(","));
      if (token_.kind != Token::Kind::kString) {
        return ErrorHere("a list holds strings: want \"text\"");
      }
      strings.push_back(std::move(token_.string));
      CORKSCREW_RETURN_IF_ERROR(Advance());
    }
    CORKSCREW_RETURN_IF_ERROR(Advance());
    return Value(std::move(strings));
  }

  absl::StatusOr<Value> NumberValue() const {
    absl::string_view text = token_.text;
    if (absl::StartsWith(text, "+")) text.remove_prefix(1);
    const char* const end = text.data() + text.size();
    if (text.find_first_of(".eE") == absl::string_view::npos) {
      int64_t integer = 0;
      const auto [stop, error] = std::from_chars(text.data(), end, integer);
      if (error == std::errc() && stop == end) return Value(integer);
      if (error == std::errc::result_out_of_range && stop == end) {
        return ErrorHere("an integer has 64 bits (write 1e20 for a double)");
      }
    } else {
      double number = 0;
      const auto [stop, error] = std::from_chars(text.data(), end, number);
      if (error == std::errc() && stop == end && std::isfinite(number)) {
        return Value(number);
      }
    }
    return ErrorHere("want a number");
  }

  absl::Status Expect(absl::string_view symbol) {
    if (!IsSymbol(token_, symbol)) {
      return ErrorHere(absl::StrCat("want \"", symbol, "\""));
    }
    return Advance();
  }

  // --- Limits.

  absl::Status Enter() {
    if (++depth_ < kMaxFilterDepth) return absl::OkStatus();
    return ErrorAt(token_.begin,
                   absl::StrCat("more than ", kMaxFilterDepth, " levels deep"));
  }
  absl::Status CountNode() {
    if (++nodes_ <= kMaxFilterNodes) return absl::OkStatus();
    return ErrorAt(token_.begin,
                   absl::StrCat("more than ", kMaxFilterNodes, " conditions"));
  }

  const absl::string_view input_;
  size_t next_ = 0;  // Offset of the first byte behind token_.
  Token token_;
  size_t depth_ = 0;
  size_t nodes_ = 0;
};

size_t Depth(const Filter& filter) {
  size_t deepest = 0;
  for (const Filter& child : filter.children) {
    deepest = std::max(deepest, Depth(child));
  }
  return deepest + 1;
}

}  // namespace

absl::StatusOr<Filter> ParseFilterExpression(absl::string_view expression) {
  CORKSCREW_ASSIGN_OR_RETURN(Filter filter, Parser(expression).Parse());
  // "and" and "or" nest inside one pair of parentheses.
  if (const size_t depth = Depth(filter); depth > kMaxFilterDepth) {
    return absl::InvalidArgumentError(absl::StrCat(
        "filter: ", depth, " levels deep, at most ", kMaxFilterDepth));
  }
  return filter;
}

}  // namespace corkscrew
