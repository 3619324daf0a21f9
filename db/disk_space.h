#ifndef CORKSCREW_DB_DISK_SPACE_H_
#define CORKSCREW_DB_DISK_SPACE_H_

// Watches the free space of the file system, so that writes are refused before
// the store can not go on, and keeps a file in reserve that gives its space
// back when there is none left.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/file_system.h"

namespace corkscrew {

// Belongs to the commit leader. Single-threaded.
class DiskSpace {
 public:
  // The most that the reserve takes: what opening a database again after a
  // crash may have to write, the rows of the log (Store, max_total_wal_size).
  static constexpr uint64_t kMaxReserve = uint64_t{8} << 20;
  // Written bytes between two looks at the free space.
  static constexpr uint64_t kLookEveryBytes = uint64_t{1} << 20;

  // Of the database in directory `path`; `low` 0 refuses nothing.
  DiskSpace(FileSystem* files, absl::string_view path, uint64_t low);

  // Before a write of about `bytes`. Looks at the file system after a second or
  // kLookEveryBytes, and at every call while space is low. The reserve grows
  // with what is written, to half of it.
  //   ResourceExhausted  less than `low` is free; names both
  absl::Status Check(uint64_t bytes, absl::Time now);

  // The same look without a write.
  absl::Status Look();

  // Gives the reserve's space back.
  void ReleaseReserve();
  uint64_t reserve_bytes() const { return reserve_; }

  // Gives back the reserve of a database that is not open; false: it has none.
  static bool Release(FileSystem& files, absl::string_view path);

  // Leaves a MiB of the reserve of a database that was closed: its log is
  // empty, so that opening it writes little. Errors leave all or nothing.
  static void Shrink(FileSystem& files, absl::string_view path);

 private:
  void GrowReserve(uint64_t free);
  static absl::Status AppendStep(FileSystem& files, const std::string& path);

  FileSystem& files_;
  const std::string path_;
  const std::string reserve_path_;
  const uint64_t low_;
  uint64_t reserve_ = 0;
  uint64_t written_ = 0;    // Since the database was opened,
  uint64_t looked_at_ = 0;  // and when the last look was.
  absl::Time looked_ = absl::InfinitePast();
  bool is_low_ = false;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_DISK_SPACE_H_
