#ifndef CORKSCREW_SERVER_V1_READER_H_
#define CORKSCREW_SERVER_V1_READER_H_

// Reads directories of the original CorkScrewDB in Go (format version 1), whole
// or damaged. Little-endian; str and bytes are a u32 length and data:
//
//   manifest.json                            collections{name: {bit_width,
//   dim}} collections/NAME/wal/NUMBER.wal          records, one after another:
//     u16 0x4357 | u8 1 | u8 kind (1 put, 2 tombstone) | u64 lamport |
//     str actor | i64 wall ns | str collection | str id | bytes float32[] |
//     str text | bytes metadata as JSON | u32 CRC-32 (IEEE) of all before
//   collections/NAME/snapshot-LAMPORT.csdb   the versions up to a moment:
//     u32 0x43534442 | u8 1 | str collection | i32 bits | i64 seed | u32 dim |
//     u64 largest lamport | i64 created ns | u32 records, each of
//       str id | u32 versions, each of bytes float32[] | str text |
//         bytes metadata as JSON | u64 lamport | str actor | i64 wall ns |
//         u8 tombstone
//     u32 CRC-32 of all before
//
// (index/quantized.tqi is derived from these and not read.) All bytes are
// hostile. Damage never ends the reading: what follows a bad record of a log is
// found again by its magic number and checksum.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "corkscrew/metadata.h"

namespace corkscrew {

// What could not be read.
struct V1Damage {
  std::string file = {};  // Below the directory.
  uint64_t offset = 0;
  uint64_t bytes = 0;  // 0: unknown, the whole file.
  std::string reason = {};
};

// One version of a record.
struct V1Version {
  std::string id = {};
  std::vector<float> vector = {};  // Empty for most tombstones.
  std::string text = {};
  Metadata metadata = {};  // Values are strings.
  uint64_t lamport = 0;
  std::string actor = {};
  int64_t wall_ns = 0;  // Since 1970.
  bool tombstone = false;
};

// The versions of one collection in their order: (lamport, actor). Immutable.
// Maps the files, which must not be shortened meanwhile; holds about 50 bytes
// per version.
class V1Collection {
 public:
  // Reads the logs and snapshots below `path`; `name` is for messages. With
  // `salvage`, versions that only a snapshot with a wrong checksum has are
  // taken too: they may differ from what was written.
  //   or an error of listing the directory
  static absl::StatusOr<std::unique_ptr<V1Collection>> Read(
      FileSystem& files, const std::string& path, absl::string_view name,
      bool salvage);

  // Number of versions. Each (lamport, actor, id) comes once.
  size_t size() const { return entries_.size(); }

  // Returns version `i` < size().
  //   InvalidArgument  its metadata or vector is not what the format says;
  //                    names the file and the offset
  absl::StatusOr<V1Version> Get(size_t i) const;

  // The id of version `i`, valid as long as this.
  absl::string_view Id(size_t i) const { return IdAt(entries_[i]); }

  // Coordinates of the first version with a vector; 0: there is none.
  size_t dim() const { return dim_; }

  const std::vector<V1Damage>& damage() const { return damage_; }

  // Versions left out because only a damaged snapshot has them.
  size_t unverified() const { return unverified_; }

 private:
  struct File {
    std::string name;
    std::unique_ptr<FileContent> content;
    bool snapshot;
  };
  // Where a version is.
  struct Entry {
    uint64_t lamport;
    uint64_t offset;     // Of a log record, or of a snapshot's version.
    uint64_t id_offset;  // Of its str.
    uint32_t file;
    uint32_t actor;  // In actors_.
    bool unverified;
  };

  V1Collection() = default;
  void AddLog(uint32_t file);
  void AddSnapshot(uint32_t file);
  void AddDamage(uint32_t file, uint64_t offset, uint64_t bytes,
                 absl::string_view reason);
  uint32_t Actor(absl::string_view actor);
  absl::string_view IdAt(const Entry& entry) const;
  void SortAndDeduplicate(bool salvage);

  std::vector<File> files_;
  std::vector<Entry> entries_;
  std::vector<std::string> actors_;
  absl::flat_hash_map<std::string, uint32_t> actor_numbers_;
  std::vector<V1Damage> damage_;
  size_t dim_ = 0;
  size_t unverified_ = 0;
};

// What a directory holds.
struct V1Directory {
  std::vector<std::string> collections = {};  // Those of the manifest, by name.
  // Directories that the manifest does not name: dropped, or never finished.
  std::vector<std::string> unlisted = {};
  std::vector<V1Damage> damage = {};  // A manifest that can not be read.
};

// Lists the collections of `path`. If the manifest can not be read, all
// directories count.
//   NotFound, InvalidArgument  no such directory, or not one of the original
absl::StatusOr<V1Directory> ListV1Directory(FileSystem& files,
                                            const std::string& path);

// The directory of collection `name` below `path`.
std::string V1CollectionPath(const std::string& path, absl::string_view name);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_V1_READER_H_
