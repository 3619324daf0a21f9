#ifndef CORKSCREW_TESTS_STORAGE_FAULTY_DATABASE_H_
#define CORKSCREW_TESTS_STORAGE_FAULTY_DATABASE_H_

// A database on a faulty disk, together with all that was tried on it and all
// that it answered.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/random.h"
#include "corkscrew/db.h"
#include "db/engine.h"
#include "tests/storage/fault_file_system.h"
#include "tests/storage/fault_state.h"
#include "tests/storage/reference_db.h"
#include "tests/storage/scratch_directory.h"

namespace corkscrew::testing {

// Single-threaded.
class FaultyDatabase {
 public:
  explicit FaultyDatabase(uint64_t seed);
  ~FaultyDatabase();

  FaultState& disk() { return disk_; }
  Random& random() { return random_; }
  const std::string& path() const { return path_; }

  // Opens the database and holds it.
  absl::Status Open();
  bool open() const { return db_ != nullptr; }
  // Collection c, created if need be, and `count` random operations on it; ends
  // early when a write's outcome is unknown (then one more is tried, which must
  // be refused) or the disk died.
  void Write(size_t count);
  // Ends the process: nothing is called any more that a dying process would not
  // call. The disk must be dead, or is told to die.
  void Kill();
  absl::Status Close();
  // The system starts again; its files are what LosePower() leaves.
  void LosePower();

  // With the database closed: keeps a copy of the directory, or puts that one
  // back in its place.
  void SaveCopy();
  bool has_copy() const { return has_copy_; }
  void RestoreCopy();

  // With the database open: what it holds is all that was acknowledged and
  // perhaps what was unknown, and nothing else; the rows of the store agree
  // with each other. Returns what is wrong, or "".
  std::string Check(bool rows);
  // Closes the database: the deep check finds nothing in its files, segments
  // included.
  std::string CloseAndCheckFiles();
  // There are writes that nobody knows the outcome of: Check() before more.
  bool unresolved() const { return !perhaps_.empty(); }

  // What happened, for messages.
  const std::string& story() const { return story_; }
  void Tell(std::string what) { story_ += what + "\n"; }

 private:
  void Try(const Operation& operation);
  absl::Status Run(const Operation& operation);

  Random random_;
  ScratchDirectory scratch_;
  const std::string path_;
  FaultState disk_;
  FaultFileSystem files_;
  std::unique_ptr<rocksdb::Env> env_;
  std::shared_ptr<Engine> engine_;
  std::unique_ptr<Db> db_;
  int boot_ = 1;
  uint64_t number_ = 0;
  ReferenceDb certain_;  // All before `perhaps_`.
  // In their order: what may have been lost, a tail of it or all.
  std::vector<Operation> perhaps_;
  Identities identities_;
  bool has_copy_ = false;
  ReferenceDb copied_certain_;
  std::vector<Operation> copied_perhaps_;
  std::string violation_;
  std::string story_;
};

}  // namespace corkscrew::testing

#endif  // CORKSCREW_TESTS_STORAGE_FAULTY_DATABASE_H_
