#ifndef CORKSCREW_DB_FILTER_H_
#define CORKSCREW_DB_FILTER_H_

// Evaluation of metadata filters. The one place that compares values: every
// index and every row-by-row check uses these functions.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "corkscrew/filter.h"
#include "corkscrew/metadata.h"
#include "db/string_column.h"

namespace corkscrew {

// Checks shape and limits: depth and nodes (limits.h), the number of values
// and children of each operator, keys not empty, strings valid UTF-8, no NaN.
//   InvalidArgument  names the operator and the key
absl::Status ValidateFilter(const Filter& filter);

// Whether `metadata` satisfies the validated `filter`; semantics in
// corkscrew/filter.h.
bool Matches(const Filter& filter, const Metadata& metadata);

// A list of strings as it is stored: `size` times a little-endian u32 length
// and that many bytes.
struct PackedStrings {
  size_t size = 0;
  const char* bytes = nullptr;
};

// A list of strings by their numbers in a column of strings: little-endian
// integers of `width` bytes.
struct NumberedStrings {
  size_t size = 0;
  const char* numbers = nullptr;
  uint8_t width = 0;
  const StringColumn* strings = nullptr;
};

// A metadata value where it lies; borrows it. Lists have three forms.
using ValueView = std::variant<bool, int64_t, double, absl::string_view,
                               const std::vector<std::string>*, PackedStrings,
                               NumberedStrings>;

// Steps through a list of any form.
class ListReader {
 public:
  // `list` is one.
  explicit ListReader(const ValueView& list);

  size_t left() const { return left_; }
  absl::string_view Next();  // One must be left.

 private:
  const std::vector<std::string>* list_ = nullptr;
  const char* packed_ = nullptr;
  NumberedStrings numbered_ = {};
  size_t left_;
};

ValueView ViewOf(const Value& value);

// How two values stand to each other: unordered if they do not compare, which
// lists do for equality and for DictionaryOrder() only (by their strings).
std::partial_ordering Compare(const ValueView& a, const ValueView& b);

// A total order: by type, in the order of Value, then by value; part of the
// format of segments. No value is NaN.
std::weak_ordering DictionaryOrder(const ValueView& a, const ValueView& b);

// The index in Value of the type of a value.
size_t TypeOf(const ValueView& value);

// Whether `value` satisfies `comparison`, a validated filter with a key.
bool MatchesValue(const Filter& comparison, const ValueView& value);

// Matches() for metadata in any form: `find` returns the value of a key, or
// nullopt if the record does not have it.
bool MatchesFields(
    const Filter& filter,
    absl::FunctionRef<std::optional<ValueView>(absl::string_view key)> find);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_FILTER_H_
