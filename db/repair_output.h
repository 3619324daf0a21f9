#ifndef CORKSCREW_DB_REPAIR_OUTPUT_H_
#define CORKSCREW_DB_REPAIR_OUTPUT_H_

#include <cstddef>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "db/store.h"

namespace corkscrew {

// Where the rows of a repair go: a new store, and a file for what can not be
// kept. Without them it only counts. Single-threaded; borrows both.
class RepairOutput {
 public:
  RepairOutput(Store* store, WritableFile* quarantine);

  // Errors are those of the store.
  absl::Status Put(Family family, absl::string_view key,
                   absl::string_view value);
  absl::Status Flush();

  // Keeps bytes that can not be kept as rows: a line of text.
  absl::Status Quarantine(Family family, absl::string_view key,
                          absl::string_view value, absl::string_view why);
  size_t quarantined() const { return quarantined_; }

 private:
  Store* const store_;
  WritableFile* const quarantine_;
  std::optional<WriteBatch> batch_;
  size_t bytes_ = 0;
  size_t quarantined_ = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_REPAIR_OUTPUT_H_
