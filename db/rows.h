#ifndef CORKSCREW_DB_ROWS_H_
#define CORKSCREW_DB_ROWS_H_

// Values of the small rows (docs/storage_format.md, "Rows"). Every reader
// returns DataLoss for bytes that its writer can not have written.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/record.h"
#include "db/descriptor.h"

namespace corkscrew {

// m format: which builds may open the database.
struct FormatRow {
  uint32_t version = 0;
  uint64_t compat = 0;     // Unknown features: read and write anyway,
  uint64_t read_only = 0;  // read only,
  uint64_t required = 0;   // do not open.

  friend bool operator==(const FormatRow&, const FormatRow&) = default;
};

// m open: how the database was opened last. Written at every open.
struct OpenRow {
  bool clean = false;            // Closed since.
  std::string boot_id = {};      // Of the system then; at most 255 bytes.
  uint64_t marker_inode = 0;     // Of the file OPEN, made anew at every open,
  uint64_t marker_birth_ns = 0;  // and its birth time (0: not known).

  friend bool operator==(const OpenRow&, const OpenRow&) = default;
};

// a: one uninterrupted life of one database directory.
struct Origin {
  Uuid replica = {};
  uint64_t incarnation = 0;

  friend auto operator<=>(const Origin&, const Origin&) = default;
};

enum class LiveState : uint8_t { kLive = 1, kDropped = 2 };

// c: a collection.
struct CollectionRow {
  LiveState state = LiveState::kLive;
  Uuid uuid = {};
  uint64_t generation = 1;
  std::string name = {};
  std::string model = {};
  Descriptor descriptor = {};

  friend bool operator==(const CollectionRow&, const CollectionRow&) = default;
};

// k: the clock, and counts that opening would else have to take.
struct ClockRow {
  Lamport lamport = 0;
  Lamport floor = 0;        // Moments below it are not kept.
  uint64_t versions = 0;    // Bodies held.
  uint64_t tombstones = 0;  // Records whose current version is a tombstone.

  friend bool operator==(const ClockRow&, const ClockRow&) = default;
};

// f: one op in local apply order.
struct FeedRow {
  uint16_t shard = 0;
  uint32_t origin = 0;
  uint64_t seq = 0;

  friend bool operator==(const FeedRow&, const FeedRow&) = default;
};

// h: the current version of a record.
struct HeadRow {
  Lamport lamport = 0;
  uint32_t origin = 0;
  uint64_t seq = 0;
  bool tombstone = false;
  uint64_t feed = 0;  // Its local_seq.
  Hash16 content_hash = {};

  friend bool operator==(const HeadRow&, const HeadRow&) = default;
};

// What a request did with one of its items.
enum class ItemOutcome : uint8_t {
  kWritten = 0,           // Put: a version; delete: a tombstone.
  kWrittenTruncated = 1,  // Likewise, and the text was longer than the model's
                          // limit.
  kUnchanged = 2,         // Put: skip_unchanged.
  kUnchangedTruncated = 3,
  kInvalid = 4,  // Put: skip_invalid.
  kMissing = 5,  // Delete: there was no such record.
};

// What a delete by filter did so far, in one or more writes.
struct MatchedRun {
  bool done = false;     // All that matched are deleted.
  uint64_t deleted = 0;  // By all its writes.

  friend bool operator==(const MatchedRun&, const MatchedRun&) = default;
};

// i: a request that was applied.
struct RequestRow {
  Hash16 request_hash = {};
  int64_t wall_ms = 0;
  Lamport lamport = 0;
  uint32_t origin = 0;
  uint64_t first_seq = 0;  // Of the ops written, which are consecutive.
  std::vector<ItemOutcome> items = {};
  std::optional<MatchedRun> matched = std::nullopt;  // Then there are no items.

  friend bool operator==(const RequestRow&, const RequestRow&) = default;
};

std::string Encode(const FormatRow& row);
std::string Encode(const OpenRow& row);
std::string Encode(const Origin& row);
std::string Encode(const CollectionRow& row);
std::string Encode(const ClockRow& row);
std::string Encode(const FeedRow& row);
std::string Encode(const HeadRow& row);
std::string Encode(const RequestRow& row);
std::string EncodeU32(uint32_t value);
std::string EncodeU64(uint64_t value);
std::string EncodeUuid(const Uuid& uuid);

absl::StatusOr<FormatRow> DecodeFormatRow(absl::string_view bytes);
absl::StatusOr<OpenRow> DecodeOpenRow(absl::string_view bytes);
absl::StatusOr<Origin> DecodeOriginRow(absl::string_view bytes);
absl::StatusOr<CollectionRow> DecodeCollectionRow(absl::string_view bytes);
absl::StatusOr<ClockRow> DecodeClockRow(absl::string_view bytes);
absl::StatusOr<FeedRow> DecodeFeedRow(absl::string_view bytes);
absl::StatusOr<HeadRow> DecodeHeadRow(absl::string_view bytes);
absl::StatusOr<RequestRow> DecodeRequestRow(absl::string_view bytes);
absl::StatusOr<uint32_t> DecodeU32(absl::string_view bytes);
absl::StatusOr<uint64_t> DecodeU64(absl::string_view bytes);
absl::StatusOr<Uuid> DecodeUuid(absl::string_view bytes);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_ROWS_H_
