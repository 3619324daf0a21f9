#ifndef CORKSCREW_EMBED_MODEL_FILE_H_
#define CORKSCREW_EMBED_MODEL_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

// Reads the whole of the regular file `path` into memory.
//   NotFound         no such file
//   InvalidArgument  no regular file, above 32 GiB, or it shrank meanwhile
absl::StatusOr<std::string> ReadModelFile(absl::string_view path);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MODEL_FILE_H_
