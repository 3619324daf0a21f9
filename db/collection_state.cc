#include "db/collection_state.h"

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"

namespace corkscrew {

absl::Status CollectionState::CheckDamage(Lamport at) const {
  if (damaged_ == 0) return absl::OkStatus();
  MutexLock lock(&mutex_);
  for (const DamagedVersion& damage : damage_) {
    if (at < damage.born || at >= damage.died) continue;
    return absl::DataLossError(absl::StrCat(
        "the version of \"", absl::CHexEscape(damage.id), "\" at Lamport time ",
        damage.born, " is damaged (body ", absl::BytesToHexString(damage.key),
        "), so what is alive at ", at,
        " is not known; put or delete that record to search later moments, or "
        "restore a backup"));
  }
  return absl::OkStatus();
}

}  // namespace corkscrew
