// Fuzzes the reader of .arch.toml files.

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "embed/architecture.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)corkscrew::Architecture::Parse(
      absl::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
  return 0;
}
