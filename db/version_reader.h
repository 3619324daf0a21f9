#ifndef CORKSCREW_DB_VERSION_READER_H_
#define CORKSCREW_DB_VERSION_READER_H_

// Reads versions of records from the body family: as of a moment, in history,
// by id.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/record.h"
#include "db/body.h"
#include "db/collection_state.h"
#include "db/index.h"
#include "db/origin_table.h"
#include "db/store.h"

namespace corkscrew {

// A version as read; `body` borrows `value`.
struct StoredVersion {
  BodyKey key = {};
  Version version = {};
  std::string value = {};
  Body body = {};

  StoredVersion() = default;
  StoredVersion(const StoredVersion&) = delete;
  StoredVersion& operator=(const StoredVersion&) = delete;
};

// Over one collection; borrows everything. Single-threaded, but cheap to make.
class VersionReader {
 public:
  VersionReader(const Store& store, const OriginTable& origins,
                const CollectionState& collection);

  // The version of `id` at the moment `at`, which may be a tombstone; null if
  // there is none.
  absl::StatusOr<std::unique_ptr<StoredVersion>> ReadAt(absl::string_view id,
                                                        Lamport at);

  // Calls `visit` with versions of `id`, newest first, from `from` (inclusive)
  // on, until it returns false.
  absl::Status VisitHistory(
      absl::string_view id, Lamport from,
      absl::FunctionRef<bool(const StoredVersion&)> visit);

  // Calls `visit` with the version at `at` of each record that has one, by id,
  // for ids larger than `after` (all if empty), until it returns false.
  absl::Status VisitRecords(
      absl::string_view after, Lamport at,
      absl::FunctionRef<absl::StatusOr<bool>(const StoredVersion&)> visit);

  // Fills `record` with the parts of `version` that `fields` names.
  absl::Status Fill(const StoredVersion& version, const Fields& fields,
                    StoredRecord* record) const;

  // Reads bodies by key, in any order; calls visit(i, body). A missing body is
  // DataLoss.
  absl::Status ReadBodies(
      absl::Span<const BodyKey> keys,
      absl::FunctionRef<absl::Status(size_t, const Body&)> visit) const;

  // The vector of a body: the original, or what its code stands for.
  absl::Status ReadVector(const Body& body, std::vector<float>* vector) const;

  // DataLoss that names a row of the body family.
  absl::Status Damaged(absl::string_view key, const absl::Status& why) const;

  // The global identity of a version.
  absl::StatusOr<Version> VersionOf(const BodyKey& key) const;

 private:
  // Reads the rows of equal Lamport time at the iterator, leaves it behind
  // them, and returns them in merge order, the largest first.
  absl::StatusOr<std::vector<std::unique_ptr<StoredVersion>>> ReadEqual(
      absl::string_view prefix);
  absl::StatusOr<std::unique_ptr<StoredVersion>> ReadRow();
  RowIterator& iterator();

  const Store& store_;
  const OriginTable& origins_;
  const CollectionState& collection_;
  std::unique_ptr<RowIterator> iterator_;  // Made when needed.
};

// Reads originals for the index.
class StoreOriginals : public OriginalReader {
 public:
  StoreOriginals(const Store& store, const OriginTable& origins,
                 const CollectionState& collection)
      : reader_(store, origins, collection) {}

  absl::Status ReadOriginals(absl::Span<const BodyKey> bodies,
                             absl::Span<float> vectors) const override;

 private:
  const VersionReader reader_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_VERSION_READER_H_
