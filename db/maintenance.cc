#include "db/maintenance.h"

#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "db/aliases.h"
#include "db/call_end.h"
#include "db/engine.h"
#include "db/expiry.h"
#include "db/purge.h"
#include "db/retention.h"
#include "db/tags.h"

namespace corkscrew {
namespace {

constexpr auto kWakeEvery = std::chrono::seconds(10);

// A pass reads every version of its collection.
constexpr absl::Duration kApplyEvery = absl::Minutes(10);

// Versions read in one step.
constexpr size_t kStepRows = 1024;

// Records deleted at once when their time is over.
constexpr size_t kExpireAtOnce = 256;

}  // namespace

absl::Status LoadHistory(const Store& store, const OriginTable& origins,
                         CollectionRegistry* registry) {
  CORKSCREW_RETURN_IF_ERROR(LoadAliases(store, origins, registry));
  CORKSCREW_RETURN_IF_ERROR(LoadTags(store, origins, registry));
  CORKSCREW_RETURN_IF_ERROR(LoadRetention(store, registry));
  return LoadExpiry(store, registry);
}

void Maintenance::Start() {
  MutexLock lock(&mutex_);
  if (stopping_) return;
  thread_ = std::thread([this] {
    while (true) {
      {
        MutexLock wait(&mutex_);
        const auto until = std::chrono::system_clock::now() + kWakeEvery;
        while (!stopping_ && wake_.WaitUntil(&mutex_, until)) {
        }
        if (stopping_) return;
      }
      RunOnce();
    }
  });
}

void Maintenance::Stop() {
  std::thread thread;
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    thread = std::move(thread_);
  }
  wake_.NotifyAll();
  if (thread.joinable()) thread.join();
}

bool Maintenance::RetentionIsDue(const CollectionState& state) const {
  const Retention rules = state.moments.retention();
  if (rules == Retention{}) return false;
  const auto found = applied_.find(state.row().uuid);
  if (found == applied_.end()) return true;
  const Applied& last = found->second;
  const absl::Time now = engine_.now();
  if (now >= last.time && now < last.time + kApplyEvery) return false;
  return rules.keep_for != absl::InfiniteDuration() ||
         state.published() != last.published;
}

void Maintenance::RunOnce() {
  for (const auto& state : engine_.registry().All()) {
    if (stopping()) return;
    MutexLock turn(&turn_);
    if (state->purge_pending) {
      const CallOptions until_closed{
          .cancelled = [this] { return stopping(); }};
      corkscrew::Purge(engine_, state).Resume(until_closed).IgnoreError();
    }
    while (state->expires && !stopping()) {
      const absl::StatusOr<size_t> seen =
          DeleteExpired(engine_, state, kExpireAtOnce);
      if (!seen.ok() || *seen < kExpireAtOnce) break;
    }
    if (!RetentionIsDue(*state)) continue;
    applied_[state->row().uuid] = {engine_.now(), state->published()};
    RetentionPass pass(engine_, state);
    while (!stopping()) {
      const absl::StatusOr<bool> done = pass.Step(kStepRows);
      if (!done.ok() || *done) break;
    }
  }
}

absl::StatusOr<PurgeReply> Maintenance::Purge(
    const std::shared_ptr<CollectionState>& state,
    absl::Span<const absl::string_view> ids, const CallOptions& call) {
  MutexLock turn(&turn_);
  CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
  return corkscrew::Purge(engine_, state).Run(ids, call);
}

absl::StatusOr<RetentionReply> Maintenance::ApplyRetention(
    const std::shared_ptr<CollectionState>& state, const CallOptions& call) {
  MutexLock turn(&turn_);
  RetentionPass pass(engine_, state);
  while (true) {
    CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
    CORKSCREW_ASSIGN_OR_RETURN(const bool done, pass.Step(kStepRows));
    if (done) return pass.reply();
  }
}

}  // namespace corkscrew
