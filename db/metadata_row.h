#ifndef CORKSCREW_DB_METADATA_ROW_H_
#define CORKSCREW_DB_METADATA_ROW_H_

// Metadata as one run of bytes, for an index in memory: a tenth of a Metadata's
// size, and filters read it where it lies. Segments hold the same bytes
// (docs/storage_format.md, "Segments").

#include <string>

#include "absl/strings/string_view.h"
#include "corkscrew/filter.h"
#include "corkscrew/metadata.h"

namespace corkscrew {

// Equal metadata has equal rows; empty metadata has the empty row.
std::string MetadataRow(const Metadata& metadata);

// Matches(filter, metadata) of db/filter.h for the metadata of `row`. Of bytes
// that are no row, what can not be read is taken as missing.
bool MatchesRow(const Filter& filter, absl::string_view row);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_METADATA_ROW_H_
