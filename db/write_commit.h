#ifndef CORKSCREW_DB_WRITE_COMMIT_H_
#define CORKSCREW_DB_WRITE_COMMIT_H_

// What waits in the commit queue, and what the leader answers.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/collection.h"
#include "corkscrew/filter.h"
#include "corkscrew/metadata.h"
#include "corkscrew/quantizer.h"
#include "db/body.h"
#include "db/collection_state.h"
#include "db/op.h"
#include "db/rows.h"
#include "db/store.h"

namespace corkscrew {

// A record to put or an id to delete, validated, with all that can be computed
// before its place in the log is known. Borrows from the caller of Put() or
// Delete(), who waits.
struct PreparedItem {
  absl::string_view id = {};
  bool invalid = false;  // Left out (skip_invalid).
  bool truncated = false;
  // As in PutItem; of a delete by filter: the version that was seen to match.
  std::optional<Version> if_version = std::nullopt;

  // Of a patch. What follows is then filled in by the leader.
  const PatchItem* patch = nullptr;

  // Of a put:
  absl::string_view text = {};
  const Metadata* metadata = nullptr;
  std::string metadata_bytes = {};  // Canonical.
  VectorForm form = VectorForm::kNone;
  absl::string_view vector_bytes = {};  // As stored.
  absl::Span<const uint8_t> code = {};
  CodeScalars scalars = {};
  absl::Span<const float> original = {};  // Empty without a rescore column.
  uint64_t expires_ms = 0;                // 0: never.
  PartHashes hashes = {};
};

// What the leader makes for a patched item, which points into it.
struct PatchedParts {
  std::string body = {};  // Of the version that is patched.
  Metadata metadata = {};
  std::vector<uint8_t> code = {};
  std::vector<float> original = {};
};

// A delete by filter is many writes; this is what they share.
struct MatchingDelete {
  const Filter* filter = nullptr;
  bool last = false;  // No write follows.
  // Answer, with what the writes before did: of the same request id, also in an
  // earlier life of the process.
  uint64_t deleted = 0;
  Lamport lamport = 0;  // Of the last tombstones; 0: there are none.
};

// A Put, Patch or Delete.
struct WriteCommit {
  std::shared_ptr<CollectionState> collection = nullptr;
  OpKind kind = OpKind::kPut;
  absl::Span<PreparedItem> items = {};
  std::string request_id = {};
  Hash16 request_hash = {};  // Of a request id only.
  bool skip_unchanged = false;
  MatchingDelete* matching = nullptr;  // Null: not a delete by filter.
  std::deque<PatchedParts> patched = {};

  // Answers.
  Lamport lamport = 0;
  uint32_t origin = 0;
  uint64_t first_seq = 0;  // Of the items written.
  std::vector<ItemOutcome> outcomes = {};
  bool replayed = false;
};

struct CreateCommit {
  // The leader decides generation and UUID.
  CollectionRow row = {};
  std::shared_ptr<CollectionState> collection = nullptr;  // The answer.
};

struct DropCommit {
  std::string name = {};
};

// Rows about a collection that are no ops (the catalogue of its segments).
struct RowsCommit {
  std::shared_ptr<CollectionState> collection = nullptr;
  std::vector<std::pair<std::string, std::string>> put = {};  // Key and value.
  std::vector<std::string> remove = {};
};

// What a task may do while the leader stages it, alone in its group.
struct TaskStage {
  WriteBatch& batch;
  int64_t wall_ms = 0;  // The leader's clock.
  // Stages a version of a record of the system collection. At most one for each
  // task, and nothing is staged if it fails.
  std::function<absl::Status(OpKind kind, std::string id, Metadata metadata,
                             std::string text)>
      system_record = nullptr;
};

// Work at a place in the queue that is not a write of records: what it reads in
// stage() can not change before its rows are written.
struct TaskCommit {
  // Adds rows to the batch, or fails and adds none.
  std::function<absl::Status(TaskStage&)> stage = nullptr;
  // Called once the rows are durable.
  std::function<void()> apply = nullptr;
};

// Weight of a commit that shares its group with no other.
inline constexpr size_t kAloneInGroup = size_t{1} << 40;

struct Commit {
  std::variant<WriteCommit*, CreateCommit*, DropCommit*, RowsCommit*,
               TaskCommit*>
      what;
  absl::Status status = absl::OkStatus();
  size_t bytes = 0;  // Roughly what it adds to the log.
  bool sync = true;  // Its answer waits for the log to be synced.
  // Leads to free disk space or memory, or takes none worth speaking of: is
  // taken when writes are refused because there is too little.
  bool makes_room = false;
  // Answer: refused, because the index may not take more memory.
  bool no_memory = false;
};

// The hash that tells whether a request with the same id is the same request
// (docs/storage_format.md, "Requests"). `items` as far as they were valid.
struct RequestItem {
  absl::string_view id = {};
  bool has_vector = false;
  absl::Span<const float> vector = {};
  absl::string_view text = {};
  const std::string* metadata_bytes = nullptr;  // Null: not valid.
  uint64_t expires_ms = 0;
  std::optional<Version> if_version = std::nullopt;
  const PatchItem* patch = nullptr;  // Of a patch: takes the place of the rest.
};
// Part of the format: the first byte of the input of a request hash.
enum class RequestKind : uint8_t {
  kPut = 1,
  kDelete = 2,
  kPatch = 16,
  kDeleteMatching = 17,
};
Hash16 RequestHash(RequestKind kind, absl::Span<const RequestItem> items);
// Of a delete by filter, which has been validated.
Hash16 RequestHash(const Filter& filter);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_WRITE_COMMIT_H_
