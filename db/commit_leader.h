#ifndef CORKSCREW_DB_COMMIT_LEADER_H_
#define CORKSCREW_DB_COMMIT_LEADER_H_

// Turns a group of waiting commits into one synced batch of rows: decides
// Lamport times, seqs, request ids, what is unchanged and what exists, in queue
// order; then applies what was written to the indexes.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "db/body.h"
#include "db/collection_registry.h"
#include "db/collection_state.h"
#include "db/current_version.h"
#include "db/durable_mark.h"
#include "db/open_session.h"
#include "db/origin_table.h"
#include "db/request_log.h"
#include "db/rows.h"
#include "db/store.h"
#include "db/write_commit.h"
#include "db/write_guard.h"

namespace corkscrew {

// Used by one thread at a time (see CommitQueue). Borrows everything.
class CommitLeader {
 public:
  // `origin` is the number of this life of the database in `origins`.
  CommitLeader(Store* store, const OriginTable* origins, uint32_t origin,
               CollectionRegistry* registry, RequestLog* requests,
               OpenSession* session, const IndexSettings& index_settings,
               WriteGuard* guard, std::function<absl::Time()> now);

  // Sets the status and the answers of each commit.
  void Process(absl::Span<Commit* const> group);

 private:
  using HeadMap = absl::flat_hash_map<std::pair<uint32_t, std::string>, Head>;
  // A record of the system collection in the making.
  struct SystemRecord {
    std::string id = {};
    Metadata metadata = {};
    std::string text = {};
    PreparedItem item = {};
    WriteCommit commit = {};
  };
  // One batch in the making.
  struct Group {
    explicit Group(WriteBatch b) : batch(std::move(b)) {}
    WriteBatch batch;
    int64_t wall_ms = 0;
    HeadMap heads = {};  // Staged, by collection and id.
    absl::flat_hash_map<std::string, RequestRow> requests = {};  // By key.
    std::vector<const WriteCommit*> writes = {};
    // A create or drop is alone in its group.
    std::unique_ptr<SystemRecord> system_record = nullptr;
    std::shared_ptr<CollectionState> created = nullptr;
    std::shared_ptr<CollectionState> dropped = nullptr;
    std::optional<FeedPosition> last = std::nullopt;  // Of the last op staged.
    const TaskCommit* task = nullptr;                 // Alone in its group too.
  };

  absl::Status Stage(const Commit& commit, Group* group);
  absl::Status StageWrite(WriteCommit* commit, Group* group);
  absl::Status StageCreate(CreateCommit* commit, Group* group);
  absl::Status StageDrop(DropCommit* commit, Group* group);
  absl::Status StageRows(const RowsCommit& commit, Group* group);
  absl::Status StageTask(const TaskCommit& task, Group* group);

  // Answers from an earlier request with the same id. False: there is none.
  absl::StatusOr<bool> Replay(WriteCommit* commit, const Group& group) const;
  // Decides the outcome of each item.
  absl::Status Decide(WriteCommit* commit, Group* group);
  // The same for one item over `head`, its current version if it was read.
  absl::StatusOr<ItemOutcome> DecideItem(const Head& head, int64_t now_ms,
                                         PreparedItem* item,
                                         WriteCommit* commit) const;
  // Stages the ops of the items to be written, at the next Lamport time.
  void AppendOps(WriteCommit* commit, Group* group);
  // An op whose number is known, and its rows that are put behind those of
  // other kinds.
  struct StagedOp {
    std::string feed_key;
    FeedRow feed;
    std::string head_key;
    HeadRow head;
    std::string body_key;
    Body body;
  };
  StagedOp AppendOp(const WriteCommit& commit, const PreparedItem& item,
                    uint32_t index, uint32_t size, Group* group);
  static void AppendStaged(absl::Span<const StagedOp> ops, Group* group);
  void AppendRequest(const WriteCommit& commit, Group* group);
  absl::Status StageCollectionRecord(const CollectionRow& row,
                                     std::string vector_seen, Group* group);
  absl::Status StageSystemRecord(OpKind kind, std::string id, Metadata metadata,
                                 std::string text, Group* group);
  // What this database holds of a collection, as the text of a drop record.
  absl::StatusOr<std::string> VectorSeen(
      const CollectionState& collection) const;

  // Adds what was written to the indexes, where nobody sees it yet.
  void AddToIndexes(const Group& group);
  // Makes it visible.
  void Apply(const Group& group, bool synced);

  Store& store_;
  const CurrentVersions current_;
  const OriginTable& origins_;
  const uint32_t origin_;
  const Origin origin_row_;
  CollectionRegistry& registry_;
  RequestLog& requests_;
  OpenSession& session_;
  const IndexSettings index_settings_;
  WriteGuard& guard_;
  const std::function<absl::Time()> now_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_COMMIT_LEADER_H_
