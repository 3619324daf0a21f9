#include <cstdint>
#include <vector>

#include "corkscrew/quantizer.h"

int main() {
  auto quantizer = corkscrew::Quantizer::Create({.dim = 8, .bits = 4});
  if (!quantizer.ok()) return 1;
  const std::vector<float> vector = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<uint8_t> code(quantizer->code_bytes());
  corkscrew::CodeScalars scalars;
  return quantizer->Encode(vector, absl::MakeSpan(code), &scalars).ok() ? 0 : 1;
}
