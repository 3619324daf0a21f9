#ifndef CORKSCREW_DB_LOCAL_COLLECTION_H_
#define CORKSCREW_DB_LOCAL_COLLECTION_H_

// A collection of a database on this machine.

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/collection.h"
#include "db/collection_state.h"
#include "db/engine.h"
#include "db/index.h"
#include "db/moments.h"
#include "db/write_commit.h"

namespace corkscrew {

class LocalCollection : public Collection {
 public:
  LocalCollection(std::shared_ptr<Engine> engine,
                  std::shared_ptr<CollectionState> state)
      : engine_(std::move(engine)), state_(std::move(state)) {}

  const std::string& name() const override { return state_->row().name; }

  absl::StatusOr<CollectionInfo> Info(const CallOptions& call) const override;
  absl::StatusOr<PutReply> Put(absl::Span<const PutItem> items,
                               const WriteOptions& options,
                               const CallOptions& call) override;
  absl::StatusOr<DeleteReply> Delete(absl::Span<const absl::string_view> ids,
                                     const WriteOptions& options,
                                     const CallOptions& call) override;
  absl::StatusOr<DeleteMatchingReply> DeleteMatching(
      const Filter& filter, const WriteOptions& options,
      const CallOptions& call) override;
  absl::StatusOr<PutReply> Patch(absl::Span<const PatchItem> items,
                                 const WriteOptions& options,
                                 const CallOptions& call) override;
  absl::StatusOr<std::vector<std::optional<StoredRecord>>> Get(
      absl::Span<const absl::string_view> ids, const Fields& fields,
      std::optional<Moment> at, const CallOptions& call) const override;
  absl::StatusOr<SearchReply> Search(const Query& query,
                                     const CallOptions& call) const override;
  absl::StatusOr<std::vector<SearchReply>> SearchBatch(
      absl::Span<const Query> queries, const CallOptions& call) const override;
  absl::StatusOr<HistoryReply> History(absl::string_view id,
                                       const HistoryOptions& options,
                                       const CallOptions& call) const override;
  absl::StatusOr<ListReply> List(const ListOptions& options,
                                 const CallOptions& call) const override;
  absl::StatusOr<size_t> Count(const Filter& filter, std::optional<Moment> at,
                               const CallOptions& call) const override;
  absl::StatusOr<CollectionStats> Stats(const CallOptions& call) const override;
  absl::StatusOr<TagInfo> CreateTag(absl::string_view tag,
                                    std::optional<Moment> at,
                                    const CallOptions& call) override;
  absl::Status DeleteTag(absl::string_view tag,
                         const CallOptions& call) override;
  absl::StatusOr<std::vector<TagInfo>> ListTags(
      const CallOptions& call) const override;
  absl::Status SetRetention(const Retention& retention,
                            const CallOptions& call) override;
  absl::StatusOr<Retention> GetRetention(
      const CallOptions& call) const override;
  absl::StatusOr<RetentionReply> ApplyRetention(
      const CallOptions& call) override;
  absl::StatusOr<PurgeReply> Purge(absl::Span<const absl::string_view> ids,
                                   const CallOptions& call) override;

 private:
  // What every call needs first.
  absl::Status Begin(Engine::Call* running, const CallOptions& call) const;
  // The status with the collection's name before its message.
  absl::Status Named(const absl::Status& status) const;
  absl::Status CheckWrite(const WriteOptions& options) const;
  // The reply to a Put or Patch; `statuses` [items] says why items were left
  // out.
  absl::StatusOr<PutReply> ReplyOf(
      const WriteCommit& write, absl::Span<const absl::Status> statuses) const;
  // The next records after *after at `at` that match, up to one write, with the
  // versions seen. Moves *after; *end: there are no more.
  absl::StatusOr<std::vector<PreparedItem>> FindMatching(
      const Filter& filter, Lamport at, std::string* after, bool* end,
      std::deque<std::string>* ids, const CallOptions& call) const;
  // Resolves the moments of a call that begins now.
  MomentResolver Moments() const;
  absl::StatusOr<ReadMoment> Resolve(const std::optional<Moment>& at) const;
  // The index, or NotFound after a drop.
  absl::StatusOr<std::shared_ptr<Index>> LiveIndex() const;
  // The status of a read that may have raced with a drop.
  absl::Status AfterRead(const absl::Status& status) const;

  absl::StatusOr<std::vector<SearchReply>> SearchAll(
      absl::Span<const Query> queries, bool name_index,
      const CallOptions& call) const;

  const std::shared_ptr<Engine> engine_;
  const std::shared_ptr<CollectionState> state_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_LOCAL_COLLECTION_H_
