#ifndef CORKSCREW_EMBED_GOLDEN_VECTORS_H_
#define CORKSCREW_EMBED_GOLDEN_VECTORS_H_

// For tests only: texts with the token ids and vectors that a reference
// implementation gave them (tests/testdata/README.md).

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "embed/model_embedder.h"

namespace corkscrew::testing {

struct GoldenVector {
  std::string text;
  std::vector<int32_t> ids;    // At most 512.
  std::vector<double> vector;  // Unit length.
  // With at most 256 ids; empty if the text has no more.
  std::vector<double> vector_of_256;
};

// Reads a file of one JSON object per line. Fails the test if it can not.
std::vector<GoldenVector> ReadGoldenVectors(const std::string& path);

// The row whose text has "[SEP]" and the like: special tokens for the reference
// tokenizer, plain text for ours.
inline constexpr size_t kLiteralSpecials = 40;

// Cosines of an embedder's vectors to the golden ones.
struct Agreement {
  size_t rows = 0;
  double least = 1;
  double mean = 0;
};

// Compares all vectors, and expects token ids and unit length. kLiteralSpecials
// is compared by its golden ids. `limited` looks at rows with vector_of_256
// only, for an embedder of that limit.
Agreement CompareWithGoldens(const ModelEmbedder& embedder,
                             const std::vector<GoldenVector>& goldens,
                             bool limited = false);

}  // namespace corkscrew::testing

#endif  // CORKSCREW_EMBED_GOLDEN_VECTORS_H_
