#ifndef CORKSCREW_DB_INDEX_H_
#define CORKSCREW_DB_INDEX_H_

// The searchable state of one collection: every version of every record as a
// slot that is alive for Lamport times [born, died). A cache: it can always be
// rebuilt from the store.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/filter.h"
#include "corkscrew/metadata.h"
#include "corkscrew/metric.h"
#include "corkscrew/quantizer.h"
#include "corkscrew/record.h"
#include "db/forgotten_records.h"

namespace corkscrew {

// Where the body of a version is in the store (storage_format.md, "hist").
struct BodyKey {
  uint16_t shard = 0;
  std::string id = {};
  Lamport lamport = 0;
  uint32_t origin = 0;  // Local origin number.
  uint64_t seq = 0;
};

// Reads stored vectors. Thread-safe.
class OriginalReader {
 public:
  virtual ~OriginalReader() = default;
  // Writes the original of bodies[i] to row i of `vectors` [bodies, dim].
  // DataLoss if one is missing or damaged.
  virtual absl::Status ReadOriginals(absl::Span<const BodyKey> bodies,
                                     absl::Span<float> vectors) const = 0;
};

struct IndexOptions {
  QuantizerParams quantizer = {};
  Metric metric = Metric::kCosine;
  bool rescore_column = true;  // False with Originals::kCodesOnly.
  size_t threads = 1;          // Most threads one search may use.
  size_t seal_slots = 0;  // Blocks end at the first Publish() with this many
                          // slots,
  uint64_t seal_ops = 0;  // or so many feed positions after the one before; 0,
                          // both: there is one block.
  // Called when a block was sealed. Must not use the index.
  std::function<void()> on_seal = nullptr;
};

// A version to add. Borrows.
struct IndexEntry {
  const BodyKey* body = nullptr;
  // Null: a tombstone, which only ends its predecessor's life.
  const Metadata* metadata = nullptr;
  absl::Span<const uint8_t> code = {};  // [code_bytes()], canonical.
  CodeScalars scalars = {};
  absl::Span<const float> original = {};  // [dim]; empty without the column.
};

struct IndexQuery {
  absl::Span<const float> vector = {};  // [dim], validated.
  size_t k = 10;
  float oversample = 4;
  bool exact = false;
  const Filter* filter = nullptr;            // Validated; null matches all.
  std::optional<Lamport> at = std::nullopt;  // Unset: the published time.
  std::optional<float> min_score = std::nullopt;
  absl::string_view exclude_id = {};  // Never among the hits; empty: none.
};

struct IndexHit {
  BodyKey body = {};
  float score = 0;
};

class IndexBlocks;

// One writer at a time (Add, Publish); any number of concurrent readers, which
// never wait for it and see whole Puts only: what has been published. Slots lie
// in blocks, of which the last one grows.
class Index {
 public:
  //   InvalidArgument  a quantizer parameter outside its range, or mode kIp
  //   with
  //                    kCosine, which have no score (spec 2.14)
  static absl::StatusOr<std::unique_ptr<Index>> Create(
      const IndexOptions& options);
  ~Index();

  const Quantizer& quantizer() const;

  // Adds a version that wins over all versions of its id added before (the
  // caller applies in merge order per id), born at its body's Lamport time. Not
  // visible until Publish(), if that time is after the published one. At most
  // 2^32 - 1 versions that are not tombstones.
  void Add(const IndexEntry& entry);

  // Between Hold() and Publish(), or Release() if nothing will be published any
  // more, what was added stays out of files.
  void Hold();
  void Release();

  // Hides versions at every moment. At once; the caller has ended the life of
  // the last one of each of these records.
  void Forget(absl::Span<const Forgotten> records);
  // What is hidden so; null if nothing is.
  std::shared_ptr<const ForgottenRecords::Table> forgotten() const;

  // Makes everything added so far visible to searches at `now` and later.
  // `feed` is the position of the last one in the feed. Neither ever goes back.
  void Publish(Lamport now, uint64_t feed = 0);
  Lamport published() const;

  // For loading and for writing segments (index_load.h, index_files.h).
  IndexBlocks& blocks() const;

  // Returns the hits of each query, best first, ties by id. Equal for any
  // number of threads, any order in which ids were added, and however the slots
  // lie in blocks.
  // Stages (design 6): all alive slots that pass the filter by code score, the
  // best ceil(oversample * k) (of equal scores, ids decide) by the rescore
  // column, of which k are returned with their scores there: those of 2.15 with
  // the rounded vector. Without a rescore column the code scores decide.
  // `exact`: every alive slot by the rescore column, then originals wherever
  // the bounds of rescore.h leave the k best open; scores are those of
  // originals.
  //   InvalidArgument     a vector has another dimension
  //   FailedPrecondition  `exact` without the rescore column
  //   Cancelled           `cancelled` (may be null) returned true
  //   errors of `originals`
  absl::StatusOr<std::vector<std::vector<IndexHit>>> Search(
      absl::Span<const IndexQuery> queries, const OriginalReader& originals,
      const std::function<bool()>& cancelled) const;

  // Number of alive slots that match at `at` (unset: the published time). O(1)
  // at the published time without a filter, else O(slots).
  size_t Count(const Filter* filter, std::optional<Lamport> at) const;

  size_t slots() const;
  size_t index_bytes() const;  // Memory of everything but the next.
  size_t rescore_bytes() const;
  // The same, without what is in mapped files, which the system keeps in memory
  // while it has some to spare; and that.
  struct Memory {
    size_t index = 0;
    size_t rescore = 0;
    size_t mapped = 0;
  };
  Memory memory() const;

 private:
  struct Rep;
  explicit Index(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_INDEX_H_
