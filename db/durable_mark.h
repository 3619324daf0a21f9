#ifndef CORKSCREW_DB_DURABLE_MARK_H_
#define CORKSCREW_DB_DURABLE_MARK_H_

// The file durable.mark: how far this database had come, told by something
// else than the log itself (docs/storage_format.md, "Opening").

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "db/descriptor.h"
#include "db/store.h"

namespace corkscrew {

// The op at a position of a collection's feed.
struct FeedPosition {
  uint32_t collection = 0;
  uint64_t feed = 0;
  Hash16 content_hash = {};

  friend bool operator==(const FeedPosition&, const FeedPosition&) = default;
};

struct DurableMark {
  uint64_t incarnation = 0;
  uint64_t sequence = 0;  // Store::synced_sequence().
  std::optional<FeedPosition> position = std::nullopt;  // Of the last op.

  friend bool operator==(const DurableMark&, const DurableMark&) = default;
};

// 4,096 bytes, and back; nullopt for other bytes.
std::string EncodeDurableMark(const DurableMark& mark);
std::optional<DurableMark> DecodeDurableMark(absl::string_view bytes);

// The mark of the database in `path`, or nullopt if there is none that can be
// read.
std::optional<DurableMark> ReadDurableMark(FileSystem& files,
                                           const std::string& path);
absl::Status WriteDurableMark(FileSystem& files, const std::string& path,
                              const DurableMark& mark);

// Checks that `store`, whose incarnation is `incarnation`, holds what the mark
// names. A mark of another incarnation says nothing.
//   DataLoss  it does not; names both
absl::Status CheckDurableMark(const DurableMark& mark, uint64_t incarnation,
                              const Store& store);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_DURABLE_MARK_H_
