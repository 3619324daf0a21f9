#ifndef CORKSCREW_DB_BYTE_ARENA_H_
#define CORKSCREW_DB_BYTE_ARENA_H_

// Byte strings one after the other, each with its length, at addresses that
// never change.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "db/stable_vector.h"

namespace corkscrew {

// One writer; a reader that has learned of a position from the writer (see
// stable_vector.h) may Get() it without a lock.
class ByteArena {
 public:
  // Largest string.
  static constexpr size_t kMaxBytes = size_t{1} << 19;

  // Copies `bytes` and returns where they are. Positions grow with each call.
  uint64_t Append(absl::string_view bytes);

  absl::string_view Get(uint64_t position) const;

  size_t capacity() const { return capacity_; }  // Bytes. Writer only.

 private:
  using Map = ChunkMap<10, 20>;

  StableVector<std::unique_ptr<char[]>> chunks_;  // Null where skipped.
  uint64_t end_ = 0;
  size_t capacity_ = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_BYTE_ARENA_H_
