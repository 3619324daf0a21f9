#ifndef CORKSCREW_DB_METADATA_COLUMNS_BUILDER_H_
#define CORKSCREW_DB_METADATA_COLUMNS_BUILDER_H_

// Makes the metadata columns of a segment (metadata_columns_packed.h) of slots
// of other blocks.

#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "db/metadata_columns.h"

namespace corkscrew {

// Whose metadata a slot of the new segment has.
struct SlotMetadata {
  const MetadataColumns* columns = nullptr;
  uint32_t slot = 0;
};

struct PackedColumns {
  std::string keys;
  std::string numbers;
  std::string values;
};

// The columns for `slots`, in this order and each at most once. Equal metadata
// gives equal bytes, whatever blocks it was in.
PackedColumns PackMetadata(absl::Span<const SlotMetadata> slots);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_METADATA_COLUMNS_BUILDER_H_
