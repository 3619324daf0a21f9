#include "db/patch_preparation.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "corkscrew/limits.h"
#include "db/metadata_codec.h"
#include "db/record_limits.h"

namespace corkscrew {

absl::Status PatchPreparation::Run() {
  if (inputs_.empty()) {
    return absl::InvalidArgumentError("no items to patch");
  }
  if (inputs_.size() > kMaxPutRecords) {
    return absl::ResourceExhaustedError(
        absl::StrCat(inputs_.size(), " items in one patch, at most ",
                     kMaxPutRecords, " are allowed"));
  }
  prepared_.resize(inputs_.size());
  statuses_.resize(inputs_.size());
  set_.resize(inputs_.size());
  for (size_t i = 0; i < inputs_.size(); ++i) {
    prepared_[i].id = inputs_[i].id;
    prepared_[i].if_version = inputs_[i].if_version;
    prepared_[i].patch = &inputs_[i];
    bytes_ += inputs_[i].id.size();
    absl::Status status = CheckItem(i);
    if (status.ok()) continue;
    status = absl::Status(status.code(),
                          absl::StrCat("item ", i, ": ", status.message()));
    if (!options_.skip_invalid) return status;
    prepared_[i].invalid = true;
    statuses_[i] = std::move(status);
  }
  return absl::OkStatus();
}

absl::Status PatchPreparation::CheckItem(size_t i) {
  const PatchItem& item = inputs_[i];
  CORKSCREW_RETURN_IF_ERROR(CheckId(item.id));
  CORKSCREW_ASSIGN_OR_RETURN(set_[i], EncodeMetadata(item.set));
  for (const std::string& key : item.remove) {
    if (key.empty() || key.size() > kMaxMetadataBytes || !IsValidUtf8(key)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the key \"", absl::CHexEscape(key.substr(0, 64)),
                       "\" to remove is empty, too long or not valid UTF-8"));
    }
    if (item.set.contains(key)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the key \"", absl::CHexEscape(key.substr(0, 64)),
                       "\" is to be set and to be removed"));
    }
  }
  bytes_ += set_[i].size();
  return absl::OkStatus();
}

Hash16 PatchPreparation::request_hash() const {
  std::vector<RequestItem> items;
  items.reserve(inputs_.size());
  for (size_t i = 0; i < inputs_.size(); ++i) {
    items.push_back({.id = inputs_[i].id,
                     .metadata_bytes = set_[i].empty() ? nullptr : &set_[i],
                     .if_version = inputs_[i].if_version,
                     .patch = &inputs_[i]});
  }
  return RequestHash(RequestKind::kPatch, items);
}

}  // namespace corkscrew
