#ifndef CORKSCREW_DB_MOMENTS_H_
#define CORKSCREW_DB_MOMENTS_H_

// From what a caller calls a moment to what a read needs (docs/
// storage_format.md, "Moments").

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "corkscrew/record.h"
#include "db/body.h"
#include "db/collection_state.h"
#include "db/op.h"
#include "db/store.h"

namespace corkscrew {

// The moment of one read.
struct ReadMoment {
  Lamport at = 0;
  // Records that expire at this wall time (ms since 1970) or before are hidden:
  // the clock for now, the recorded time of writing for an earlier moment.
  int64_t wall_ms = 0;
};

// Whether a version that is the newest at `moment` is a live record then.
inline bool IsLive(const Body& body, const ReadMoment& moment) {
  return body.kind == OpKind::kPut &&
         (body.expires_ms == 0 ||
          moment.wall_ms < static_cast<int64_t>(body.expires_ms));
}

// Resolves the moments of one call: `now` and `clock` are read once, so that
// all its reads agree. Borrows everything. Thread-compatible.
class MomentResolver {
 public:
  // `now` is the published Lamport time, `clock` the wall time.
  MomentResolver(const Store& store, const CollectionState& collection,
                 Lamport now, absl::Time clock)
      : store_(store), collection_(collection), now_(now), clock_(clock) {}

  // Unset and what is beyond the clock are now.
  //   NotFound    no such tag
  //   OutOfRange  below the retention floor, and not a tagged moment
  //   DataLoss    a damaged row of times
  absl::StatusOr<ReadMoment> Resolve(const std::optional<Moment>& at) const;

  // OutOfRange unless the moment can be read. Asked again with what a page
  // token says.
  absl::Status CheckRetained(Lamport at) const;

  Lamport now() const { return now_; }

  // The last write applied in the second of `time` or before.
  absl::StatusOr<Lamport> AppliedAt(absl::Time time) const;

 private:
  // When the last write up to `at` was applied, to the second; 0 before the
  // first write.
  absl::StatusOr<int64_t> WallOf(Lamport at) const;

  const Store& store_;
  const CollectionState& collection_;
  const Lamport now_;
  const absl::Time clock_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_MOMENTS_H_
