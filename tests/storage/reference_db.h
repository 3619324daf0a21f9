#ifndef CORKSCREW_TESTS_STORAGE_REFERENCE_DB_H_
#define CORKSCREW_TESTS_STORAGE_REFERENCE_DB_H_

// What a database must hold after a sequence of operations, from the
// definitions and in the simplest form: maps of versions, and search by scoring
// every live record. And the comparison of a real one with it.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "corkscrew/db.h"

namespace corkscrew::testing {

inline constexpr size_t kReferenceDim = 4;

struct ReferenceVersion {
  Lamport lamport = 0;
  bool deleted = false;
  std::vector<float> vector = {};
  std::string text = {};
  Metadata metadata = {};
};

// Something that a writer tried.
struct Operation {
  enum class Kind { kCreate, kDrop, kPut, kDelete };
  Kind kind = Kind::kPut;
  std::string collection;
  std::vector<std::string> ids = {};            // kPut, kDelete.
  std::vector<ReferenceVersion> versions = {};  // kPut: one per id.
  std::string request_id = {};
};

// A random put or delete of a few of 24 ids; ids may repeat. `number` makes
// texts unique.
Operation RandomWrite(Random* random, const std::string& collection,
                      uint64_t number);

struct ReferenceCollection {
  uint64_t generation = 0;
  Lamport clock = 0;
  size_t versions = 0;
  std::map<std::string, std::vector<ReferenceVersion>>
      records;  // Oldest first.

  // The version of `id` at `at` if it is live.
  const ReferenceVersion* Live(const std::string& id, Lamport at) const;
};

class ReferenceDb {
 public:
  void Apply(const Operation& operation);

  const std::map<std::string, ReferenceCollection>& collections() const {
    return collections_;
  }
  // Names, generations, clocks and numbers of versions: cheap to compare.
  std::string Summary() const;

 private:
  std::map<std::string, ReferenceCollection> collections_;
  std::map<std::string, uint64_t> generations_;
};

// As ReferenceDb::Summary(), of a real one; the error if it can not be read.
std::string SummaryOf(Db& db);

// Identities of versions with what they stood for, over all lives and copies of
// one replica: no (collection, replica, incarnation, seq) may ever stand for
// two versions.
using Identities = std::map<std::string, std::string>;

// How `db` differs from `reference`; empty if it does not. Everything is read:
// every version of every record, exact searches now and at a random moment.
// With `damage_reported`, reads that answer DataLoss are no difference.
std::string Difference(Db& db, const ReferenceDb& reference, Random* random,
                       Identities* identities, bool damage_reported = false);

}  // namespace corkscrew::testing

#endif  // CORKSCREW_TESTS_STORAGE_REFERENCE_DB_H_
