#ifndef CORKSCREW_EMBED_HUGGING_FACE_FAMILIES_H_
#define CORKSCREW_EMBED_HUGGING_FACE_FAMILIES_H_

// How models are named at Hugging Face and in GGUF: keys and tensors by family.
// Source: config.json and code of the models; llama.cpp, gguf-py.

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace corkscrew {

// A tensor by its name there and here; "N" is the number of the layer. With a
// second name the first half of its rows is `ours`, the other `second`.
struct HuggingFaceName {
  absl::string_view theirs;
  absl::string_view ours;
  absl::string_view second = {};
};

// A key of config.json and of GGUF, without the architecture.
struct HuggingFaceKey {
  enum class Kind { kCount, kNumber };
  absl::string_view theirs;
  absl::string_view ours;
  Kind kind = Kind::kCount;
  bool required = true;
};

// One family of models.
struct HuggingFaceFamily {
  absl::string_view model_type;    // Of config.json.
  absl::string_view architecture;  // Of GGUF.
  absl::string_view pre = {};      // Rules of byte-level BPE.
  bool offset_positions = false;   // Two rows of positions are never used.
  bool norms_from_one = false;     // Weights of norms are stored less one.
  bool dense = false;              // May have Dense modules behind it.
  absl::Span<const HuggingFaceName> names = {};
  absl::Span<const HuggingFaceKey> keys = {};
};

// Families that `model_type` names.
absl::Span<const HuggingFaceFamily> HuggingFaceFamilies();

// Those that have the model_type of another family and say the rest elsewhere:
// "bert" with linear biases for positions, "nomic_bert" with experts.
const HuggingFaceFamily& JinaFamily();
const HuggingFaceFamily& NomicMoeFamily();

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_HUGGING_FACE_FAMILIES_H_
