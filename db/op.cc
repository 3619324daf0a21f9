#include "db/op.h"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "corkscrew/limits.h"
#include "db/encode.h"

namespace corkscrew {
namespace {

constexpr uint8_t kBodyDropped = 1;  // The one flag.

}  // namespace

std::string EncodeOp(const Op& op) {
  assert(!op.id.empty() && op.id.size() <= kMaxIdBytes);
  assert(op.request_id.size() <= kMaxRequestIdBytes);
  assert(op.batch_index < op.batch_size);
  std::string out;
  out.reserve(64 + op.id.size() + op.request_id.size());
  AppendBig(static_cast<uint8_t>(op.kind), &out);
  AppendBig(static_cast<uint8_t>(op.body_dropped ? kBodyDropped : 0), &out);
  AppendBig(op.lamport, &out);
  AppendBig(static_cast<uint64_t>(op.wall_ms), &out);
  AppendBig(op.expires_ms, &out);
  AppendBig(op.batch_index, &out);
  AppendBig(op.batch_size, &out);
  AppendBytes(BytesOf(op.content_hash), &out);
  AppendBig(static_cast<uint16_t>(op.id.size()), &out);
  AppendBytes(op.id, &out);
  AppendBig(static_cast<uint8_t>(op.request_id.size()), &out);
  AppendBytes(op.request_id, &out);
  return out;
}

absl::StatusOr<Op> DecodeOp(absl::string_view bytes) {
  Cursor cursor(bytes);
  Op op;
  uint8_t kind, flags, request_size;
  uint16_t id_size;
  uint64_t wall_ms;
  absl::string_view hash, id, request_id;
  if (!cursor.ReadBig(&kind) || kind == 0) {
    return absl::DataLossError("op is malformed");
  }
  if (kind > static_cast<uint8_t>(OpKind::kPurge)) {
    return absl::UnimplementedError(
        absl::StrCat("op kind ", kind, " is not known to this version"));
  }
  if (!cursor.ReadBig(&flags) || flags > kBodyDropped ||
      !cursor.ReadBig(&op.lamport) || op.lamport == 0 ||
      !cursor.ReadBig(&wall_ms) || !cursor.ReadBig(&op.expires_ms) ||
      !cursor.ReadBig(&op.batch_index) || !cursor.ReadBig(&op.batch_size) ||
      op.batch_index >= op.batch_size ||
      !cursor.ReadBytes(op.content_hash.size(), &hash) ||
      !cursor.ReadBig(&id_size) || id_size == 0 || id_size > kMaxIdBytes ||
      !cursor.ReadBytes(id_size, &id) || !cursor.ReadBig(&request_size) ||
      request_size > kMaxRequestIdBytes ||
      !cursor.ReadBytes(request_size, &request_id) || !cursor.done()) {
    return absl::DataLossError("op is malformed");
  }
  op.kind = static_cast<OpKind>(kind);
  op.body_dropped = flags == kBodyDropped;
  op.wall_ms = static_cast<int64_t>(wall_ms);
  std::copy(hash.begin(), hash.end(), op.content_hash.begin());
  op.id = std::string(id);
  op.request_id = std::string(request_id);
  return op;
}

PartHashes TombstoneHashes() {
  const Sha256Digest empty = Sha256("");
  return {empty, empty, empty};
}

Hash16 ContentHash(const Uuid& collection, uint16_t shard, const Op& op,
                   const Uuid& replica, uint64_t incarnation, uint64_t seq,
                   const PartHashes& parts) {
  std::string input = "csdb:op0";
  input.reserve(256 + op.id.size() + op.request_id.size());
  AppendBytes(BytesOf(collection.bytes), &input);
  AppendBig(shard, &input);
  AppendBig(static_cast<uint8_t>(op.kind), &input);
  AppendBig(static_cast<uint16_t>(op.id.size()), &input);
  AppendBytes(op.id, &input);
  AppendBig(op.lamport, &input);
  AppendBig(static_cast<uint64_t>(op.wall_ms), &input);
  AppendBig(op.expires_ms, &input);
  AppendBytes(BytesOf(replica.bytes), &input);
  AppendBig(incarnation, &input);
  AppendBig(seq, &input);
  AppendBig(op.batch_index, &input);
  AppendBig(op.batch_size, &input);
  AppendBig(static_cast<uint8_t>(op.request_id.size()), &input);
  AppendBytes(op.request_id, &input);
  AppendBytes(BytesOf(parts.text), &input);
  AppendBytes(BytesOf(parts.metadata), &input);
  AppendBytes(BytesOf(parts.vector), &input);
  const Sha256Digest digest = Sha256(input);
  Hash16 hash;
  std::copy_n(digest.begin(), hash.size(), hash.begin());
  return hash;
}

}  // namespace corkscrew
