// Text -> vector without a database: two texts and how near they are.
//   embed MODEL_FILE

#include <cstddef>
#include <cstdio>

#include "corkscrew/embedder.h"

int main(int argc, char** argv) {
  const auto model = corkscrew::LoadEmbedder(argc > 1 ? argv[1] : "");
  if (!model.ok()) return 1;
  const absl::string_view texts[] = {"a cat on a mat", "a kitten on a rug"};
  const auto result = (*model)->Embed(texts, corkscrew::TextKind::kDocument);
  if (!result.ok()) return 1;
  const float* vectors = result->vectors.data();  // [2, dim], unit length.
  double cosine = 0;
  for (size_t i = 0; i < (*model)->dim(); ++i) {
    cosine += vectors[i] * vectors[(*model)->dim() + i];
  }
  std::printf("%.2f\n", cosine);
}
