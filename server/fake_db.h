#ifndef CORKSCREW_SERVER_FAKE_DB_H_
#define CORKSCREW_SERVER_FAKE_DB_H_

// For tests only: a Db in memory that remembers what it was asked and fails
// when it is told to. It stores records but does not judge nearness.

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"

namespace corkscrew::testing {

// What a test sees and sets; outlives the Db that a command opens and closes.
struct FakeState {
  std::map<std::string, CollectionInfo> collections = {};
  std::map<std::string, std::string> aliases = {};
  std::map<std::string, StoredRecord> records = {};  // Of all collections.
  Lamport lamport = 0;
  bool closed = false;

  // What was asked last.
  std::vector<Query> queries = {};
  std::vector<size_t> put_sizes = {};  // Records of each Put().
  WriteOptions write_options = {};
  ListOptions list_options = {};
  Filter count_filter = {};
  std::optional<Moment> moment = {};
  std::map<std::string, TagInfo> tags = {};
  Retention retention = {};
  std::string saved_to = {};  // Of a snapshot, a backup, a store of logs.

  absl::Status failure = absl::OkStatus();  // Answer of every call if not OK.
  // Asked at each SetAlias() before anything is changed.
  std::function<absl::Status(const AliasOptions&)> set_alias = nullptr;
  absl::Status close_failure = absl::OkStatus();
  std::string bad_id = {};  // Put refuses a record with this id.
};

std::unique_ptr<Db> MakeFakeDb(FakeState& state);

}  // namespace corkscrew::testing

#endif  // CORKSCREW_SERVER_FAKE_DB_H_
