#ifndef CORKSCREW_DB_BACKUP_MANIFEST_H_
#define CORKSCREW_DB_BACKUP_MANIFEST_H_

// What a snapshot or a generation of backups says of itself
// (docs/storage_format.md, "Snapshots and backups").

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/hash.h"
#include "corkscrew/backup.h"
#include "corkscrew/record.h"
#include "db/rows.h"

namespace corkscrew {

struct BackupManifest {
  struct Collection {
    Uuid uuid = {};
    std::string name = {};
    Lamport lamport = 0;
    Lamport stable = 0;  // Moments up to here can not change any more.
    friend bool operator==(const Collection&, const Collection&) = default;
  };
  // How much of an origin's ops in one stream is inside.
  struct Seen {
    Uuid collection = {};
    uint16_t shard = 0;
    Origin origin = {};
    uint64_t seq = 0;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  // A record that was purged before, here or not.
  struct Purged {
    Uuid collection = {};
    std::string id = {};
    Version version = {};  // Of the purge.
    friend bool operator==(const Purged&, const Purged&) = default;
  };
  struct File {
    std::string name = {};  // Inside "store".
    uint64_t bytes = 0;
    Sha256Digest sha256 = {};
    friend bool operator==(const File&, const File&) = default;
  };

  uint64_t generation = 0;  // Its own number; 0: a snapshot.
  Uuid uuid = {};
  Uuid replica = {};
  uint64_t incarnation = 0;
  FormatRow format = {};
  int64_t wall_ms = 0;
  std::vector<Collection> collections = {};  // By name.
  std::vector<Seen> seen = {};               // In the order of the rows.
  std::vector<Purged> purged = {};           // By collection and id.
  std::vector<File> files = {};              // By name.

  friend bool operator==(const BackupManifest&,
                         const BackupManifest&) = default;
};

// Manifests above this size are refused.
inline constexpr size_t kMaxManifestBytes = size_t{256} << 20;

std::string EncodeManifest(const BackupManifest& manifest);

//   DataLoss            bytes that the encoder can not have written: a wrong
//                       hash, names of files that a store does not have, a
//                       missing or repeated one
//   FailedPrecondition  another form, of an older or newer build
absl::StatusOr<BackupManifest> DecodeManifest(absl::string_view bytes);

// Whether a store has files of this name: NNNNNN.sst, NNNNNN.log,
// MANIFEST-NNNNNN, OPTIONS-NNNNNN, CURRENT.
bool IsStoreFileName(absl::string_view name);

BackupContent ContentOf(const BackupManifest& manifest);
uint64_t TotalBytes(const BackupManifest& manifest);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_BACKUP_MANIFEST_H_
