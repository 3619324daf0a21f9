// Fuzzes the filter language: what parses is within the limits, and what is
// printed from it parses to the same tree.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/utf8.h"
#include "corkscrew/filter.h"
#include "corkscrew/limits.h"
#include "corkscrew/metadata.h"
#include "server/filter_expression.h"
#include "server/json_writer.h"

namespace corkscrew {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

std::string Quoted(absl::string_view text) {
  Require(IsValidUtf8(text));
  // The escapes of JSON are escapes of the language.
  return JsonWriter().String(text).text();
}

std::string Print(const Value& value) {
  return std::visit(
      [](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, bool>) {
          return v ? "true" : "false";
        } else if constexpr (std::is_same_v<T, int64_t>) {
          return absl::StrCat(v);
        } else if constexpr (std::is_same_v<T, double>) {
          Require(std::isfinite(v));
          return JsonWriter().Double(v).text();
        } else if constexpr (std::is_same_v<T, std::string>) {
          return Quoted(v);
        } else {
          std::string list;
          for (const std::string& s : v) {
            absl::StrAppend(&list, list.empty() ? "" : ",", Quoted(s));
          }
          return absl::StrCat("[", list, "]");
        }
      },
      value);
}

std::string Join(const std::vector<Filter>& children, absl::string_view word);

std::string Print(const Filter& filter) {
  const std::string key = filter.key.empty() ? "" : Quoted(filter.key);
  switch (filter.op) {
    case Filter::Op::kAll:
      return "";
    case Filter::Op::kAnd:
      return Join(filter.children, " and ");
    case Filter::Op::kOr:
      return Join(filter.children, " or ");
    case Filter::Op::kNot:
      return absl::StrCat("not ", Print(filter.children.at(0)));
    case Filter::Op::kExists:
      return absl::StrCat("exists(", key, ")");
    case Filter::Op::kIn: {
      std::string list;
      for (const Value& value : filter.values) {
        absl::StrAppend(&list, list.empty() ? "" : ",", Print(value));
      }
      return absl::StrCat(key, " in (", list, ")");
    }
    default:
      break;
  }
  const absl::string_view op = filter.op == Filter::Op::kEq   ? "="
                               : filter.op == Filter::Op::kNe ? "!="
                               : filter.op == Filter::Op::kLt ? "<"
                               : filter.op == Filter::Op::kLe ? "<="
                               : filter.op == Filter::Op::kGt ? ">"
                               : filter.op == Filter::Op::kGe ? ">="
                                                              : " contains ";
  return absl::StrCat(key, op, Print(filter.values.at(0)));
}

// A list inside a list needs parentheses; at the top they would cost a level.
std::string Join(const std::vector<Filter>& children, absl::string_view word) {
  std::string joined;
  for (const Filter& child : children) {
    absl::StrAppend(&joined, joined.empty() ? "" : word, Print(child));
  }
  return absl::StrCat("(", joined, ")");
}

size_t Nodes(const Filter& filter) {
  size_t nodes = 1;
  for (const Filter& child : filter.children) nodes += Nodes(child);
  return nodes;
}

size_t Depth(const Filter& filter) {
  size_t deepest = 0;
  for (const Filter& child : filter.children) {
    deepest = std::max(deepest, Depth(child));
  }
  return deepest + 1;
}

void Check(absl::string_view expression) {
  const absl::StatusOr<Filter> filter = ParseFilterExpression(expression);
  if (!filter.ok()) {
    Require(!filter.status().message().empty());
    return;
  }
  Require(Nodes(*filter) <= kMaxFilterNodes);
  Require(Depth(*filter) <= kMaxFilterDepth);
  // The printed form has more parentheses, which count against the depth.
  if (Depth(*filter) > kMaxFilterDepth / 2) return;
  const absl::StatusOr<Filter> again = ParseFilterExpression(Print(*filter));
  Require(again.ok());
  Require(*again == *filter);
}

}  // namespace
}  // namespace corkscrew

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  corkscrew::Check(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
