#ifndef CORKSCREW_DB_ENVIRONMENT_H_
#define CORKSCREW_DB_ENVIRONMENT_H_

// What a database takes from the system beside Options: files, random numbers
// and the name of this boot. Db::Open() takes the real ones; tests put others
// in their place (tests/storage/).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/time/time.h"
#include "base/file_system.h"
#include "base/hash.h"
#include "db/directory.h"

namespace rocksdb {
class Env;
}

namespace corkscrew {

// What it points to must outlive the database.
struct Environment {
  FileSystem* files = &FileSystem::Real();  // For all files but the store's.
  rocksdb::Env* store = nullptr;            // For those; null: the real one.
  // Fills [size] bytes; false if there are no random numbers.
  std::function<bool(uint8_t* out, size_t size)> random = SystemRandom;
  std::function<std::string()> boot_id = BootId;
  // Whether segments are written by a thread; else they are when a write ends.
  bool background = true;
  size_t segment_slots = 0;  // Slots of a segment; 0: as many as make 16 MiB.
  // The longest that a relaxed write waits for its sync. An infinite one leaves
  // syncing to the next write that wants it, and to Close().
  absl::Duration sync_interval = absl::Milliseconds(100);
  // Whether a thread applies retention and expiry now and then. Without it a
  // test does so when it wants (Engine::maintenance()).
  bool maintenance_thread = true;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_ENVIRONMENT_H_
