#ifndef CORKSCREW_DB_SEGMENT_BUILDER_H_
#define CORKSCREW_DB_SEGMENT_BUILDER_H_

// Makes a segment of slots that lie in other blocks.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/file_system.h"
#include "db/index.h"
#include "db/segment.h"
#include "db/segment_format.h"
#include "db/slot_block.h"

namespace corkscrew {

// A slot to take over. `died` as it was when that was decided: a slot may die
// while a segment is made.
struct SlotToCopy {
  const SlotBlock* block = nullptr;
  uint32_t slot = 0;
  Lamport died = SlotBlock::kAlive;
};

// What the writer of a segment says about it.
struct SegmentStamp {
  uint64_t number = 0;
  uint64_t incarnation = 0;
  uint64_t feed = 0;
  Hash16 op_hash = {};
};

// A segment as bytes: concatenated they are its file.
struct SegmentImage {
  SegmentHeader header;
  Hash16 hash = {};
  std::vector<std::string> parts;

  std::string ToString() const;  // For tests.
};

// Makes a segment of `slots`, at least one and in this order: all of them alive
// (kLive, with different ids), or none.
//   errors of OriginalReader, which is asked for rows that are damaged
absl::StatusOr<SegmentImage> BuildSegment(SegmentKind kind,
                                          const SegmentSpace& space,
                                          const SegmentStamp& stamp,
                                          absl::Span<const SlotToCopy> slots,
                                          const OriginalReader& originals);

// Writes the file at `path` atomically and durably.
absl::Status WriteSegment(FileSystem& files, const std::string& path,
                          const SegmentImage& image);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_SEGMENT_BUILDER_H_
