#ifndef CORKSCREW_DB_LOG_SEGMENT_H_
#define CORKSCREW_DB_LOG_SEGMENT_H_

// Sealed segments of a collection's log: ops in feed order with what they
// wrote, and nothing that only this database understands
// (docs/storage_format.md, "Stores of logs").

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/record.h"
#include "db/body.h"
#include "db/descriptor.h"
#include "db/op.h"
#include "db/rows.h"

namespace corkscrew {

// What a segment says of itself.
struct LogSegmentHead {
  Uuid database = {};
  Origin life = {};  // In which it was sealed.
  Uuid collection = {};
  uint64_t generation = 1;
  std::string name = {};
  std::string model = {};
  Descriptor descriptor = {};
  uint64_t lineage = 1;
  // Feed positions, both inclusive. It has all ops of them; there is one at
  // `last`.
  uint64_t first = 1;
  uint64_t last = 1;
  uint32_t ops = 0;
  Hash16 before = {};     // Of the op that the one before ends with; 0: first.
  Hash16 last_hash = {};  // Of the op at `last`.

  friend bool operator==(const LogSegmentHead&,
                         const LogSegmentHead&) = default;
};

// An op with what it wrote. Borrows its parts.
struct LoggedOp {
  uint64_t position = 0;  // In the feed.
  uint16_t shard = 0;
  Origin origin = {};
  uint64_t seq = 0;
  Op op = {};
  // Of a put whose body is there.
  VectorForm form = VectorForm::kNone;
  absl::string_view vector = {};
  absl::string_view metadata = {};
  absl::string_view text = {};

  bool has_content() const {
    return op.kind == OpKind::kPut && !op.body_dropped;
  }
  Version version() const {
    return {op.lamport, origin.replica, origin.incarnation, seq};
  }
};

// The content hash that `op` must have.
Hash16 HashOf(const Uuid& collection, const LoggedOp& op);

// Puts a segment together. Single-threaded.
class LogSegmentBuilder {
 public:
  void Add(const LoggedOp& op);

  uint32_t ops() const { return ops_; }
  size_t bytes() const { return blocks_.size() + block_.size(); }

  // The segment; `head` but for `ops`, `last` and `last_hash`, which are filled
  // in. There must have been an op. Leaves the builder empty.
  std::string Finish(LogSegmentHead* head);

 private:
  void CloseBlock();

  std::string blocks_;
  std::string block_;  // The one that grows.
  uint32_t ops_ = 0;
  uint64_t last_ = 0;
  Hash16 last_hash_ = {};
};

// The head of a segment, of which only the head is checked.
//   DataLoss            damaged, or not one
//   FailedPrecondition  of a form that this build does not know
absl::StatusOr<LogSegmentHead> DecodeLogSegmentHead(absl::string_view bytes);

// Checks all of a segment, then calls `visit` with its ops in order until it
// fails. Errors as above; DataLoss names the place.
absl::StatusOr<LogSegmentHead> DecodeLogSegment(
    absl::string_view bytes,
    absl::FunctionRef<absl::Status(const LoggedOp&)> visit);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_LOG_SEGMENT_H_
