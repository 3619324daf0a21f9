#ifndef CORKSCREW_BASE_STATUS_MACROS_H_
#define CORKSCREW_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns the Status of `expr` from the enclosing function unless it is OK.
#define CORKSCREW_RETURN_IF_ERROR(expr)                                 \
  do {                                                                  \
    if (absl::Status corkscrew_status = (expr); !corkscrew_status.ok()) \
      return corkscrew_status;                                          \
  } while (false)

// Evaluates the StatusOr `expr`, and assigns its value to `lhs` (which may
// declare a variable) or returns its Status from the enclosing function.
#define CORKSCREW_ASSIGN_OR_RETURN(lhs, expr)                                  \
  CORKSCREW_ASSIGN_OR_RETURN_IMPL_(CORKSCREW_CONCAT_(corkscrew_or_, __LINE__), \
                                   lhs, expr)

#define CORKSCREW_ASSIGN_OR_RETURN_IMPL_(or_name, lhs, expr) \
  auto or_name = (expr);                                     \
  if (!or_name.ok()) return std::move(or_name).status();     \
  lhs = *std::move(or_name)
#define CORKSCREW_CONCAT_(a, b) CORKSCREW_CONCAT_IMPL_(a, b)
#define CORKSCREW_CONCAT_IMPL_(a, b) a##b

#endif  // CORKSCREW_BASE_STATUS_MACROS_H_
