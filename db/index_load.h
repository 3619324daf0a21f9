#ifndef CORKSCREW_DB_INDEX_LOAD_H_
#define CORKSCREW_DB_INDEX_LOAD_H_

// Opens the index of a collection: maps its segments and reads the feed after
// them, or the bodies that they lack.

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "db/collection_state.h"
#include "db/index_files.h"

namespace corkscrew {

// Fills the empty index of `collection` and publishes it at the collection's
// clock. Whatever is wrong with the segments only means that bodies are read
// instead, with `threads` threads: those of a missing, damaged, older or
// foreign file of a segment, all if the catalogue is malformed or does not fit
// the feed.
//   DataLoss  a row or body of the store is damaged; names its key
absl::StatusOr<CataloguedFiles> LoadIndex(const IndexFilesContext& context,
                                          size_t threads,
                                          CollectionState* collection);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_INDEX_LOAD_H_
