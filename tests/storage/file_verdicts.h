#ifndef CORKSCREW_TESTS_STORAGE_FILE_VERDICTS_H_
#define CORKSCREW_TESTS_STORAGE_FILE_VERDICTS_H_

// What the reader of one kind of file says of damaged bytes, without opening
// the database: what opening does follows from this verdict, so that damages
// with the same one need not all be opened.

#include <optional>
#include <string>

#include "tests/storage/damage_images.h"
#include "tests/storage/scratch_directory.h"

namespace corkscrew::testing {

// Single-threaded.
class FileVerdicts {
 public:
  explicit FileVerdicts(const DamageImages* images);

  // The verdict on `bytes` in place of the file of `target`:
  //   log         what the scanner says: how the log ends, and where
  //   table       which blocks have a wrong checksum, by RocksDB's own reader
  //   segment     which columns have a wrong checksum, or the header; or that
  //               the change is in what no column has
  //   sidecar     that its hash is wrong
  //   durable.mark  that it can not be read
  //   OPTIONS, IDENTITY, LOG and LOCK files: that nobody reads them
  // nullopt: damage is not noticed, or there is no reader; open the database.
  std::optional<std::string> Of(const Target& target, const std::string& bytes);

 private:
  std::optional<std::string> OfLog(const Target& target,
                                   const std::string& bytes);
  std::optional<std::string> OfTable(const std::string& bytes);

  const DamageImages& images_;
  ScratchDirectory scratch_;  // A copy of each database, for the scanner.
};

}  // namespace corkscrew::testing

#endif  // CORKSCREW_TESTS_STORAGE_FILE_VERDICTS_H_
