#include "server/fake_db.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"

namespace corkscrew::testing {
namespace {

class FakeCollection : public Collection {
 public:
  FakeCollection(std::string name, FakeState& state)
      : name_(std::move(name)), state_(state) {}

  const std::string& name() const override { return name_; }

  absl::StatusOr<CollectionInfo> Info(const CallOptions&) const override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    CollectionInfo info = state_.collections[name_];
    info.lamport = state_.lamport;
    info.records = state_.records.size();
    return info;
  }

  absl::StatusOr<PutReply> Put(absl::Span<const PutItem> items,
                               const WriteOptions& options,
                               const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    state_.write_options = options;
    state_.put_sizes.push_back(items.size());
    PutReply reply;
    reply.lamport = ++state_.lamport;
    for (const PutItem& item : items) {
      PutOutcome outcome;
      if (item.record.id == state_.bad_id) {
        outcome.status = absl::InvalidArgumentError("a bad record");
      } else {
        outcome.unchanged =
            state_.records.contains(std::string(item.record.id));
        outcome.truncated = item.record.text.size() > 100;
        StoredRecord& stored = state_.records[std::string(item.record.id)];
        stored.record.id = std::string(item.record.id);
        stored.record.text = std::string(item.record.text);
        stored.record.vector.assign(item.record.vector.begin(),
                                    item.record.vector.end());
        if (item.record.metadata != nullptr) {
          stored.record.metadata = *item.record.metadata;
        }
        stored.expires_ms = item.record.expires_ms;
        stored.version.lamport = reply.lamport;
      }
      reply.items.push_back(std::move(outcome));
    }
    return reply;
  }

  absl::StatusOr<DeleteReply> Delete(absl::Span<const absl::string_view> ids,
                                     const WriteOptions&,
                                     const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    DeleteReply reply;
    reply.lamport = ++state_.lamport;
    for (const absl::string_view id : ids) {
      reply.deleted.push_back(state_.records.erase(std::string(id)) > 0);
    }
    return reply;
  }

  absl::StatusOr<DeleteMatchingReply> DeleteMatching(
      const Filter& filter, const WriteOptions& options,
      const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    state_.write_options = options;
    state_.count_filter = filter;
    DeleteMatchingReply reply;
    reply.lamport = ++state_.lamport;
    reply.deleted = state_.records.size();
    state_.records.clear();
    return reply;
  }

  absl::StatusOr<PutReply> Patch(absl::Span<const PatchItem> items,
                                 const WriteOptions& options,
                                 const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    state_.write_options = options;
    PutReply reply;
    reply.lamport = ++state_.lamport;
    for (const PatchItem& item : items) {
      const auto found = state_.records.find(std::string(item.id));
      if (found == state_.records.end()) {
        return absl::NotFoundError(absl::StrCat("no record ", item.id));
      }
      Metadata& metadata = found->second.record.metadata;
      for (const auto& [key, value] : item.set) metadata[key] = value;
      for (const std::string& key : item.remove) metadata.erase(key);
      PutOutcome& outcome = reply.items.emplace_back();
      outcome.version.lamport = reply.lamport;
      found->second.version = outcome.version;
    }
    return reply;
  }

  absl::StatusOr<std::vector<std::optional<StoredRecord>>> Get(
      absl::Span<const absl::string_view> ids, const Fields& fields,
      std::optional<Moment> at, const CallOptions&) const override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    state_.moment = at;
    std::vector<std::optional<StoredRecord>> records;
    for (const absl::string_view id : ids) {
      const auto found = state_.records.find(std::string(id));
      if (found == state_.records.end()) {
        records.emplace_back();
      } else {
        records.emplace_back(found->second);
        if (!fields.vector) records.back()->record.vector.clear();
      }
    }
    return records;
  }

  absl::StatusOr<SearchReply> Search(const Query& query,
                                     const CallOptions&) const override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    state_.queries.push_back(query);
    const auto* const text = std::get_if<std::string>(&query.target);
    if (text != nullptr && *text == "refuse") {
      return absl::InvalidArgumentError("a bad query");
    }
    SearchReply reply;
    reply.at = state_.lamport;
    for (const auto& [id, stored] : state_.records) {
      if (reply.hits.size() == query.k) break;
      Hit hit;
      hit.id = id;
      hit.score = 1.0f / static_cast<float>(reply.hits.size() + 1);
      hit.version = stored.version;
      hit.text = stored.record.text;
      reply.hits.push_back(std::move(hit));
    }
    return reply;
  }

  absl::StatusOr<std::vector<SearchReply>> SearchBatch(
      absl::Span<const Query> queries, const CallOptions& call) const override {
    std::vector<SearchReply> replies;
    for (const Query& query : queries) {
      CORKSCREW_ASSIGN_OR_RETURN(SearchReply reply, Search(query, call));
      replies.push_back(std::move(reply));
    }
    return replies;
  }

  absl::StatusOr<HistoryReply> History(absl::string_view id,
                                       const HistoryOptions&,
                                       const CallOptions&) const override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    HistoryReply reply;
    const auto found = state_.records.find(std::string(id));
    if (found != state_.records.end()) reply.versions.push_back(found->second);
    return reply;
  }

  // Page tokens are the last id of the page before.
  absl::StatusOr<ListReply> List(const ListOptions& options,
                                 const CallOptions&) const override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    state_.list_options = options;
    ListReply reply;
    reply.at = state_.lamport;
    auto next = state_.records.upper_bound(options.page_token);
    for (; next != state_.records.end() &&
           reply.records.size() < options.page_size;
         ++next) {
      reply.records.push_back(next->second);
    }
    if (next != state_.records.end()) {
      reply.next_page_token = reply.records.back().record.id;
    }
    return reply;
  }

  absl::StatusOr<size_t> Count(const Filter& filter, std::optional<Moment> at,
                               const CallOptions&) const override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    state_.count_filter = filter;
    state_.moment = at;
    return state_.records.size();
  }

  absl::StatusOr<CollectionStats> Stats(
      const CallOptions& call) const override {
    CollectionStats stats;
    CORKSCREW_ASSIGN_OR_RETURN(stats.info, Info(call));
    return stats;
  }

  absl::StatusOr<TagInfo> CreateTag(absl::string_view tag,
                                    std::optional<Moment> at,
                                    const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    state_.moment = at;
    TagInfo& info = state_.tags[std::string(tag)];
    info = {std::string(tag), state_.lamport, 1'769'860'800'000};
    return info;
  }

  absl::Status DeleteTag(absl::string_view tag, const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    if (state_.tags.erase(std::string(tag)) > 0) return absl::OkStatus();
    return absl::NotFoundError(absl::StrCat("there is no tag \"", tag, "\""));
  }

  absl::StatusOr<std::vector<TagInfo>> ListTags(
      const CallOptions&) const override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    std::vector<TagInfo> tags;
    for (const auto& [name, tag] : state_.tags) tags.push_back(tag);
    return tags;
  }

  absl::Status SetRetention(const Retention& retention,
                            const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    state_.retention = retention;
    return absl::OkStatus();
  }

  absl::StatusOr<Retention> GetRetention(const CallOptions&) const override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    return state_.retention;
  }

  absl::StatusOr<RetentionReply> ApplyRetention(const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    return RetentionReply{.removed = 1234, .floor = state_.lamport};
  }

  absl::StatusOr<PurgeReply> Purge(absl::Span<const absl::string_view> ids,
                                   const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    PurgeReply reply{.lamport = ++state_.lamport, .untouched = {"/backup/1"}};
    for (const absl::string_view id : ids) {
      reply.purged += state_.records.erase(std::string(id));
    }
    return reply;
  }

 private:
  const std::string name_;
  FakeState& state_;
};

class FakeDb : public Db {
 public:
  explicit FakeDb(FakeState& state) : state_(state) {}

  absl::StatusOr<std::shared_ptr<Collection>> CreateCollection(
      absl::string_view name, const CollectionOptions& options,
      const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    CollectionInfo& info = state_.collections[std::string(name)];
    info.name = std::string(name);
    info.options = options;
    return std::make_shared<FakeCollection>(info.name, state_);
  }

  absl::StatusOr<std::shared_ptr<Collection>> OpenCollection(
      absl::string_view name, const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    const auto alias = state_.aliases.find(std::string(name));
    const std::string own =
        alias == state_.aliases.end() ? std::string(name) : alias->second;
    if (!state_.collections.contains(own)) {
      return absl::NotFoundError(
          absl::StrCat("collection \"", name, "\" does not exist"));
    }
    return std::make_shared<FakeCollection>(own, state_);
  }

  absl::Status DropCollection(absl::string_view name,
                              const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(OpenCollection(name, {}).status());
    state_.collections.erase(std::string(name));
    return absl::OkStatus();
  }

  absl::Status SetAlias(absl::string_view alias, absl::string_view collection,
                        const AliasOptions& options,
                        const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    if (state_.set_alias != nullptr) {
      CORKSCREW_RETURN_IF_ERROR(state_.set_alias(options));
    }
    state_.aliases[std::string(alias)] = std::string(collection);
    return absl::OkStatus();
  }
  absl::Status DeleteAlias(absl::string_view alias,
                           const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    if (state_.aliases.erase(std::string(alias)) == 1) return absl::OkStatus();
    return absl::NotFoundError(absl::StrCat("no alias \"", alias, "\""));
  }
  absl::StatusOr<std::vector<AliasInfo>> ListAliases(
      const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    std::vector<AliasInfo> infos;
    for (const auto& [name, collection] : state_.aliases) {
      infos.push_back({name, collection});
    }
    return infos;
  }

  absl::StatusOr<std::vector<CollectionInfo>> ListCollections(
      const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    std::vector<CollectionInfo> infos;
    for (const auto& [name, info] : state_.collections) infos.push_back(info);
    return infos;
  }

  absl::StatusOr<DbStats> Stats(const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    return DbStats();
  }

  // They say half-way and the end of 100 bytes.
  absl::StatusOr<BackupContent> Snapshot(absl::string_view where,
                                         const BackupOptions& options,
                                         const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(Save(where, options));
    return BackupContent{.files = 3, .bytes = 100};
  }
  absl::StatusOr<BackupInfo> Backup(absl::string_view where,
                                    const BackupOptions& options,
                                    const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(Save(where, options));
    return BackupInfo{7, {.files = 3, .bytes = 100}, 40};
  }
  absl::StatusOr<OffloadReply> OffloadLogs(absl::string_view where,
                                           const BackupOptions& options,
                                           const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(Save(where, options));
    return OffloadReply{.new_ops = 5,
                        .new_bytes = 100,
                        .logs = {{.name = "notes",
                                  .lineage = 1,
                                  .position = 9,
                                  .segments = 2,
                                  .bytes = 180}}};
  }

  absl::Status Close() override {
    state_.closed = true;
    return state_.close_failure;
  }

 private:
  absl::Status Save(absl::string_view where, const BackupOptions& options) {
    CORKSCREW_RETURN_IF_ERROR(state_.failure);
    state_.saved_to = std::string(where);
    if (options.progress == nullptr) return absl::OkStatus();
    options.progress({50, 100});
    options.progress({100, 100});
    return absl::OkStatus();
  }

  FakeState& state_;
};

}  // namespace

std::unique_ptr<Db> MakeFakeDb(FakeState& state) {
  return std::make_unique<FakeDb>(state);
}

}  // namespace corkscrew::testing
