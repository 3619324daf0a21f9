#ifndef CORKSCREW_EMBED_GGUF_PARSER_H_
#define CORKSCREW_EMBED_GGUF_PARSER_H_

// The container format of GGUF files and every check on it.

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "embed/gguf.h"
#include "embed/gguf_value.h"

namespace corkscrew {

// What `bytes` hold, as views into them: values in order of their keys, tensors
// in order of their names. Linear in the size of `bytes`, but for the sorting.
//   InvalidArgument  malformed; names the file `name` and the offending part
//   Unimplemented    a version or tensor type not supported
absl::Status ParseGguf(absl::string_view name, absl::string_view bytes,
                       std::vector<GgufValue>* values,
                       std::vector<GgufTensor>* tensors);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_GGUF_PARSER_H_
