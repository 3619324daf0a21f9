#ifndef CORKSCREW_DB_ALIASES_H_
#define CORKSCREW_DB_ALIASES_H_

// Aliases: second names of collections, kept as records of the system
// collection (docs/storage_format.md, "System collection").

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/db.h"
#include "corkscrew/metadata.h"
#include "corkscrew/record.h"
#include "db/collection_registry.h"
#include "db/engine.h"
#include "db/origin_table.h"
#include "db/store.h"

namespace corkscrew {

// The id and the metadata of the record of an alias.
std::string AliasRecordId(absl::string_view alias);
Metadata AliasRecordMetadata(absl::string_view alias, const Uuid& collection);

// Every alias in the system collection of `store` and the collection that it
// names, which need not be there any more.
//   DataLoss  a record of an alias is damaged; names it
absl::StatusOr<std::map<std::string, Uuid>> ReadAliases(
    const Store& store, const OriginTable& origins);

// Gives `registry` its aliases. One whose collection is not there, or whose
// name a collection has, is left out.
//   DataLoss  a record of an alias is damaged; names it
absl::Status LoadAliases(const Store& store, const OriginTable& origins,
                         CollectionRegistry* registry);

//   AlreadyExists  `name` is an alias
absl::Status CheckNotAlias(const CollectionRegistry& registry,
                           absl::string_view name);
// Errors of Db::DropCollection().
absl::Status CheckDroppable(const CollectionRegistry& registry,
                            absl::string_view name);

// Db::SetAlias() and DeleteAlias().
absl::Status SetAlias(Engine& engine, absl::string_view alias,
                      absl::string_view collection,
                      const AliasOptions& options);
absl::Status DeleteAlias(Engine& engine, absl::string_view alias);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_ALIASES_H_
