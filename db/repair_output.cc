#include "db/repair_output.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace corkscrew {
namespace {

constexpr size_t kBatchBytes = size_t{4} << 20;

}  // namespace

RepairOutput::RepairOutput(Store* store, WritableFile* quarantine)
    : store_(store), quarantine_(quarantine) {
  if (store_ != nullptr) batch_.emplace(store_->NewBatch());
}

absl::Status RepairOutput::Put(Family family, absl::string_view key,
                               absl::string_view value) {
  if (store_ == nullptr) return absl::OkStatus();
  batch_->Put(family, key, value);
  bytes_ += key.size() + value.size();
  return bytes_ < kBatchBytes ? absl::OkStatus() : Flush();
}

absl::Status RepairOutput::Flush() {
  if (store_ == nullptr || batch_->empty()) return absl::OkStatus();
  CORKSCREW_RETURN_IF_ERROR(store_->Write(*batch_));
  batch_.emplace(store_->NewBatch());
  bytes_ = 0;
  return absl::OkStatus();
}

absl::Status RepairOutput::Quarantine(Family family, absl::string_view key,
                                      absl::string_view value,
                                      absl::string_view why) {
  ++quarantined_;
  if (quarantine_ == nullptr) return absl::OkStatus();
  return quarantine_->Append(absl::StrCat(
      family == Family::kRows ? "row " : "body ", absl::BytesToHexString(key),
      " ", absl::BytesToHexString(value), " ", absl::CHexEscape(why), "\n"));
}

}  // namespace corkscrew
