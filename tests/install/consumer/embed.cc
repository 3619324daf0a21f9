#include "absl/status/status.h"
#include "corkscrew/embedder.h"

int main() {
  return absl::IsNotFound(corkscrew::LoadEmbedder("none.gguf").status()) ? 0
                                                                         : 1;
}
