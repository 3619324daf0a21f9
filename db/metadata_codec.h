#ifndef CORKSCREW_DB_METADATA_CODEC_H_
#define CORKSCREW_DB_METADATA_CODEC_H_

// The canonical bytes of metadata (docs/storage_format.md, "Metadata"). Equal
// metadata has equal bytes, and no other bytes are accepted.

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/metadata.h"

namespace corkscrew {

// Returns the encoding of `metadata`. -0.0 is written as 0.0.
//   InvalidArgument  more than kMaxMetadataKeys keys or kMaxMetadataBytes
//                    bytes, an empty key, invalid UTF-8, NaN or infinity; names
//                    the key
absl::StatusOr<std::string> EncodeMetadata(const Metadata& metadata);

// The inverse.
//   DataLoss  not the encoding of any metadata
absl::StatusOr<Metadata> DecodeMetadata(absl::string_view bytes);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_METADATA_CODEC_H_
