#include "db/durable_mark.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/file_system.h"
#include "base/status_macros.h"
#include "db/encode.h"
#include "db/keys.h"
#include "db/op.h"
#include "db/rows.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kMagic = "csdbmrk0";
constexpr size_t kMarkBytes = 4096;

std::string MarkPath(const std::string& path) { return path + "/durable.mark"; }

absl::Status Lost(const std::string& found, const std::string& want) {
  return absl::DataLossError(
      absl::StrCat("the store ", found, ", but durable.mark says that ", want,
                   " was written: acknowledged writes are missing"));
}

// The content hash of the op at a position of the feed, or nullopt if there is
// none; damaged rows are errors.
absl::StatusOr<std::optional<Hash16>> HashAt(const FeedPosition& position,
                                             const Store& store) {
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::optional<std::string> feed,
      store.Get(Family::kRows, FeedKey(position.collection, position.feed)));
  if (!feed.has_value()) return std::nullopt;
  CORKSCREW_ASSIGN_OR_RETURN(const FeedRow row, DecodeFeedRow(*feed));
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::optional<std::string> op,
      store.Get(Family::kRows,
                OpKey({position.collection, row.shard}, row.origin, row.seq)));
  if (!op.has_value()) return std::nullopt;
  CORKSCREW_ASSIGN_OR_RETURN(const Op decoded, DecodeOp(*op));
  return std::optional<Hash16>(decoded.content_hash);
}

// Whether the rows of a collection are kept: they go when it is dropped.
absl::StatusOr<bool> IsLive(uint32_t collection, const Store& store) {
  if (collection == 0) return true;  // The system collection.
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::optional<std::string> value,
      store.Get(Family::kRows, CollectionKey(collection)));
  if (!value.has_value()) return true;  // It has to be there.
  CORKSCREW_ASSIGN_OR_RETURN(const CollectionRow row,
                             DecodeCollectionRow(*value));
  return row.state == LiveState::kLive;
}

}  // namespace

std::string EncodeDurableMark(const DurableMark& mark) {
  std::string out(kMagic);
  AppendBig(mark.incarnation, &out);
  AppendBig(mark.sequence, &out);
  const FeedPosition position = mark.position.value_or(FeedPosition{});
  AppendBig(static_cast<uint8_t>(mark.position.has_value()), &out);
  AppendBig(position.collection, &out);
  AppendBig(position.feed, &out);
  AppendBytes(BytesOf(position.content_hash), &out);
  out.resize(kMarkBytes - sizeof(uint32_t));
  AppendBig(Crc32c(out), &out);
  return out;
}

std::optional<DurableMark> DecodeDurableMark(absl::string_view bytes) {
  if (bytes.size() != kMarkBytes) return std::nullopt;
  DurableMark mark;
  FeedPosition position;
  uint8_t has_position = 0;
  absl::string_view magic, hash;
  Cursor cursor(bytes);
  if (!cursor.ReadBytes(kMagic.size(), &magic) ||
      !cursor.ReadBig(&mark.incarnation) || !cursor.ReadBig(&mark.sequence) ||
      !cursor.ReadBig(&has_position) || !cursor.ReadBig(&position.collection) ||
      !cursor.ReadBig(&position.feed) ||
      !cursor.ReadBytes(position.content_hash.size(), &hash)) {
    return std::nullopt;
  }
  hash.copy(reinterpret_cast<char*>(position.content_hash.data()), hash.size());
  if (has_position != 0) mark.position = position;
  // One form only, checksum included.
  if (magic != kMagic || EncodeDurableMark(mark) != bytes) return std::nullopt;
  return mark;
}

std::optional<DurableMark> ReadDurableMark(FileSystem& files,
                                           const std::string& path) {
  const absl::StatusOr<std::string> bytes =
      files.Read(MarkPath(path), kMarkBytes);
  return bytes.ok() ? DecodeDurableMark(*bytes) : std::nullopt;
}

absl::Status WriteDurableMark(FileSystem& files, const std::string& path,
                              const DurableMark& mark) {
  const std::string bytes = EncodeDurableMark(mark);
  return AtomicWriteFile(files, MarkPath(path), {bytes});
}

absl::Status CheckDurableMark(const DurableMark& mark, uint64_t incarnation,
                              const Store& store) {
  if (mark.incarnation != incarnation) return absl::OkStatus();
  if (store.last_sequence() < mark.sequence) {
    return Lost(absl::StrCat("ends with row ", store.last_sequence()),
                absl::StrCat("row ", mark.sequence));
  }
  if (!mark.position.has_value()) return absl::OkStatus();
  CORKSCREW_ASSIGN_OR_RETURN(const bool live,
                             IsLive(mark.position->collection, store));
  if (!live) return absl::OkStatus();
  CORKSCREW_ASSIGN_OR_RETURN(const std::optional<Hash16> hash,
                             HashAt(*mark.position, store));
  if (hash == mark.position->content_hash) return absl::OkStatus();
  const std::string where =
      absl::StrCat("op ", mark.position->feed, " of collection number ",
                   mark.position->collection);
  return Lost(
      absl::StrCat("has ", hash.has_value() ? "another " : "no ", where),
      where);
}

}  // namespace corkscrew
