#ifndef CORKSCREW_DB_NOTES_FIXTURE_H_
#define CORKSCREW_DB_NOTES_FIXTURE_H_

// For tests: a local database with one collection, "notes", whose clock stands
// still and whose maintenance runs when the test says so.

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/testing.h"
#include "corkscrew/db.h"
#include "db/engine.h"
#include "db/environment.h"
#include "db/invariants.h"
#include "db/local_db.h"
#include "db/store.h"
#include "gtest/gtest.h"

namespace corkscrew::testing {

class NotesFixture {
 protected:
  static constexpr absl::string_view kName = "notes";

  // `segment_slots` is the size of segments, which are written when a write
  // ends; 0: they are so large that there are none.
  explicit NotesFixture(const CollectionOptions& options,
                        size_t segment_slots = 0)
      : segment_slots_(segment_slots) {
    Open();
    auto created = db_->CreateCollection(kName, options);
    EXPECT_THAT(created, IsOk());
    notes_ = *std::move(created);
  }

  void Open() {
    Options options;
    options.threads = 1;
    options.now = [this] { return now_; };
    Environment environment;
    environment.background = segment_slots_ == 0;
    environment.maintenance_thread = false;
    environment.segment_slots = segment_slots_;
    auto db = OpenLocalDb(path(), options, environment);
    ASSERT_THAT(db, IsOk());
    db_ = *std::move(db);
  }
  void Reopen() {
    notes_ = nullptr;
    ASSERT_THAT(db_->Close(), IsOk());
    Open();
    auto opened = db_->OpenCollection(kName);
    ASSERT_THAT(opened, IsOk());
    notes_ = *std::move(opened);
  }

  // What is wrong with the rows. Closes the database.
  std::vector<std::string> Violations() {
    notes_ = nullptr;
    EXPECT_THAT(db_->Close(), IsOk());
    auto store = Store::Open(path() + "/store", {});
    EXPECT_THAT(store, IsOk());
    return FindViolations(**store);
  }

  // What the maintenance thread does when it wakes.
  void Maintain() { engine().maintenance().RunOnce(); }
  void Pass(absl::Duration time) { now_ += time; }

  Engine& engine() { return static_cast<LocalDb&>(*db_).engine(); }
  std::string path() const { return dir_.path() + "/db"; }

  const size_t segment_slots_;
  TempDir dir_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::unique_ptr<Db> db_;
  std::shared_ptr<Collection> notes_;
};

}  // namespace corkscrew::testing

#endif  // CORKSCREW_DB_NOTES_FIXTURE_H_
