#ifndef CORKSCREW_BASE_CRC32C_H_
#define CORKSCREW_BASE_CRC32C_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace corkscrew {

// Returns the CRC-32C (Castagnoli polynomial, reflected, as in RFC 3720
// appendix B.4) of the bytes that gave `crc` followed by `bytes`. Start with
// `crc` 0.
uint32_t ExtendCrc32c(uint32_t crc, absl::string_view bytes);

inline uint32_t Crc32c(absl::string_view bytes) {
  return ExtendCrc32c(0, bytes);
}

// The portable form of ExtendCrc32c(), which uses the CPU's instruction where
// there is one. The same result.
uint32_t ExtendCrc32cPortable(uint32_t crc, absl::string_view bytes);

}  // namespace corkscrew

#endif  // CORKSCREW_BASE_CRC32C_H_
