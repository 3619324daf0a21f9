#ifndef CORKSCREW_DB_KEYS_H_
#define CORKSCREW_DB_KEYS_H_

// Keys of all rows (docs/storage_format.md, "Keys"). Part of the format: the
// byte order of keys is the order of what they name.

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "corkscrew/record.h"
#include "db/index.h"

namespace corkscrew {

// The unit of replication: one shard of one collection.
struct Stream {
  uint32_t collection = 0;  // Local number of the collection.
  uint16_t shard = 0;

  friend bool operator==(const Stream&, const Stream&) = default;
};

// Small rows.
std::string MetaKey(absl::string_view name);
std::string OriginKey(uint32_t origin);
std::string CollectionKey(uint32_t collection);
std::string NameKey(absl::string_view name);
std::string ClockKey(uint32_t collection);
std::string WallKey(uint32_t collection, uint64_t wall_ms);
std::string VectorKey(Stream stream, uint32_t origin);
std::string OpKey(Stream stream, uint32_t origin, uint64_t seq);
std::string FeedKey(uint32_t collection, uint64_t local_seq);
std::string HeadKey(Stream stream, absl::string_view id);
std::string PurgeKey(Stream stream, absl::string_view id);
// A version that hides from `expires_ms` on.
std::string ExpiryKey(Stream stream, uint64_t expires_ms, uint32_t origin,
                      uint64_t seq);
std::string RetentionKey(uint32_t collection);
std::string RequestKey(Stream stream, absl::string_view request_id);
// Row of a segment; number 0 is the row of the catalogue itself.
std::string SegmentKey(uint32_t collection, uint64_t number);

// Keys of the body family: stream, id, falling Lamport time, origin, seq.
std::string BodyRowKey(uint32_t collection, const BodyKey& body);
// Where a search for the newest version of `id` at or before `at` starts.
std::string BodySeekKey(Stream stream, absl::string_view id, Lamport at);
// Prefix of all versions of `id`, and of all versions of the stream.
std::string BodyPrefix(Stream stream, absl::string_view id);
std::string StreamPrefix(Stream stream);

// Prefixes of all rows of a kind: the letter of the kind, then the collection.
std::string KindPrefix(char kind);
std::string KindPrefix(char kind, uint32_t collection);
// Prefix of all bodies of a collection.
std::string BodyCollectionPrefix(uint32_t collection);
// The first key behind all keys with `prefix`, which is not all FF.
std::string PrefixEnd(absl::string_view prefix);

// Readers of keys from disk. False: not a key of that form.
[[nodiscard]] bool ParseOriginKey(absl::string_view key, uint32_t* origin);
[[nodiscard]] bool ParseCollectionKey(absl::string_view key,
                                      uint32_t* collection);
[[nodiscard]] bool ParseNameKey(absl::string_view key, std::string* name);
[[nodiscard]] bool ParseWallKey(absl::string_view key, uint32_t* collection,
                                uint64_t* wall_ms);
[[nodiscard]] bool ParseVectorKey(absl::string_view key, Stream* stream,
                                  uint32_t* origin);
[[nodiscard]] bool ParseOpKey(absl::string_view key, Stream* stream,
                              uint32_t* origin, uint64_t* seq);
[[nodiscard]] bool ParseFeedKey(absl::string_view key, uint32_t* collection,
                                uint64_t* local_seq);
[[nodiscard]] bool ParseHeadKey(absl::string_view key, Stream* stream,
                                std::string* id);
[[nodiscard]] bool ParseExpiryKey(absl::string_view key, Stream* stream,
                                  uint64_t* expires_ms, uint32_t* origin,
                                  uint64_t* seq);
[[nodiscard]] bool ParsePurgeKey(absl::string_view key, Stream* stream,
                                 std::string* id);
[[nodiscard]] bool ParseRequestKey(absl::string_view key, Stream* stream,
                                   std::string* request_id);
[[nodiscard]] bool ParseSegmentKey(absl::string_view key, uint32_t* collection,
                                   uint64_t* number);
[[nodiscard]] bool ParseBodyRowKey(absl::string_view key, uint32_t* collection,
                                   BodyKey* body);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_KEYS_H_
