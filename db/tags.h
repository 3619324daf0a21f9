#ifndef CORKSCREW_DB_TAGS_H_
#define CORKSCREW_DB_TAGS_H_

// Tags: names of moments, kept as records of the system collection
// (docs/storage_format.md, "System collection").

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/collection.h"
#include "corkscrew/metadata.h"
#include "corkscrew/record.h"
#include "db/collection_registry.h"
#include "db/collection_state.h"
#include "db/engine.h"
#include "db/origin_table.h"
#include "db/store.h"

namespace corkscrew {

// The id and the metadata of the record of a tag.
std::string TagRecordId(const Uuid& collection, absl::string_view tag);
Metadata TagRecordMetadata(const Uuid& collection, const TagInfo& tag);

// Gives the collections in `registry` their tags.
//   DataLoss  a record of a tag is damaged; names it
absl::Status LoadTags(const Store& store, const OriginTable& origins,
                      CollectionRegistry* registry);

// Collection::CreateTag() and DeleteTag(), without the name of the collection
// in errors.
absl::StatusOr<TagInfo> CreateTag(Engine& engine,
                                  const std::shared_ptr<CollectionState>& state,
                                  absl::string_view tag,
                                  const std::optional<Moment>& at);
absl::Status DeleteTag(Engine& engine,
                       const std::shared_ptr<CollectionState>& state,
                       absl::string_view tag);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_TAGS_H_
