#include "db/filter.h"

#include <algorithm>
#include <cmath>
#include <compare>
#include <cstring>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "corkscrew/limits.h"

namespace corkscrew {
namespace {

const char* OpName(Filter::Op op) {
  switch (op) {
    case Filter::Op::kAll:
      return "all";
    case Filter::Op::kAnd:
      return "and";
    case Filter::Op::kOr:
      return "or";
    case Filter::Op::kNot:
      return "not";
    case Filter::Op::kEq:
      return "eq";
    case Filter::Op::kNe:
      return "ne";
    case Filter::Op::kLt:
      return "lt";
    case Filter::Op::kLe:
      return "le";
    case Filter::Op::kGt:
      return "gt";
    case Filter::Op::kGe:
      return "ge";
    case Filter::Op::kIn:
      return "in";
    case Filter::Op::kExists:
      return "exists";
    case Filter::Op::kContains:
      return "contains";
  }
  return nullptr;
}

// What an operator must have.
struct Shape {
  bool key = false;
  bool children = false;
  bool one_child = false;
  bool values = false;
  bool one_value = false;
};

Shape ShapeOf(Filter::Op op) {
  switch (op) {
    case Filter::Op::kAll:
      return {};
    case Filter::Op::kAnd:
    case Filter::Op::kOr:
      return {.children = true};
    case Filter::Op::kNot:
      return {.children = true, .one_child = true};
    case Filter::Op::kIn:
      return {.key = true, .values = true};
    case Filter::Op::kExists:
      return {.key = true};
    default:
      return {.key = true, .values = true, .one_value = true};
  }
}

absl::Status ValidateValue(const Value& value, const std::string& where) {
  if (const auto* number = std::get_if<double>(&value);
      number != nullptr && std::isnan(*number)) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": the value is NaN, want a number"));
  }
  const auto* text = std::get_if<std::string>(&value);
  if (text != nullptr && !IsValidUtf8(*text)) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": the value is not valid UTF-8"));
  }
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    for (const std::string& item : *list) {
      if (!IsValidUtf8(item)) {
        return absl::InvalidArgumentError(
            absl::StrCat(where, ": a string of the value is not valid UTF-8"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateNode(const Filter& filter, size_t depth, size_t* nodes) {
  const char* const op = OpName(filter.op);
  if (op == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("filter: unknown operator ", static_cast<int>(filter.op)));
  }
  // A key that is not text must not reach a message.
  if (!IsValidUtf8(filter.key)) {
    return absl::InvalidArgumentError(
        absl::StrCat("filter: ", op, ": the key is not valid UTF-8"));
  }
  const Shape shape = ShapeOf(filter.op);
  const std::string where =
      absl::StrCat("filter: ", op, shape.key ? " \"" : "",
                   shape.key ? filter.key : "", shape.key ? "\"" : "");
  if (depth > kMaxFilterDepth) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, ": nested deeper than ", kMaxFilterDepth, " levels"));
  }
  if (++*nodes > kMaxFilterNodes) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, ": the filter has more than ", kMaxFilterNodes, " nodes"));
  }
  if (shape.key && filter.key.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": the key is empty"));
  }
  if (!shape.key && !filter.key.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": has the key \"", filter.key, "\", want none"));
  }
  if (shape.one_value && filter.values.size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": has ", filter.values.size(), " values, want 1"));
  }
  if (!shape.values && !filter.values.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, ": has ", filter.values.size(), " values, want none"));
  }
  if (shape.one_child && filter.children.size() != 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, ": has ", filter.children.size(), " children, want 1"));
  }
  if (!shape.children && !filter.children.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, ": has ", filter.children.size(), " children, want none"));
  }
  for (const Value& value : filter.values) {
    CORKSCREW_RETURN_IF_ERROR(ValidateValue(value, where));
  }
  for (const Filter& child : filter.children) {
    CORKSCREW_RETURN_IF_ERROR(ValidateNode(child, depth + 1, nodes));
  }
  return absl::OkStatus();
}

constexpr size_t kListType = 4;

std::partial_ordering Reversed(std::partial_ordering order) {
  return 0 <=> order;
}

// Exact: converting the integer to double would round above 2^53.
std::partial_ordering CompareNumbers(int64_t a, double b) {
  if (std::isnan(b)) return std::partial_ordering::unordered;
  constexpr double kTwo63 = 9223372036854775808.0;
  if (b >= kTwo63) return std::partial_ordering::less;
  if (b < -kTwo63) return std::partial_ordering::greater;
  const double whole = std::trunc(b);
  const auto integer = static_cast<int64_t>(whole);
  if (a != integer) return a <=> integer;
  return 0.0 <=> (b - whole);
}

std::partial_ordering CompareBytes(absl::string_view a, absl::string_view b) {
  return a.compare(b) <=> 0;
}

std::partial_ordering CompareLists(ListReader a, ListReader b) {
  while (a.left() > 0 && b.left() > 0) {
    const std::partial_ordering order = CompareBytes(a.Next(), b.Next());
    if (order != 0) return order;
  }
  return a.left() <=> b.left();
}

// Of comparisons but equality: lists have no order there.
std::partial_ordering CompareOrdered(const ValueView& a, const ValueView& b) {
  return TypeOf(a) == kListType ? std::partial_ordering::unordered
                                : Compare(a, b);
}

// Nullopt if the two do not compare.
std::optional<bool> AreEqual(const ValueView& a, const ValueView& b) {
  const std::partial_ordering order = Compare(a, b);
  if (order == std::partial_ordering::unordered) return std::nullopt;
  return order == 0;
}

bool Contains(const ValueView& a, const Value& b) {
  const auto* needle = std::get_if<std::string>(&b);
  if (needle == nullptr) return false;
  if (const auto* text = std::get_if<absl::string_view>(&a)) {
    return text->find(*needle) != absl::string_view::npos;
  }
  if (TypeOf(a) != kListType) return false;
  for (ListReader list(a); list.left() > 0;) {
    if (list.Next() == *needle) return true;
  }
  return false;
}

}  // namespace

ListReader::ListReader(const ValueView& list) : left_(0) {
  if (const auto* strings =
          std::get_if<const std::vector<std::string>*>(&list)) {
    list_ = *strings;
    left_ = list_->size();
  } else if (const auto* packed = std::get_if<PackedStrings>(&list)) {
    packed_ = packed->bytes;
    left_ = packed->size;
  } else {
    numbered_ = std::get<NumberedStrings>(list);
    left_ = numbered_.size;
  }
}

absl::string_view ListReader::Next() {
  const size_t left = left_--;
  if (list_ != nullptr) return (*list_)[list_->size() - left];
  if (packed_ == nullptr) {
    return numbered_.strings->Get(LoadUnsigned(
        numbered_.numbers, numbered_.width, numbered_.size - left));
  }
  uint32_t size;
  std::memcpy(&size, packed_, sizeof(size));
  const absl::string_view string(packed_ + sizeof(size), size);
  packed_ += sizeof(size) + size;
  return string;
}

ValueView ViewOf(const Value& value) {
  return std::visit(
      [](const auto& v) -> ValueView {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string>) {
          return absl::string_view(v);
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          return &v;
        } else {
          return v;
        }
      },
      value);
}

size_t TypeOf(const ValueView& value) {
  return std::min(value.index(), kListType);
}

std::partial_ordering Compare(const ValueView& a, const ValueView& b) {
  if (const auto* integer = std::get_if<int64_t>(&a)) {
    if (const auto* y = std::get_if<int64_t>(&b)) return *integer <=> *y;
    if (const auto* y = std::get_if<double>(&b)) {
      return CompareNumbers(*integer, *y);
    }
  } else if (const auto* number = std::get_if<double>(&a)) {
    if (const auto* y = std::get_if<double>(&b)) return *number <=> *y;
    if (const auto* y = std::get_if<int64_t>(&b)) {
      return Reversed(CompareNumbers(*y, *number));
    }
  } else if (const auto* text = std::get_if<absl::string_view>(&a)) {
    if (const auto* y = std::get_if<absl::string_view>(&b)) {
      return CompareBytes(*text, *y);
    }
  } else if (const auto* flag = std::get_if<bool>(&a)) {
    if (const auto* y = std::get_if<bool>(&b)) return *flag <=> *y;
  } else if (TypeOf(b) == kListType) {
    return CompareLists(ListReader(a), ListReader(b));
  }
  return std::partial_ordering::unordered;
}

std::weak_ordering DictionaryOrder(const ValueView& a, const ValueView& b) {
  if (TypeOf(a) != TypeOf(b)) return TypeOf(a) <=> TypeOf(b);
  const std::partial_ordering order = Compare(a, b);
  if (order < 0) return std::weak_ordering::less;
  if (order > 0) return std::weak_ordering::greater;
  return std::weak_ordering::equivalent;
}

bool MatchesValue(const Filter& comparison, const ValueView& value) {
  const auto order = [&] {
    return CompareOrdered(value, ViewOf(comparison.values[0]));
  };
  switch (comparison.op) {
    case Filter::Op::kExists:
      return true;
    case Filter::Op::kEq:
      return AreEqual(value, ViewOf(comparison.values[0])).value_or(false);
    case Filter::Op::kNe:
      return !AreEqual(value, ViewOf(comparison.values[0])).value_or(true);
    case Filter::Op::kLt:
      return order() < 0;
    case Filter::Op::kLe:
      return order() <= 0;
    case Filter::Op::kGt:
      return order() > 0;
    case Filter::Op::kGe:
      return order() >= 0;
    case Filter::Op::kContains:
      return Contains(value, comparison.values[0]);
    case Filter::Op::kIn:
      for (const Value& wanted : comparison.values) {
        if (AreEqual(value, ViewOf(wanted)).value_or(false)) return true;
      }
      return false;
    default:
      return false;
  }
}

absl::Status ValidateFilter(const Filter& filter) {
  size_t nodes = 0;
  return ValidateNode(filter, 1, &nodes);
}

bool MatchesFields(
    const Filter& filter,
    absl::FunctionRef<std::optional<ValueView>(absl::string_view key)> find) {
  switch (filter.op) {
    case Filter::Op::kAll:
      return true;
    case Filter::Op::kAnd:
      for (const Filter& child : filter.children) {
        if (!MatchesFields(child, find)) return false;
      }
      return true;
    case Filter::Op::kOr:
      for (const Filter& child : filter.children) {
        if (MatchesFields(child, find)) return true;
      }
      return false;
    case Filter::Op::kNot:
      return !MatchesFields(filter.children[0], find);
    default: {
      const std::optional<ValueView> value = find(filter.key);
      return value.has_value() && MatchesValue(filter, *value);
    }
  }
}

bool Matches(const Filter& filter, const Metadata& metadata) {
  return MatchesFields(filter,
                       [&](absl::string_view key) -> std::optional<ValueView> {
                         const auto found = metadata.find(std::string(key));
                         if (found == metadata.end()) return std::nullopt;
                         return ViewOf(found->second);
                       });
}

}  // namespace corkscrew
