#ifndef CORKSCREW_EMBED_SPACE_H_
#define CORKSCREW_EMBED_SPACE_H_

// The fingerprint of a model's logical content: two models whose fingerprints
// are equal give the same vector for every text (to rounding), whatever file
// they came from. docs/embedding.md has the byte layout. Part of the format:
// collections store it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "embed/gguf.h"

namespace corkscrew {

// A named number.
using SpaceParameter = std::pair<std::string, std::variant<uint64_t, double>>;

// Everything that decides the vector of a text. Orders do not matter, except
// that of `tokens`, whose index is the id. Strings and tensors are borrowed.
struct SpaceContent {
  std::string architecture = {};
  std::vector<SpaceParameter> parameters = {};
  std::string tokenizer = {};
  std::vector<SpaceParameter> tokenizer_parameters = {};
  std::vector<absl::string_view> tokens = {};
  std::string pooling = {};
  std::string normalisation = {};
  std::string query_prompt = {};
  std::string document_prompt = {};
  size_t max_tokens = 0;
  std::vector<const GgufTensor*> tensors = {};  // Those that are used.
};

// Returns the SHA-256 of `content` as 64 lower-case hexadecimal digits.
std::string SpaceOf(SpaceContent content);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_SPACE_H_
