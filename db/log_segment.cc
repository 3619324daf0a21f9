#include "db/log_segment.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "db/encode.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kMagic = "csdb:log";
constexpr uint8_t kForm = 1;
constexpr size_t kBlockBytes = size_t{64} << 10;  // About; one op may be more.
constexpr size_t kDigestBytes = sizeof(Sha256Digest);

template <typename Size>
void AppendSized(absl::string_view bytes, std::string* out) {
  assert(bytes.size() <= std::numeric_limits<Size>::max());
  AppendBig(static_cast<Size>(bytes.size()), out);
  AppendBytes(bytes, out);
}

template <typename Size>
[[nodiscard]] bool ReadSized(Cursor& cursor, absl::string_view* bytes) {
  Size size;
  return cursor.ReadBig(&size) && cursor.ReadBytes(size, bytes);
}

template <typename Array>
[[nodiscard]] bool ReadArray(Cursor& cursor, Array* array) {
  absl::string_view bytes;
  if (!cursor.ReadBytes(array->size(), &bytes)) return false;
  std::copy(bytes.begin(), bytes.end(), array->begin());
  return true;
}

absl::Status Malformed(absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat("segment of a log is damaged: ", what));
}

std::string EncodeHead(const LogSegmentHead& head) {
  std::string out;
  AppendBytes(BytesOf(head.database.bytes), &out);
  AppendBytes(BytesOf(head.life.replica.bytes), &out);
  AppendBig(head.life.incarnation, &out);
  AppendBytes(BytesOf(head.collection.bytes), &out);
  AppendBig(head.generation, &out);
  AppendSized<uint8_t>(head.name, &out);
  AppendSized<uint16_t>(head.model, &out);
  AppendSized<uint16_t>(EncodeDescriptor(head.descriptor), &out);
  AppendBig(head.lineage, &out);
  AppendBig(head.first, &out);
  AppendBig(head.last, &out);
  AppendBig(head.ops, &out);
  AppendBytes(BytesOf(head.before), &out);
  AppendBytes(BytesOf(head.last_hash), &out);
  return out;
}

absl::StatusOr<LogSegmentHead> DecodeHead(absl::string_view bytes) {
  Cursor cursor(bytes);
  LogSegmentHead head;
  absl::string_view name, model, descriptor;
  if (!ReadArray(cursor, &head.database.bytes) ||
      !ReadArray(cursor, &head.life.replica.bytes) ||
      !cursor.ReadBig(&head.life.incarnation) ||
      !ReadArray(cursor, &head.collection.bytes) ||
      !cursor.ReadBig(&head.generation) || !ReadSized<uint8_t>(cursor, &name) ||
      !ReadSized<uint16_t>(cursor, &model) ||
      !ReadSized<uint16_t>(cursor, &descriptor) ||
      !cursor.ReadBig(&head.lineage) || !cursor.ReadBig(&head.first) ||
      !cursor.ReadBig(&head.last) || !cursor.ReadBig(&head.ops) ||
      !ReadArray(cursor, &head.before) || !ReadArray(cursor, &head.last_hash) ||
      !cursor.done()) {
    return Malformed("its head is malformed");
  }
  head.name = std::string(name);
  head.model = std::string(model);
  CORKSCREW_ASSIGN_OR_RETURN(head.descriptor, DecodeDescriptor(descriptor));
  if (head.lineage == 0 || head.first == 0 || head.last < head.first ||
      head.ops == 0 || head.ops - 1 > head.last - head.first ||
      (head.first == 1) != (head.before == Hash16{})) {
    return Malformed("its range is impossible");
  }
  if (head.collection != CollectionUuid(head.name,
                                        DescriptorHash(head.descriptor),
                                        head.generation)) {
    return Malformed("its collection is another one");
  }
  return head;
}

// Reads what comes before the blocks.
absl::StatusOr<LogSegmentHead> ReadHead(Cursor& cursor,
                                        absl::string_view bytes) {
  absl::string_view magic, head;
  uint8_t form;
  if (!cursor.ReadBytes(kMagic.size(), &magic) || magic != kMagic ||
      !cursor.ReadBig(&form)) {
    return Malformed("it is not one");
  }
  if (form != kForm) {
    return absl::FailedPreconditionError(absl::StrCat(
        "segment of a log has form ", form, ", this build knows ", kForm));
  }
  uint32_t crc;
  if (!ReadSized<uint32_t>(cursor, &head)) return Malformed("it is cut off");
  const absl::string_view covered = bytes.substr(0, cursor.position());
  if (!cursor.ReadBig(&crc)) return Malformed("it is cut off");
  if (crc != Crc32c(covered)) {
    return Malformed("the checksum of its head is wrong");
  }
  return DecodeHead(head);
}

// Reads one op of a block.
absl::Status ReadOp(Cursor& cursor, LoggedOp* op) {
  absl::string_view encoded;
  if (!cursor.ReadBig(&op->position) || !cursor.ReadBig(&op->shard) ||
      !ReadArray(cursor, &op->origin.replica.bytes) ||
      !cursor.ReadBig(&op->origin.incarnation) || !cursor.ReadBig(&op->seq) ||
      !ReadSized<uint16_t>(cursor, &encoded)) {
    return Malformed("an op is malformed");
  }
  CORKSCREW_ASSIGN_OR_RETURN(op->op, DecodeOp(encoded));
  if (!op->has_content()) return absl::OkStatus();
  uint8_t form;
  if (!cursor.ReadBig(&form) || form == 0 ||
      form > static_cast<uint8_t>(VectorForm::kPacked) ||
      !ReadSized<uint32_t>(cursor, &op->vector) ||
      !ReadSized<uint32_t>(cursor, &op->metadata) ||
      !ReadSized<uint32_t>(cursor, &op->text)) {
    return Malformed("an op is malformed");
  }
  op->form = static_cast<VectorForm>(form);
  return absl::OkStatus();
}

// Says where a segment of a wrong hash is damaged.
absl::Status FindDamage(Cursor cursor) {
  while (true) {
    const size_t place = cursor.position();
    uint32_t size, crc;
    absl::string_view block;
    if (!cursor.ReadBig(&size)) return Malformed("it is cut off");
    if (size == 0) return Malformed("its hash is another one");
    if (!cursor.ReadBig(&crc) || !cursor.ReadBytes(size, &block) ||
        crc != Crc32c(block)) {
      return Malformed(
          absl::StrCat("the block at byte ", place, " has a wrong checksum"));
    }
  }
}

// Checks one op after another against the head.
class OpChecker {
 public:
  explicit OpChecker(const LogSegmentHead& head)
      : head_(head), next_(head.first) {}

  absl::Status Check(const LoggedOp& op) {
    if (op.position < next_ || op.position > head_.last) {
      return Malformed("its ops are not in order");
    }
    next_ = op.position + 1;
    ++ops_;
    last_hash_ = op.op.content_hash;
    // Of what was removed only the hash is left.
    if (op.op.kind == OpKind::kPut && op.op.body_dropped) {
      return absl::OkStatus();
    }
    if (HashOf(head_.collection, op) == last_hash_) return absl::OkStatus();
    return Malformed(
        absl::StrCat("the content hash of op ", op.position, " is another"));
  }

  absl::Status CheckEnd() const {
    if (ops_ == head_.ops && next_ - 1 == head_.last &&
        last_hash_ == head_.last_hash) {
      return absl::OkStatus();
    }
    return Malformed("it has other ops than its head says");
  }

 private:
  const LogSegmentHead& head_;
  uint64_t next_;
  uint64_t ops_ = 0;
  Hash16 last_hash_ = {};
};

}  // namespace

Hash16 HashOf(const Uuid& collection, const LoggedOp& op) {
  const PartHashes parts =
      op.has_content() ? PartHashes{Sha256(op.text), Sha256(op.metadata),
                                    VectorHash(op.form, op.vector)}
                       : TombstoneHashes();
  return ContentHash(collection, op.shard, op.op, op.origin.replica,
                     op.origin.incarnation, op.seq, parts);
}

void LogSegmentBuilder::Add(const LoggedOp& op) {
  AppendBig(op.position, &block_);
  AppendBig(op.shard, &block_);
  AppendBytes(BytesOf(op.origin.replica.bytes), &block_);
  AppendBig(op.origin.incarnation, &block_);
  AppendBig(op.seq, &block_);
  AppendSized<uint16_t>(EncodeOp(op.op), &block_);
  if (op.has_content()) {
    AppendBig(static_cast<uint8_t>(op.form), &block_);
    AppendSized<uint32_t>(op.vector, &block_);
    AppendSized<uint32_t>(op.metadata, &block_);
    AppendSized<uint32_t>(op.text, &block_);
  }
  ++ops_;
  last_ = op.position;
  last_hash_ = op.op.content_hash;
  if (block_.size() >= kBlockBytes) CloseBlock();
}

void LogSegmentBuilder::CloseBlock() {
  if (block_.empty()) return;
  AppendBig(static_cast<uint32_t>(block_.size()), &blocks_);
  AppendBig(Crc32c(block_), &blocks_);
  AppendBytes(block_, &blocks_);
  block_.clear();
}

std::string LogSegmentBuilder::Finish(LogSegmentHead* head) {
  assert(ops_ > 0);
  CloseBlock();
  head->ops = ops_;
  head->last = last_;
  head->last_hash = last_hash_;
  std::string out(kMagic);
  AppendBig(kForm, &out);
  AppendSized<uint32_t>(EncodeHead(*head), &out);
  AppendBig(Crc32c(out), &out);
  AppendBytes(blocks_, &out);
  AppendBig(uint32_t{0}, &out);
  const Sha256Digest digest = Sha256(out);
  AppendBytes(BytesOf(digest), &out);
  *this = LogSegmentBuilder();
  return out;
}

absl::StatusOr<LogSegmentHead> DecodeLogSegmentHead(absl::string_view bytes) {
  Cursor cursor(bytes);
  return ReadHead(cursor, bytes);
}

absl::StatusOr<LogSegmentHead> DecodeLogSegment(
    absl::string_view bytes,
    absl::FunctionRef<absl::Status(const LoggedOp&)> visit) {
  Cursor cursor(bytes);
  CORKSCREW_ASSIGN_OR_RETURN(LogSegmentHead head, ReadHead(cursor, bytes));
  if (cursor.remaining() < kDigestBytes) return Malformed("it is cut off");
  const absl::string_view covered =
      bytes.substr(0, bytes.size() - kDigestBytes);
  const Sha256Digest digest = Sha256(covered);
  if (BytesOf(digest) != bytes.substr(covered.size())) {
    return FindDamage(cursor);
  }
  // Twice: nobody sees an op of a segment that is not good.
  for (const bool check : {true, false}) {
    Cursor blocks(covered);
    if (!blocks.Skip(cursor.position())) return Malformed("it is cut off");
    OpChecker checker(head);
    uint32_t size = 0, crc;
    absl::string_view block;
    while (blocks.ReadBig(&size) && size != 0) {
      if (!blocks.ReadBig(&crc) || !blocks.ReadBytes(size, &block) ||
          crc != Crc32c(block)) {
        return Malformed("a block is malformed");
      }
      for (Cursor ops(block); !ops.done();) {
        LoggedOp op;
        CORKSCREW_RETURN_IF_ERROR(ReadOp(ops, &op));
        CORKSCREW_RETURN_IF_ERROR(check ? checker.Check(op) : visit(op));
      }
    }
    if (size != 0 || !blocks.done()) return Malformed("it has no end");
    if (check) CORKSCREW_RETURN_IF_ERROR(checker.CheckEnd());
  }
  return head;
}

}  // namespace corkscrew
