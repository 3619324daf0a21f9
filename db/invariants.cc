#include "db/invariants.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "corkscrew/check.h"
#include "db/check_rows.h"

namespace corkscrew {

std::vector<std::string> FindViolations(const Store& store) {
  CheckOptions options;
  options.deep = true;
  CheckReport report;
  CheckSink sink(options, &report);
  std::vector<std::string> found;
  const absl::Status checked = CheckRows(store, &sink);
  if (!checked.ok()) found.push_back(checked.ToString());
  for (const CheckFinding& finding : report.findings) {
    found.push_back(absl::StrCat(finding.where, ": ", finding.what, " [",
                                 finding.invariant, "]"));
  }
  return found;
}

}  // namespace corkscrew
