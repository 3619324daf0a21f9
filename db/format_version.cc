#include "db/format_version.h"

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "db/keys.h"

namespace corkscrew {

absl::Status CheckFormat(const FormatRow& format, bool read_only,
                         const FormatRow& known) {
  if (format.version != known.version) {
    return absl::FailedPreconditionError(absl::StrCat(
        "it has format version ", format.version, ", this build knows ",
        known.version, "; use the build it belongs to"));
  }
  const uint64_t required = format.required & ~known.required;
  if (required != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("it needs features (required bits 0x", absl::Hex(required),
                     ") that this build does not know; use a newer build"));
  }
  const uint64_t unwritable = format.read_only & ~known.read_only;
  if (unwritable != 0 && !read_only) {
    return absl::FailedPreconditionError(absl::StrCat(
        "it has features (read-only bits 0x", absl::Hex(unwritable),
        ") that this build does not know and must not write to; open it "
        "read-only, or use a newer build"));
  }
  return absl::OkStatus();
}

absl::StatusOr<FormatUpgrade> UpgradeStore(Store& store,
                                           const FormatRow& target) {
  const std::string key = MetaKey("format");
  CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                             store.Get(Family::kRows, key));
  if (!value.has_value()) {
    return absl::DataLossError("row mformat is missing");
  }
  FormatUpgrade upgrade;
  CORKSCREW_ASSIGN_OR_RETURN(upgrade.from, DecodeFormatRow(*value));
  CORKSCREW_RETURN_IF_ERROR(
      CheckFormat(upgrade.from, /*read_only=*/false, target));
  upgrade.to = upgrade.from;
  upgrade.to.compat |= target.compat;
  upgrade.to.read_only |= target.read_only;
  upgrade.to.required |= target.required;
  if (upgrade.to == upgrade.from) return upgrade;
  WriteBatch batch = store.NewBatch();
  batch.Put(Family::kRows, key, Encode(upgrade.to));
  CORKSCREW_RETURN_IF_ERROR(store.Write(batch));
  return upgrade;
}

}  // namespace corkscrew
