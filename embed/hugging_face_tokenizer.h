#ifndef CORKSCREW_EMBED_HUGGING_FACE_TOKENIZER_H_
#define CORKSCREW_EMBED_HUGGING_FACE_TOKENIZER_H_

// tokenizer.json of Hugging Face `tokenizers` -> the keys of a GGUF file.

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "embed/gguf_writer.h"

namespace corkscrew {

// Writes the keys tokenizer.ggml.* for the tokenizer that `json`, the content
// of the file `name`, describes: WordPiece, Unigram, or byte-level BPE, which
// gets the rules `pre`. The bytes are untrusted. What is in the keys is checked
// further when a tokenizer is made of them.
//   InvalidArgument  malformed: names the file and the part
//   Unimplemented    another kind, or a step of it that we do not have
absl::Status ConvertTokenizer(absl::string_view json, absl::string_view name,
                              absl::string_view pre, GgufWriter* to);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_HUGGING_FACE_TOKENIZER_H_
