#ifndef CORKSCREW_DB_INDEX_REBUILD_H_
#define CORKSCREW_DB_INDEX_REBUILD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "corkscrew/metadata.h"
#include "corkscrew/quantizer.h"
#include "db/collection_state.h"
#include "db/index.h"
#include "db/origin_table.h"
#include "db/segment.h"
#include "db/store.h"
#include "db/version_reader.h"

namespace corkscrew {

// A row of the body family, and what the index takes of it.
struct IndexRow {
  std::string key;
  std::string value;
  BodyKey body_key = {};
  Version version = {};
  bool damaged = false;  // Its place is known, its body can not be read.
  bool held = false;     // A segment has it: nothing but its version is read.
  bool tombstone = false;
  Metadata metadata = {};
  std::vector<uint8_t> code = {};
  CodeScalars scalars = {};
  std::vector<float> original = {};

  // Borrows.
  IndexEntry Entry() const {
    if (tombstone || damaged || held) return {.body = &body_key};
    return {.body = &body_key,
            .metadata = &metadata,
            .code = code,
            .scalars = scalars,
            .original = original};
  }
};

// Fills `row` from its key and value. Thread-safe.
//   DataLoss  the body is damaged, or newer than the clock; names its key
absl::Status DecodeIndexRow(const VersionReader& reader,
                            const CollectionState& collection,
                            const Quantizer& quantizer, IndexRow* row);

// Fills the empty index of `collection` with `segments`, whose lives have ended
// where they did, and from the bodies of all versions that these do not hold,
// with `threads` threads; publishes it at the collection's clock, and counts
// versions and tombstones. A damaged body is left out and added to the
// collection's damage.
//   DataLoss  a body is newer than the clock, or a table can not be read
absl::Status RebuildIndex(const Store& store, const OriginTable& origins,
                          size_t threads,
                          std::vector<std::shared_ptr<Segment>> segments,
                          CollectionState* collection);

// Adds the versions behind position `after` of the feed to the index of
// `collection`, without publishing them. *last is the position reached. What an
// error leaves in the index is seen by nobody: a position is never added twice.
//   DataLoss  a row or body is damaged or missing; names its key
absl::Status IndexFeed(const Store& store, const OriginTable& origins,
                       uint64_t after, CollectionState* collection,
                       uint64_t* last);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_INDEX_REBUILD_H_
