#ifndef CORKSCREW_DB_OPEN_SESSION_H_
#define CORKSCREW_DB_OPEN_SESSION_H_

// What an opened directory says about itself: that it is in use, how far it has
// come, and that it was closed. Nothing of it is written before the first
// write, so that opening and closing alone change nothing.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "db/durable_mark.h"
#include "db/environment.h"
#include "db/rows.h"
#include "db/store.h"

namespace corkscrew {

// Used by one thread at a time: the commit leader. Borrows everything.
class OpenSession {
 public:
  // `last` is the row `m open` as it is (default: there is none).
  OpenSession(const std::string& path, const Environment& environment,
              Store* store, const OpenRow& last, uint64_t incarnation);

  // Before a write: makes the new marker of the directory, beside the old one.
  // Only the first call does something.
  //   errors of files; nothing may be written then
  absl::Status Begin();

  // Adds to the first batch the row that names the new marker.
  void Stage(WriteBatch* batch) const;

  // After the batch was written and synced: puts the marker in its place, and
  // rewrites durable.mark if that is a second ago. `last` is the last op of the
  // batch. Errors are for the next time: neither is needed for what was
  // written.
  void Written(absl::Time now, const std::optional<FeedPosition>& last);

  // After opening: goes on from durable.mark, or writes it if it is not one of
  // this incarnation.
  void RenewMark();

  // Records that everything is in the store. Nothing else may be written.
  absl::Status Close();

 private:
  void PlaceMarker();
  void WriteMark();

  const std::string path_;
  const Environment& environment_;
  Store& store_;
  const uint64_t incarnation_;
  OpenRow row_;
  bool begun_ = false;    // There is a new marker,
  bool written_ = false;  // which the store names,
  bool placed_ = false;   // and which has its place.
  std::optional<absl::Time> marked_ = std::nullopt;
  std::optional<FeedPosition> position_ = std::nullopt;  // Of the last op.
};

// Removes what a crash may have left half written in the database `path`, which
// is locked and not open yet.
void RemoveStrayFiles(FileSystem& files, const std::string& path);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_OPEN_SESSION_H_
