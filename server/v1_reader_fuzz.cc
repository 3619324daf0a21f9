// Fuzzes the files of the original CorkScrewDB: the first byte says whether the
// rest is a log or a snapshot.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/memory_files.h"
#include "server/v1_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  corkscrew::testing::MemoryFiles files;
  files.files[data[0] % 2 == 0 ? "c/wal/1.wal" : "c/snapshot-1.csdb"] =
      std::string(reinterpret_cast<const char*>(data + 1), size - 1);
  for (const bool salvage : {false, true}) {
    const absl::StatusOr<std::unique_ptr<corkscrew::V1Collection>> collection =
        corkscrew::V1Collection::Read(files, "c", "c", salvage);
    if (!collection.ok()) std::abort();
    for (size_t i = 0; i < (*collection)->size(); ++i) {
      const absl::StatusOr<corkscrew::V1Version> version =
          (*collection)->Get(i);
      if (version.ok() && version->id != (*collection)->Id(i)) std::abort();
      if (i > 0 && version.ok()) {
        const auto before = (*collection)->Get(i - 1);
        if (before.ok() && before->lamport > version->lamport) std::abort();
      }
    }
  }
  return 0;
}
