#ifndef CORKSCREW_DB_FLAWS_H_
#define CORKSCREW_DB_FLAWS_H_

// Rules of the store that a test can break on purpose, to show that the tests
// of durability notice (tests/storage/mutants.cc). Never set by the product.

namespace corkscrew {

struct Flaws {
  bool no_sync = false;           // Acknowledges before the log is synced.
  bool default_recovery = false;  // Opens the log as RocksDB does by default:
                                  // damage ends it in silence.
  bool no_lock = false;           // Does not lock the directory.
  bool no_incarnation = false;    // Keeps the incarnation for ever.
  bool no_merge_order = false;    // Takes the first of several versions with
                                  // an equal Lamport time.
};

// Of this process; set before a database is opened.
inline Flaws& FlawsForTests() {
  static Flaws flaws;
  return flaws;
}

}  // namespace corkscrew

#endif  // CORKSCREW_DB_FLAWS_H_
