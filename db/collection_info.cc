#include "db/collection_info.h"

#include <memory>
#include <optional>

#include "absl/time/time.h"
#include "db/expiry.h"
#include "db/index.h"

namespace corkscrew {

CollectionInfo InfoOf(const CollectionState& collection, absl::Time now) {
  const CollectionRow& row = collection.row();
  CollectionInfo info;
  info.name = row.name;
  info.uuid = row.uuid;
  info.generation = row.generation;
  info.options = {.model = row.model,
                  .dim = row.descriptor.quantizer.dim,
                  .metric = row.descriptor.metric,
                  .bits = row.descriptor.quantizer.bits,
                  .originals = row.descriptor.originals,
                  .seed = row.descriptor.quantizer.seed,
                  .shards = row.descriptor.shards};
  info.space = row.descriptor.space;
  info.lamport = collection.published();
  info.floor = collection.moments.floor();
  if (const std::shared_ptr<Index> index = collection.index()) {
    const Filter unexpired =
        UnexpiredFilter(Filter::All(), absl::ToUnixMillis(now));
    info.records =
        index->Count(collection.expires ? &unexpired : nullptr, info.lamport);
  }
  return info;
}

CollectionStats StatsOf(const CollectionState& collection, absl::Time now) {
  CollectionStats stats;
  stats.info = InfoOf(collection, now);
  stats.versions = collection.versions;
  stats.tombstones = collection.tombstones;
  if (const std::shared_ptr<Index> index = collection.index()) {
    stats.index_bytes = index->index_bytes();
    stats.rescore_bytes = index->rescore_bytes();
  }
  return stats;
}

}  // namespace corkscrew
