#ifndef CORKSCREW_RPC_FAKE_DB_H_
#define CORKSCREW_RPC_FAKE_DB_H_

// For tests only: a Db that keeps what it is asked and answers what it is told.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "corkscrew/db.h"

namespace corkscrew::testing {

// A PutItem that owns its record.
struct OwnedItem {
  Record record;
  std::optional<Version> if_version;
};

// Thread-safe as far as tests need: `asked` is of the last call that ended.
class FakeCollection : public Collection {
 public:
  // What the calls answer.
  struct Answers {
    absl::Status status = absl::OkStatus();  // Of every call, if not OK.
    CollectionInfo info = {};
    PutReply put = {};
    DeleteReply deleted = {};
    DeleteMatchingReply matched = {};
    std::vector<std::optional<StoredRecord>> get = {};
    std::vector<SearchReply> search = {SearchReply()};
    HistoryReply history = {};
    ListReply list = {};
    size_t count = 0;
    CollectionStats stats = {};
    TagInfo tag = {};
    std::vector<TagInfo> tags = {};
    Retention retention = {};
    RetentionReply applied = {};
    PurgeReply purge = {};
    // Runs in every call, before it answers.
    std::function<absl::Status(const CallOptions&)> during = nullptr;
    // If set, answers List() instead of `list`.
    std::function<ListReply(const ListOptions&)> page = nullptr;
  };

  // What the last call was given.
  struct Asked {
    std::vector<OwnedItem> items;
    std::vector<std::string> ids;
    std::vector<PatchItem> patches;  // Their ids are in `ids`.
    WriteOptions write;
    CallOptions call;
    Fields fields;
    std::optional<Moment> at;
    std::vector<Query> queries;
    HistoryOptions history;
    ListOptions list;
    Filter filter;
    std::string tag;
    Retention retention;
    size_t calls = 0;
  };

  explicit FakeCollection(std::string name) : name_(std::move(name)) {
    answers_.info.name = name_;
  }

  const std::string& name() const override { return name_; }

  void Answer(Answers answers) {
    MutexLock lock(&mutex_);
    answers.info.name = name_;
    answers_ = std::move(answers);
  }
  Answers answers() const {
    MutexLock lock(&mutex_);
    return answers_;
  }
  Asked asked() const {
    MutexLock lock(&mutex_);
    return asked_;
  }

  absl::StatusOr<CollectionInfo> Info(const CallOptions&) const override {
    return answers().info;
  }
  absl::StatusOr<PutReply> Put(absl::Span<const PutItem> items,
                               const WriteOptions& options,
                               const CallOptions& call) override {
    Asked asked;
    for (const PutItem& item : items) {
      const RecordView& view = item.record;
      asked.items.push_back(
          {{std::string(view.id),
            {view.vector.begin(), view.vector.end()},
            std::string(view.text),
            view.metadata == nullptr ? Metadata() : *view.metadata},
           item.if_version});
    }
    asked.write = options;
    return Finish(std::move(asked), call, &Answers::put);
  }
  absl::StatusOr<DeleteReply> Delete(absl::Span<const absl::string_view> ids,
                                     const WriteOptions& options,
                                     const CallOptions& call) override {
    Asked asked;
    asked.ids = std::vector<std::string>(ids.begin(), ids.end());
    asked.write = options;
    return Finish(std::move(asked), call, &Answers::deleted);
  }
  absl::StatusOr<DeleteMatchingReply> DeleteMatching(
      const Filter& filter, const WriteOptions& options,
      const CallOptions& call) override {
    Asked asked;
    asked.filter = filter;
    asked.write = options;
    return Finish(std::move(asked), call, &Answers::matched);
  }
  absl::StatusOr<PutReply> Patch(absl::Span<const PatchItem> items,
                                 const WriteOptions& options,
                                 const CallOptions& call) override {
    Asked asked;
    for (const PatchItem& item : items) {
      asked.ids.emplace_back(item.id);
      asked.patches.push_back(item);
      asked.patches.back().id = {};
    }
    asked.write = options;
    return Finish(std::move(asked), call, &Answers::put);
  }
  absl::StatusOr<std::vector<std::optional<StoredRecord>>> Get(
      absl::Span<const absl::string_view> ids, const Fields& fields,
      std::optional<Moment> at, const CallOptions& call) const override {
    Asked asked;
    asked.ids = std::vector<std::string>(ids.begin(), ids.end());
    asked.fields = fields;
    asked.at = std::move(at);
    return Finish(std::move(asked), call, &Answers::get);
  }
  absl::StatusOr<SearchReply> Search(const Query& query,
                                     const CallOptions& call) const override {
    Asked asked;
    asked.queries = {query};
    CORKSCREW_ASSIGN_OR_RETURN(
        std::vector<SearchReply> replies,
        Finish(std::move(asked), call, &Answers::search));
    return std::move(replies.at(0));
  }
  absl::StatusOr<std::vector<SearchReply>> SearchBatch(
      absl::Span<const Query> queries, const CallOptions& call) const override {
    Asked asked;
    asked.queries.assign(queries.begin(), queries.end());
    return Finish(std::move(asked), call, &Answers::search);
  }
  absl::StatusOr<HistoryReply> History(absl::string_view id,
                                       const HistoryOptions& options,
                                       const CallOptions& call) const override {
    Asked asked;
    asked.ids = {std::string(id)};
    asked.history = options;
    return Finish(std::move(asked), call, &Answers::history);
  }
  absl::StatusOr<ListReply> List(const ListOptions& options,
                                 const CallOptions& call) const override {
    Asked asked;
    asked.list = options;
    CORKSCREW_ASSIGN_OR_RETURN(ListReply reply,
                               Finish(std::move(asked), call, &Answers::list));
    const auto page = answers().page;
    return page != nullptr ? page(options) : reply;
  }
  absl::StatusOr<size_t> Count(const Filter& filter, std::optional<Moment> at,
                               const CallOptions& call) const override {
    Asked asked;
    asked.filter = filter;
    asked.at = std::move(at);
    return Finish(std::move(asked), call, &Answers::count);
  }
  absl::StatusOr<CollectionStats> Stats(
      const CallOptions& call) const override {
    return Finish(Asked(), call, &Answers::stats);
  }
  absl::StatusOr<TagInfo> CreateTag(absl::string_view tag,
                                    std::optional<Moment> at,
                                    const CallOptions& call) override {
    Asked asked;
    asked.tag = std::string(tag);
    asked.at = std::move(at);
    return Finish(std::move(asked), call, &Answers::tag);
  }
  absl::Status DeleteTag(absl::string_view tag,
                         const CallOptions& call) override {
    Asked asked;
    asked.tag = std::string(tag);
    return Finish(std::move(asked), call, &Answers::tag).status();
  }
  absl::StatusOr<std::vector<TagInfo>> ListTags(
      const CallOptions& call) const override {
    return Finish(Asked(), call, &Answers::tags);
  }
  absl::Status SetRetention(const Retention& retention,
                            const CallOptions& call) override {
    Asked asked;
    asked.retention = retention;
    return Finish(std::move(asked), call, &Answers::retention).status();
  }
  absl::StatusOr<Retention> GetRetention(
      const CallOptions& call) const override {
    return Finish(Asked(), call, &Answers::retention);
  }
  absl::StatusOr<RetentionReply> ApplyRetention(
      const CallOptions& call) override {
    return Finish(Asked(), call, &Answers::applied);
  }
  absl::StatusOr<PurgeReply> Purge(absl::Span<const absl::string_view> ids,
                                   const CallOptions& call) override {
    Asked asked;
    asked.ids = std::vector<std::string>(ids.begin(), ids.end());
    return Finish(std::move(asked), call, &Answers::purge);
  }

 private:
  template <typename T>
  absl::StatusOr<T> Finish(Asked asked, const CallOptions& call,
                           T Answers::*answer) const {
    const Answers answers = this->answers();
    if (answers.during != nullptr) {
      CORKSCREW_RETURN_IF_ERROR(answers.during(call));
    }
    MutexLock lock(&mutex_);
    asked.call = {.deadline = call.deadline};
    asked.calls = asked_.calls + 1;
    asked_ = std::move(asked);
    CORKSCREW_RETURN_IF_ERROR(answers.status);
    return answers.*answer;
  }

  const std::string name_;
  mutable Mutex mutex_;
  Answers answers_ ABSL_GUARDED_BY(mutex_);
  mutable Asked asked_ ABSL_GUARDED_BY(mutex_);
};

class FakeDb : public Db {
 public:
  // What the calls that save the database answer.
  struct Saves {
    // Runs first; its error is the answer.
    std::function<absl::Status(const std::string& where, const BackupOptions&,
                               const CallOptions&)>
        during = nullptr;
    BackupContent snapshot = {};
    BackupInfo backup = {};
    OffloadReply offload = {};
  };
  void set_saves(Saves saves) {
    MutexLock lock(&mutex_);
    saves_ = std::move(saves);
  }
  absl::StatusOr<BackupContent> Snapshot(absl::string_view where,
                                         const BackupOptions& options,
                                         const CallOptions& call) override {
    return Save(where, options, call, &Saves::snapshot);
  }
  absl::StatusOr<BackupInfo> Backup(absl::string_view where,
                                    const BackupOptions& options,
                                    const CallOptions& call) override {
    return Save(where, options, call, &Saves::backup);
  }
  absl::StatusOr<OffloadReply> OffloadLogs(absl::string_view where,
                                           const BackupOptions& options,
                                           const CallOptions& call) override {
    return Save(where, options, call, &Saves::offload);
  }

  absl::StatusOr<std::shared_ptr<Collection>> CreateCollection(
      absl::string_view name, const CollectionOptions& options,
      const CallOptions&) override {
    MutexLock lock(&mutex_);
    const auto [at, fresh] = collections_.try_emplace(std::string(name));
    if (!fresh) {
      return absl::AlreadyExistsError(
          absl::StrCat("collection \"", name, "\": exists"));
    }
    at->second = std::make_shared<FakeCollection>(at->first);
    FakeCollection::Answers answers;
    answers.info.options = options;
    answers.info.uuid.bytes[15] = static_cast<uint8_t>(++created_);
    at->second->Answer(std::move(answers));
    return std::shared_ptr<Collection>(at->second);
  }
  absl::StatusOr<std::shared_ptr<Collection>> OpenCollection(
      absl::string_view name, const CallOptions&) override {
    CORKSCREW_ASSIGN_OR_RETURN(std::shared_ptr<Collection> found, Find(name));
    return found;
  }
  absl::Status DropCollection(absl::string_view name,
                              const CallOptions&) override {
    CORKSCREW_RETURN_IF_ERROR(Find(name).status());
    MutexLock lock(&mutex_);
    collections_.erase(std::string(name));
    return absl::OkStatus();
  }
  // Keeps aliases but opens nothing by them.
  absl::Status SetAlias(absl::string_view alias, absl::string_view collection,
                        const AliasOptions& options,
                        const CallOptions&) override {
    MutexLock lock(&mutex_);
    aliases_[std::string(alias)] = std::string(collection);
    alias_options_ = options;
    return absl::OkStatus();
  }
  absl::Status DeleteAlias(absl::string_view alias,
                           const CallOptions&) override {
    MutexLock lock(&mutex_);
    if (aliases_.erase(std::string(alias)) == 1) return absl::OkStatus();
    return absl::NotFoundError(absl::StrCat("no alias \"", alias, "\""));
  }
  absl::StatusOr<std::vector<AliasInfo>> ListAliases(
      const CallOptions&) override {
    std::vector<AliasInfo> infos;
    MutexLock lock(&mutex_);
    for (const auto& [name, collection] : aliases_) {
      infos.push_back({name, collection});
    }
    return infos;
  }
  AliasOptions alias_options() const {
    MutexLock lock(&mutex_);
    return alias_options_;
  }

  absl::StatusOr<std::vector<CollectionInfo>> ListCollections(
      const CallOptions& call) override {
    std::vector<CollectionInfo> infos;
    MutexLock lock(&mutex_);
    for (const auto& [name, collection] : collections_) {
      infos.push_back(*collection->Info(call));
    }
    return infos;
  }
  absl::StatusOr<DbStats> Stats(const CallOptions&) override {
    MutexLock lock(&mutex_);
    return stats_;
  }
  absl::Status Close() override { return absl::OkStatus(); }

  // The collection behind the handle of the same name.
  absl::StatusOr<std::shared_ptr<FakeCollection>> Find(
      absl::string_view name) const {
    MutexLock lock(&mutex_);
    const auto at = collections_.find(std::string(name));
    if (at != collections_.end()) return at->second;
    return absl::NotFoundError(
        absl::StrCat("collection \"", name, "\": no such collection"));
  }
  void set_stats(DbStats stats) {
    MutexLock lock(&mutex_);
    stats_ = std::move(stats);
  }

 private:
  template <typename T>
  absl::StatusOr<T> Save(absl::string_view where, const BackupOptions& options,
                         const CallOptions& call, T Saves::*answer) const {
    Saves saves;
    {
      MutexLock lock(&mutex_);
      saves = saves_;
    }
    if (saves.during != nullptr) {
      CORKSCREW_RETURN_IF_ERROR(
          saves.during(std::string(where), options, call));
    }
    return saves.*answer;
  }

  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<FakeCollection>> collections_
      ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> aliases_ ABSL_GUARDED_BY(mutex_);
  AliasOptions alias_options_ ABSL_GUARDED_BY(mutex_);
  DbStats stats_ ABSL_GUARDED_BY(mutex_);
  Saves saves_ ABSL_GUARDED_BY(mutex_);
  int created_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace corkscrew::testing

#endif  // CORKSCREW_RPC_FAKE_DB_H_
