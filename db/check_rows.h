#ifndef CORKSCREW_DB_CHECK_ROWS_H_
#define CORKSCREW_DB_CHECK_ROWS_H_

// What must hold between the rows of a store (docs/storage_format.md, "What
// must hold"), checked in one pass over each kind of row.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "corkscrew/check.h"
#include "db/store.h"

namespace corkscrew {

// Collects findings in a report.
class CheckSink {
 public:
  CheckSink(const CheckOptions& options, CheckReport* report)
      : options_(options), report_(*report) {}

  void Add(CheckStatus severity, std::string where, absl::string_view invariant,
           std::string what, absl::string_view advice);
  // Counts a row. Cancelled if the caller wants to end.
  absl::Status CountRow();

  bool deep() const { return options_.deep; }
  CheckReport& report() { return report_; }

 private:
  const CheckOptions& options_;
  CheckReport& report_;
  uint64_t rows_ = 0;
};

// Checks all rows of `store`. Not OK only if it was cancelled.
absl::Status CheckRows(const Store& store, CheckSink* sink);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_CHECK_ROWS_H_
