#ifndef CORKSCREW_DB_PATCH_PREPARATION_H_
#define CORKSCREW_DB_PATCH_PREPARATION_H_

// What a Patch does before it queues: checks. The rest needs the version that
// is current when the write is decided.

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "corkscrew/collection.h"
#include "db/write_commit.h"

namespace corkscrew {

// One Patch. Borrows the items. Single-threaded.
class PatchPreparation {
 public:
  PatchPreparation(absl::Span<const PatchItem> items,
                   const WriteOptions& options)
      : inputs_(items), options_(options) {}

  // Errors of Collection::Patch(), without the collection's name. Afterwards
  // the rest may be called.
  absl::Status Run();

  absl::Span<PreparedItem> items() { return absl::MakeSpan(prepared_); }
  // Why each item is left out; OK for the others.
  absl::Span<const absl::Status> statuses() const { return statuses_; }
  Hash16 request_hash() const;
  size_t bytes() const { return bytes_; }

 private:
  // Sets set_[i] to the encoding of what item i sets.
  absl::Status CheckItem(size_t i);

  const absl::Span<const PatchItem> inputs_;
  const WriteOptions& options_;
  std::vector<PreparedItem> prepared_;
  std::vector<absl::Status> statuses_;
  std::vector<std::string> set_;
  size_t bytes_ = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_PATCH_PREPARATION_H_
