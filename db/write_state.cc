#include "db/write_state.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

WriteState::Snapshot WriteState::snapshot() const {
  MutexLock lock(&mutex_);
  return now_;
}

absl::Status WriteState::Check() const {
  const Snapshot now = snapshot();
  switch (now.state) {
    case DbState::kFailed:
      return absl::FailedPreconditionError(
          absl::StrCat("the database stopped writes after an error (",
                       now.reason, "); close it and open it again"));
    case DbState::kLowSpace:
      return absl::ResourceExhaustedError(now.reason);
    default:
      return absl::OkStatus();
  }
}

void WriteState::Fail(absl::string_view reason) {
  MutexLock lock(&mutex_);
  if (now_.state == DbState::kFailed) return;
  now_ = {DbState::kFailed, std::string(reason)};
}

void WriteState::SetLowSpace(absl::string_view reason) {
  MutexLock lock(&mutex_);
  if (now_.state == DbState::kFailed) return;
  now_ = {DbState::kLowSpace, std::string(reason)};
}

void WriteState::ClearLowSpace() {
  MutexLock lock(&mutex_);
  if (now_.state == DbState::kLowSpace) now_ = {};
}

}  // namespace corkscrew
