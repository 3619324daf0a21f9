#ifndef CORKSCREW_TESTS_CONFORMANCE_HARNESS_H_
#define CORKSCREW_TESTS_CONFORMANCE_HARNESS_H_

// The same database behind each of its implementations. The suite is written
// once, against corkscrew::Db; nothing in a test knows which one it runs on.

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/testing.h"
#include "corkscrew/client.h"
#include "corkscrew/db.h"
#include "corkscrew/server.h"
#include "gtest/gtest.h"
#include "tests/conformance/hash_embedder.h"

namespace corkscrew::testing {

inline constexpr size_t kTextDim = 64;

// Names known to the database under test: "words" and "other" have the same
// dim and different spaces.
Options ConformanceOptions();

enum class Kind { kLocal, kRemote };
std::ostream& operator<<(std::ostream& out, Kind kind);

// A fixture that opens a database of the given kind in a new directory.
class ConformanceTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override { Start(); }
  void TearDown() override { Stop(); }

  // Closes everything and opens the same directory again: a restart.
  void Restart() {
    Stop();
    Start();
  }

  // The same, for reading only.
  void RestartForReading() {
    Stop();
    Start(/*read_only=*/true);
  }

  // The clock of the database stands still from here on, `by` later than it
  // was. Restarts it.
  void AdvanceClock(absl::Duration by);

  // The database under test.
  Db& db() { return *tested_; }

  // Creates a collection of bare vectors, or fails the test.
  std::shared_ptr<Collection> Vectors(const std::string& name, size_t dim,
                                      Metric metric = Metric::kCosine);
  // Creates a collection of texts with the model "words".
  std::shared_ptr<Collection> Texts(const std::string& name);

  const std::string& path() const { return directory_.path(); }

  // What a call that saves the database takes for `name`, and the directory
  // that it then makes.
  std::string Where(const std::string& name) const {
    return GetParam() == Kind::kLocal ? SavedTo(name) : name;
  }
  std::string SavedTo(const std::string& name) const {
    return path() + "/saved/" + name;
  }

 private:
  void Start(bool read_only = false);
  void Stop();

  TempDir directory_;
  std::optional<absl::Time> now_;  // Unset: the system's.
  std::unique_ptr<Db> local_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Db> remote_;
  Db* tested_ = nullptr;
};

// Shorthands. They return what the call returned.
absl::StatusOr<PutReply> PutVector(Collection& collection, absl::string_view id,
                                   absl::Span<const float> vector,
                                   const Metadata& metadata = {},
                                   const WriteOptions& options = {});
absl::StatusOr<PutReply> PutText(Collection& collection, absl::string_view id,
                                 absl::string_view text,
                                 const Metadata& metadata = {},
                                 const WriteOptions& options = {});
absl::StatusOr<DeleteReply> DeleteId(Collection& collection,
                                     absl::string_view id,
                                     const WriteOptions& options = {});
// The ids of hits or records, in order.
std::vector<std::string> Ids(const SearchReply& reply);
std::vector<std::string> Ids(const ListReply& reply);

}  // namespace corkscrew::testing

#endif  // CORKSCREW_TESTS_CONFORMANCE_HARNESS_H_
