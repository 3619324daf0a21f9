#ifndef CORKSCREW_LIMITS_H_
#define CORKSCREW_LIMITS_H_

// Limits of the format and of calls. Limits on the content of a record are
// part of the format: a replica never refuses what another one accepted, so
// they can not be raised by configuration.

#include <cstddef>

namespace corkscrew {

// Content of a record. Part of the format.
inline constexpr size_t kMaxIdBytes = 1024;  // An id is 1..1024 bytes.
inline constexpr size_t kMaxTextBytes = size_t{1} << 20;
inline constexpr size_t kMaxMetadataKeys = 64;
inline constexpr size_t kMaxMetadataBytes = 16 * 1024;  // Encoded.
inline constexpr size_t kMaxDim = 16384;

// One Put or Delete. Part of the format.
inline constexpr size_t kMaxPutRecords = 10'000;
inline constexpr size_t kMaxPutBytes = size_t{16} << 20;

// Names. Part of the format. A collection name is 1..255 bytes of valid UTF-8
// without control characters and does not start with '_' (reserved).
inline constexpr size_t kMaxCollectionNameBytes = 255;
inline constexpr size_t kMaxRequestIdBytes = 128;

// Calls.
inline constexpr size_t kMaxCollections = 10'000;
inline constexpr size_t kMaxAliases = 10'000;
inline constexpr size_t kMaxK = 10'000;       // Results of one search.
inline constexpr float kMaxOversample = 100;  // Query::oversample, >= 1.
inline constexpr size_t kMaxBatchQueries = 1'000;
inline constexpr size_t kMaxGetIds = 10'000;
inline constexpr size_t kMaxPageSize = 1'000;
inline constexpr size_t kMaxFilterDepth = 16;
inline constexpr size_t kMaxFilterNodes = 256;

}  // namespace corkscrew

#endif  // CORKSCREW_LIMITS_H_
