#ifndef CORKSCREW_DB_ENVIRONMENT_H_
#define CORKSCREW_DB_ENVIRONMENT_H_

// What a database takes from the system beside Options: files, random numbers
// and the name of this boot. Db::Open() takes the real ones; tests put others
// in their place (tests/storage/).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

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
  // Whether a thread applies retention and expiry now and then. Without it a
  // test does so when it wants (Engine::maintenance()).
  bool maintenance_thread = true;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_ENVIRONMENT_H_
