#ifndef CORKSCREW_COLLECTION_H_
#define CORKSCREW_COLLECTION_H_

// A named set of versioned records with one vector space.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "corkscrew/filter.h"
#include "corkscrew/metric.h"
#include "corkscrew/record.h"
#include "corkscrew/search.h"

namespace corkscrew {

// What is kept of a vector beside its code. Part of the format.
enum class Originals {
  kFloat32 = 1,
  kBFloat16 = 2,   // Rounded to nearest even: half the bytes.
  kCodesOnly = 3,  // Nothing: searches are approximate, exact is refused.
};

// One constant, so that collections created apart can merge. Part of the
// format.
inline constexpr uint64_t kDefaultSeed = 0x636f726b73637277;

// How to create a collection. Fixed for its life.
struct CollectionOptions {
  // Name of the embedding model, or empty for a collection of bare vectors.
  std::string model = {};
  size_t dim = 0;  // Coordinates, 1..kMaxDim; 0 takes the model's.
  Metric metric = Metric::kCosine;
  int bits = 4;  // Bits per coordinate of a code, 1..8.
  Originals originals = Originals::kFloat32;
  uint64_t seed = kDefaultSeed;
  size_t shards = 1;  // Only 1 until clusters exist; others Unimplemented.
};

// A collection as it is.
struct CollectionInfo {
  std::string name = {};
  Uuid uuid = {};
  uint64_t generation = 0;  // Raised when a name is dropped and created again.
  CollectionOptions options = {};  // With dim resolved.
  std::string space = {};          // Embedding space; empty without a model.
  Lamport lamport = 0;             // Time of the last write.
  Lamport floor = 0;               // Moments below it can not be read.
  size_t records = 0;              // Live records now.
};

// When a write counts as done.
enum class Durability {
  kSync,     // After fsync. Survives power loss.
  kRelaxed,  // In the log, synced within 100 ms. Survives the death of the
             // process; a power loss may take the writes of those 100 ms, and
             // always the latest ones first. Never shipped before the sync.
};

// Which replicas must hold a write. Only kOne outside a cluster.
enum class Ack { kOne, kQuorum, kAll };

struct WriteOptions {
  // If not empty (<= kMaxRequestIdBytes, valid UTF-8): a retry with the same
  // request id within 24 hours writes nothing and answers as the first one did.
  // InvalidArgument if the same id comes with other content.
  std::string request_id = {};
  Durability durability = Durability::kSync;
  Ack ack = Ack::kOne;
  // Apply the valid records of a Put that has invalid ones, which are reported
  // in PutReply::items. Default: one bad record refuses the Put.
  bool skip_invalid = false;
  // Write nothing for a record whose current version has the same content.
  bool skip_unchanged = false;
  // If not empty, the embedding space that the given vectors were made in.
  // FailedPrecondition unless it is the collection's.
  std::string space = {};
};

struct CallOptions {
  // Past it the call ends with DeadlineExceeded. A local write that has been
  // queued is not given up any more.
  absl::Time deadline = absl::InfiniteFuture();
  // Asked now and then on the calling thread; true ends the call with
  // Cancelled. Null: never.
  std::function<bool()> cancelled = nullptr;
};

struct PutItem {
  RecordView record;
  // Write only if the record's current version is this one; Version{}: only if
  // there is no live record. Else Aborted, which names both versions.
  std::optional<Version> if_version = std::nullopt;
};

// A change of a record's metadata alone.
struct PatchItem {
  absl::string_view id = {};
  Metadata set = {};                     // Keys to set,
  std::vector<std::string> remove = {};  // and others to remove, if there.
  std::optional<Version> if_version = std::nullopt;  // As in PutItem.
};

struct PutOutcome {
  absl::Status status = absl::OkStatus();  // Not OK only with skip_invalid.
  Version version = {};                    // Zero if nothing was written.
  bool unchanged = false;  // Nothing written, see skip_unchanged.
  bool truncated = false;  // The text was longer than the model allows.
};

struct PutReply {
  Lamport lamport = 0;  // Of all records; the collection's time if none.
  std::vector<PutOutcome> items = {};  // [items], in the order given.
  bool replayed = false;  // This request id had been applied before.
};

struct DeleteReply {
  Lamport lamport = 0;  // Of the tombstones; the collection's time if none.
  std::vector<bool> deleted = {};  // [ids] false: there was no such record.
  bool replayed = false;
};

struct DeleteMatchingReply {
  Lamport lamport = 0;  // Of the last tombstones; the collection's time if
                        // none.
  size_t deleted = 0;
  bool replayed = false;
};

struct PurgeReply {
  Lamport lamport = 0;
  size_t purged = 0;  // Versions that were removed.
  // Snapshots and backups that this database knows of and that may still hold
  // what was purged: their paths.
  std::vector<std::string> untouched = {};
};

// A name for a moment. Versions alive at a tagged moment are never removed.
struct TagInfo {
  std::string name = {};
  Lamport lamport = 0;
  int64_t wall_ms = 0;  // When the tag was made; information only.
};

// Which old versions may be removed. One goes when a rule says so, unless it is
// current or alive at a tagged moment. Tombstones and the facts that merging
// needs are always kept (docs/storage_format.md).
struct Retention {
  size_t keep_versions = 0;  // Newest versions of each record; 0: all.
  // Versions that were current within this time.
  absl::Duration keep_for = absl::InfiniteDuration();

  friend bool operator==(const Retention&, const Retention&) = default;
};

struct RetentionReply {
  size_t removed = 0;  // Versions whose bodies were removed.
  Lamport floor = 0;   // Moments below it can not be read any more.
};

struct ListOptions {
  Filter filter = {};
  std::optional<Moment> at = std::nullopt;  // Ignored with a page token.
  Fields fields = {};
  // Also records that were deleted at that moment, as tombstones, and expired
  // ones, as they were; a tombstone has no metadata for the filter. Must be the
  // same for all pages.
  bool include_deleted = false;
  size_t page_size = 100;  // 1..kMaxPageSize.
  // From the reply before; empty starts. Tokens hold the moment of the first
  // page, so that writes do not shift pages. Opaque.
  std::string page_token = {};
};

struct ListReply {
  std::vector<StoredRecord> records = {};  // By id, ascending bytes.
  std::string next_page_token = {};        // Empty on the last page.
  Lamport at = 0;
};

struct HistoryOptions {
  Fields fields = {};
  size_t page_size = 100;  // 1..kMaxPageSize.
  std::string page_token = {};
};

struct HistoryReply {
  std::vector<StoredRecord> versions = {};  // Newest first, tombstones too.
  std::string next_page_token = {};
};

struct CollectionStats {
  CollectionInfo info = {};
  size_t versions = 0;    // Held, live ones and tombstones included.
  size_t tombstones = 0;  // Records whose current version is a tombstone.
  // Codes, scalars, ids and metadata, and the rescore column: in
  // memory or mapped files.
  size_t index_bytes = 0;
  size_t rescore_bytes = 0;
};

// A collection. Thread-safe. May outlive the closing of its database or its
// own dropping; calls then fail with FailedPrecondition or NotFound.
//
// Errors of every call, beside those listed:
//   FailedPrecondition  the database is closed
//   NotFound            the collection was dropped
//   DeadlineExceeded, Cancelled  see CallOptions
//   Unimplemented       a field whose work comes later is set
//   DataLoss            stored data fails its checksum; names the key
//   Unavailable, Unauthenticated  remote only: no connection, wrong token
// Errors name the collection, the index of the item and both values.
class Collection {
 public:
  virtual ~Collection() = default;

  virtual const std::string& name() const = 0;

  virtual absl::StatusOr<CollectionInfo> Info(
      const CallOptions& call = {}) const = 0;

  // Writes a new version of each record: all of them or none, durable and
  // searchable when this returns. Records without a vector are embedded from
  // their text; with both, the vector is taken as the text's. The same id may
  // occur twice: the later one wins.
  //   InvalidArgument     no items, an id, text, metadata or vector outside the
  //                       limits (limits.h), NaN or infinity, a length above
  //                       2^60 or, under cosine, below 2^-60, neither text nor
  //                       vector; names the index
  //   FailedPrecondition  text without a model or another embedding space;
  //                       the database stopped writes after an I/O error
  //   ResourceExhausted   more than kMaxPutRecords or kMaxPutBytes
  //   Aborted             PutItem::if_version is not the current version; names
  //                       both
  //   Unknown             the log could not be synced: the write may or may not
  //                       be there after reopening
  virtual absl::StatusOr<PutReply> Put(absl::Span<const PutItem> items,
                                       const WriteOptions& options = {},
                                       const CallOptions& call = {}) = 0;

  // Writes a tombstone for each id that has a live record. Others are reported,
  // not errors. Errors as Put(); `ids` may be at most kMaxPutRecords.
  virtual absl::StatusOr<DeleteReply> Delete(
      absl::Span<const absl::string_view> ids, const WriteOptions& options = {},
      const CallOptions& call = {}) = 0;

  // Writes a tombstone for each live record that matches now, in writes of at
  // most kMaxPutRecords, each of them all or nothing. A record that changed
  // meanwhile is deleted only if it still matches. A retry with the same
  // request id goes on where the first call was cut off. Errors as Put(), and
  //   InvalidArgument  a malformed filter, or an empty one: deleting
  //                    everything is DropCollection()
  virtual absl::StatusOr<DeleteMatchingReply> DeleteMatching(
      const Filter& filter, const WriteOptions& options = {},
      const CallOptions& call = {}) = 0;

  // Writes a new version of each record with changed metadata; text, vector and
  // expiry stay. What is changed is the version that is current when the write
  // is decided, so that no other write gets lost. Errors as Put(), and
  //   InvalidArgument  a key both to set and to remove, or the metadata would
  //                    leave its limits
  //   NotFound         no live record with this id; names the index
  virtual absl::StatusOr<PutReply> Patch(absl::Span<const PatchItem> items,
                                         const WriteOptions& options = {},
                                         const CallOptions& call = {}) = 0;

  // Removes every version of these records for good: when this returns, no file
  // of the database holds their text, metadata or vector any more, and such
  // versions are never accepted again from anywhere. Slow: files are rewritten.
  // At most kMaxPutRecords ids. Errors as Put().
  virtual absl::StatusOr<PurgeReply> Purge(
      absl::Span<const absl::string_view> ids,
      const CallOptions& call = {}) = 0;

  // Names the moment `at` (unset: now). Names follow the rules of collection
  // names.
  //   AlreadyExists    the name is taken by another moment
  //   InvalidArgument  the name, or a moment beyond the clock
  //   OutOfRange       a moment below the retention floor
  virtual absl::StatusOr<TagInfo> CreateTag(
      absl::string_view tag, std::optional<Moment> at = std::nullopt,
      const CallOptions& call = {}) = 0;

  // Forgets a tag; its versions may then be removed by retention.
  //   NotFound  no such tag
  virtual absl::Status DeleteTag(absl::string_view tag,
                                 const CallOptions& call = {}) = 0;

  // Returns all tags by name.
  virtual absl::StatusOr<std::vector<TagInfo>> ListTags(
      const CallOptions& call = {}) const = 0;

  // Sets the rules that a database applies now and then in the background, and
  // at ApplyRetention(). Default: everything is kept.
  virtual absl::Status SetRetention(const Retention& retention,
                                    const CallOptions& call = {}) = 0;

  virtual absl::StatusOr<Retention> GetRetention(
      const CallOptions& call = {}) const = 0;

  // Removes now what the rules allow to remove.
  virtual absl::StatusOr<RetentionReply> ApplyRetention(
      const CallOptions& call = {}) = 0;

  // Returns the records with these ids, nullopt where there is none at that
  // moment.
  //   InvalidArgument    an id outside the limits
  //   ResourceExhausted  more than kMaxGetIds ids
  virtual absl::StatusOr<std::vector<std::optional<StoredRecord>>> Get(
      absl::Span<const absl::string_view> ids, const Fields& fields = {},
      std::optional<Moment> at = std::nullopt,
      const CallOptions& call = {}) const = 0;

  // Returns the query.k nearest records that match.
  //   InvalidArgument     k = 0, empty text, wrong dim, NaN or infinity, a
  //                       length above 2^60 or, under cosine, below 2^-60,
  //                       oversample out of range, a filter too deep or
  //                       malformed
  //   FailedPrecondition  text without a model or another embedding space;
  //                       exact with Originals::kCodesOnly
  //   NotFound            Like(id): no such record at that moment
  //   ResourceExhausted   k > kMaxK
  virtual absl::StatusOr<SearchReply> Search(
      const Query& query, const CallOptions& call = {}) const = 0;

  // As many Search() calls at one moment; errors name the index of the query.
  //   ResourceExhausted  more than kMaxBatchQueries queries
  virtual absl::StatusOr<std::vector<SearchReply>> SearchBatch(
      absl::Span<const Query> queries, const CallOptions& call = {}) const = 0;

  // Returns the versions of one record, newest first; none is an empty list.
  //   InvalidArgument  an id outside the limits, page_size, a bad token
  virtual absl::StatusOr<HistoryReply> History(
      absl::string_view id, const HistoryOptions& options = {},
      const CallOptions& call = {}) const = 0;

  // Returns live records by id, in pages; others only if asked for.
  //   InvalidArgument  page_size, a bad or foreign token, a malformed filter
  virtual absl::StatusOr<ListReply> List(
      const ListOptions& options = {}, const CallOptions& call = {}) const = 0;

  // Returns the number of live records that match at that moment.
  virtual absl::StatusOr<size_t> Count(const Filter& filter = {},
                                       std::optional<Moment> at = std::nullopt,
                                       const CallOptions& call = {}) const = 0;

  virtual absl::StatusOr<CollectionStats> Stats(
      const CallOptions& call = {}) const = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_COLLECTION_H_
