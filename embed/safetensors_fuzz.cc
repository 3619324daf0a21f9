// Fuzzes the reader of safetensors files: it refuses the bytes, or every view
// that it gives out lies inside them.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "embed/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = corkscrew::SafetensorsFile::Parse(
      std::string(reinterpret_cast<const char*>(data), size), "fuzz");
  if (!file.ok()) return 0;
  size_t bytes = 0;
  std::vector<float> values;
  for (const corkscrew::SafeTensor& tensor : (*file)->tensors()) {
    bytes += tensor.data.size();
    values.clear();
    (void)AppendFloats(tensor, &values);
  }
  if (bytes > size) std::abort();  // Tensors never overlap.
  return 0;
}
