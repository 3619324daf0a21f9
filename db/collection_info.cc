#include "db/collection_info.h"

#include <memory>
#include <optional>

#include "db/index.h"

namespace corkscrew {

CollectionInfo InfoOf(const CollectionState& collection) {
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
  if (const std::shared_ptr<Index> index = collection.index()) {
    info.records = index->Count(nullptr, info.lamport);
  }
  return info;
}

CollectionStats StatsOf(const CollectionState& collection) {
  CollectionStats stats;
  stats.info = InfoOf(collection);
  stats.versions = collection.versions;
  stats.tombstones = collection.tombstones;
  if (const std::shared_ptr<Index> index = collection.index()) {
    stats.index_bytes = index->index_bytes();
    stats.rescore_bytes = index->rescore_bytes();
  }
  return stats;
}

}  // namespace corkscrew
