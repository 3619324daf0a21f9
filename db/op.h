#ifndef CORKSCREW_DB_OP_H_
#define CORKSCREW_DB_OP_H_

// Operations: the logged form of versions, and their content hash
// (docs/storage_format.md, "Operations").

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/hash.h"
#include "corkscrew/record.h"
#include "db/descriptor.h"

namespace corkscrew {

// Part of the format. An unknown kind is an incompatible feature.
enum class OpKind : uint8_t {
  kPut = 1,
  kDelete = 2,
  kPurge = 3,  // A tombstone; older versions of the record are gone for good.
};

// The value of an `o` row; stream, origin and seq are in its key.
struct Op {
  OpKind kind = OpKind::kPut;
  std::string id = {};
  Lamport lamport = 0;
  int64_t wall_ms = 0;
  uint64_t expires_ms = 0;   // 0: never.
  uint32_t batch_index = 0;  // Position in its Put,
  uint32_t batch_size = 1;   // which has so many ops.
  std::string request_id = {};
  Hash16 content_hash = {};
  bool body_dropped = false;  // There is no body row any more.

  friend bool operator==(const Op&, const Op&) = default;
};

std::string EncodeOp(const Op& op);

//   DataLoss  not the encoding of an op; Unimplemented  an unknown kind
absl::StatusOr<Op> DecodeOp(absl::string_view bytes);

// Hashes of the parts of a body; of empty strings for a tombstone.
struct PartHashes {
  Sha256Digest text = {};
  Sha256Digest metadata = {};  // Of the canonical encoding.
  Sha256Digest vector = {};    // Of the original, or the code record.
};
PartHashes TombstoneHashes();

// The hash that identifies the content of an op everywhere. Covers everything
// of `op` but content_hash and body_dropped.
Hash16 ContentHash(const Uuid& collection, uint16_t shard, const Op& op,
                   const Uuid& replica, uint64_t incarnation, uint64_t seq,
                   const PartHashes& parts);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_OP_H_
