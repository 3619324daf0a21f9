#ifndef CORKSCREW_SERVER_FILTER_EXPRESSION_H_
#define CORKSCREW_SERVER_FILTER_EXPRESSION_H_

// The filter language of the command line. It exists on this side only: it is
// parsed into the typed tree of corkscrew/filter.h, which alone travels.
//
//   expression = conjunction { "or" conjunction }
//   conjunction = term { "and" term }
//   term       = "not" term | "(" expression ")" | "exists" "(" key ")"
//              | key ( "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" ) value
//              | key "contains" value
//              | key "in" "(" [ value { "," value } ] ")"
//   key        = name | string        name: letter or "_", then letters,
//                                      digits, "_", "-", "."
//   value      = string | number | "true" | "false" | "[" [ strings ] "]"
//   string     = "..." or '...', with \" \' \\ \n \r \t \uXXXX
//
// Words of the language (and or not in contains exists true false) are
// recognised in any case; a key of that name is written as a string. A number
// without ".", "e" or "E" is an int64, any other a double. Semantics, missing
// keys included: corkscrew/filter.h.

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/filter.h"

namespace corkscrew {

// Parses `expression`. Blank matches every record.
//   InvalidArgument  a syntax error, a number outside its range, a string that
//                    is not valid UTF-8, more than kMaxFilterDepth levels or
//                    kMaxFilterNodes conditions; names the column (in bytes,
//                    from 1) and marks it under the expression
absl::StatusOr<Filter> ParseFilterExpression(absl::string_view expression);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_FILTER_EXPRESSION_H_
