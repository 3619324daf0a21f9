#include "db/request_log.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "db/keys.h"
#include "db/rows.h"

namespace corkscrew {

absl::Status RequestLog::Load(const Store& store) {
  const std::string prefix = KindPrefix('i');
  const auto it = store.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
  for (it->Seek(prefix); it->valid(); it->Next()) {
    const absl::StatusOr<RequestRow> row = DecodeRequestRow(it->value());
    if (!row.ok()) {
      return absl::DataLossError(absl::StrCat("row ",
                                              absl::BytesToHexString(it->key()),
                                              ": ", row.status().message()));
    }
    Add(row->wall_ms, std::string(it->key()));
  }
  return it->status();
}

void RequestLog::Prune(int64_t now_ms, size_t most, WriteBatch* batch) {
  for (size_t i = 0; i < most && !rows_.empty(); ++i) {
    const bool old = now_ms - rows_.top().first > kRequestTtlMs;
    if (!old && rows_.size() <= max_rows_) return;
    batch->Delete(Family::kRows, rows_.top().second);
    rows_.pop();
  }
}

}  // namespace corkscrew
