// A collection of a node. Each call names the collection by name and UUID, so
// that a handle never reaches another collection that took the name.

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "rpc/convert.h"
#include "rpc/convert_history.h"
#include "rpc/remote_db.h"

namespace corkscrew {
namespace {

class RemoteCollection final : public Collection {
 public:
  RemoteCollection(std::shared_ptr<RemoteConnection> connection,
                   std::string name, const Uuid& uuid)
      : connection_(std::move(connection)), name_(std::move(name)) {
    ref_.set_name(name_);
    ref_.set_uuid(uuid.bytes.data(), uuid.bytes.size());
  }

  const std::string& name() const override { return name_; }

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
  // Names the collection in an error that this side found.
  absl::Status Named(const absl::Status& status) const {
    if (status.ok()) return status;
    return {status.code(),
            absl::StrCat("collection \"", name_, "\": ", status.message())};
  }
  absl::Status NamedItem(absl::string_view item, size_t index,
                         const absl::Status& status) const {
    if (status.ok()) return status;
    return {status.code(), absl::StrCat("collection \"", name_, "\": ", item,
                                        " ", index, ": ", status.message())};
  }

  absl::Status EncodeIds(
      absl::Span<const absl::string_view> ids,
      google::protobuf::RepeatedPtrField<std::string>* out) const {
    for (size_t i = 0; i < ids.size(); ++i) {
      CORKSCREW_RETURN_IF_ERROR(
          NamedItem("item", i, ToProtoId("id", ids[i], out->Add())));
    }
    return absl::OkStatus();
  }

  // Put() and Patch(), which differ in their messages only.
  template <typename Request, typename Response, typename Item>
  absl::StatusOr<PutReply> Write(
      const char* method,
      std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> (
          v1::Records::Stub::*prepare)(grpc::ClientContext*, const Request&,
                                       grpc::CompletionQueue*),
      absl::Span<const Item> items, const WriteOptions& options,
      const CallOptions& call) const;
  // Puts the replies of the items that were sent among those that could not
  // be.
  static absl::StatusOr<PutReply> Merge(PutReply sent, size_t items,
                                        std::vector<absl::Status> refused);

  const std::shared_ptr<RemoteConnection> connection_;
  const std::string name_;
  v1::CollectionRef ref_;  // Constant after construction.
};

absl::StatusOr<CollectionInfo> RemoteCollection::Info(
    const CallOptions& call) const {
  v1::GetCollectionRequest request;
  v1::GetCollectionResponse response;
  *request.mutable_collection() = ref_;
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->collections(), Effect::kReads, {"GetCollection", name_},
      &v1::Collections::Stub::PrepareAsyncGetCollection, request, call,
      &response));
  CollectionInfo info;
  CORKSCREW_RETURN_IF_ERROR(Decoded(
      FromProto(response.collection(), FieldPath("collection"), &info)));
  return info;
}

template <typename Request, typename Response, typename Item>
absl::StatusOr<PutReply> RemoteCollection::Write(
    const char* method,
    std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> (
        v1::Records::Stub::*prepare)(grpc::ClientContext*, const Request&,
                                     grpc::CompletionQueue*),
    absl::Span<const Item> items, const WriteOptions& options,
    const CallOptions& call) const {
  Request request;
  *request.mutable_collection() = ref_;
  CORKSCREW_RETURN_IF_ERROR(Named(ToProto(options, request.mutable_options())));
  // With skip_invalid, an item that no message can carry is reported like one
  // that the node refuses.
  std::vector<absl::Status> refused(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    refused[i] = NamedItem("item", i, ToProto(items[i], request.add_items()));
    if (refused[i].ok()) continue;
    if (!options.skip_invalid) return refused[i];
    request.mutable_items()->RemoveLast();
  }
  PutReply sent;
  if (request.items().empty() && !refused.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(const CollectionInfo info, Info(call));
    sent.lamport = info.lamport;
  } else {
    Response response;
    CORKSCREW_RETURN_IF_ERROR(
        connection_->Call(connection_->records(), Effect::kWrites,
                          {method, name_}, prepare, request, call, &response));
    CORKSCREW_RETURN_IF_ERROR(Decoded(FromProto(response, &sent)));
  }
  return Merge(std::move(sent), request.items_size(), std::move(refused));
}

absl::StatusOr<PutReply> RemoteCollection::Put(absl::Span<const PutItem> items,
                                               const WriteOptions& options,
                                               const CallOptions& call) {
  return Write("Put", &v1::Records::Stub::PrepareAsyncPut, items, options,
               call);
}

absl::StatusOr<PutReply> RemoteCollection::Patch(
    absl::Span<const PatchItem> items, const WriteOptions& options,
    const CallOptions& call) {
  return Write("Patch", &v1::Records::Stub::PrepareAsyncPatch, items, options,
               call);
}

absl::StatusOr<PutReply> RemoteCollection::Merge(
    PutReply sent, size_t items, std::vector<absl::Status> refused) {
  if (sent.items.size() != items) {
    return Decoded(absl::InvalidArgumentError(absl::StrCat(
        "outcomes for ", sent.items.size(), " items, want ", items)));
  }
  PutReply reply{.lamport = sent.lamport, .replayed = sent.replayed};
  size_t next = 0;
  for (absl::Status& status : refused) {
    if (status.ok()) {
      reply.items.push_back(std::move(sent.items[next++]));
    } else {
      reply.items.push_back({.status = std::move(status)});
    }
  }
  return reply;
}

absl::StatusOr<DeleteReply> RemoteCollection::Delete(
    absl::Span<const absl::string_view> ids, const WriteOptions& options,
    const CallOptions& call) {
  v1::DeleteRequest request;
  v1::DeleteResponse response;
  *request.mutable_collection() = ref_;
  CORKSCREW_RETURN_IF_ERROR(Named(ToProto(options, request.mutable_options())));
  CORKSCREW_RETURN_IF_ERROR(EncodeIds(ids, request.mutable_ids()));
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->records(), Effect::kWrites, {"Delete", name_},
      &v1::Records::Stub::PrepareAsyncDelete, request, call, &response));
  return FromProto(response);
}

absl::StatusOr<DeleteMatchingReply> RemoteCollection::DeleteMatching(
    const Filter& filter, const WriteOptions& options,
    const CallOptions& call) {
  v1::DeleteMatchingRequest request;
  v1::DeleteMatchingResponse response;
  *request.mutable_collection() = ref_;
  CORKSCREW_RETURN_IF_ERROR(Named(ToProto(options, request.mutable_options())));
  CORKSCREW_RETURN_IF_ERROR(Named(ToProto(filter, request.mutable_filter())));
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->records(), Effect::kWrites, {"DeleteMatching", name_},
      &v1::Records::Stub::PrepareAsyncDeleteMatching, request, call,
      &response));
  return DeleteMatchingReply{.lamport = response.lamport(),
                             .deleted = response.deleted(),
                             .replayed = response.replayed()};
}

absl::StatusOr<std::vector<std::optional<StoredRecord>>> RemoteCollection::Get(
    absl::Span<const absl::string_view> ids, const Fields& fields,
    std::optional<Moment> at, const CallOptions& call) const {
  v1::GetRequest request;
  v1::GetResponse response;
  *request.mutable_collection() = ref_;
  CORKSCREW_RETURN_IF_ERROR(EncodeIds(ids, request.mutable_ids()));
  ToProto(fields, request.mutable_fields());
  if (at.has_value()) {
    CORKSCREW_RETURN_IF_ERROR(Named(ToProto(*at, request.mutable_at())));
  }
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->records(), Effect::kReads, {"Get", name_},
      &v1::Records::Stub::PrepareAsyncGet, request, call, &response));
  std::vector<std::optional<StoredRecord>> records(response.results_size());
  for (int i = 0; i < response.results_size(); ++i) {
    if (!response.results(i).has_record()) continue;
    CORKSCREW_RETURN_IF_ERROR(
        Decoded(FromProto(response.results(i).record(), FieldPath("record"),
                          &records[i].emplace())));
  }
  if (records.size() != ids.size()) {
    return Decoded(absl::InvalidArgumentError(
        absl::StrCat(records.size(), " results for ", ids.size(), " ids")));
  }
  return records;
}

absl::StatusOr<SearchReply> RemoteCollection::Search(
    const Query& query, const CallOptions& call) const {
  v1::SearchRequest request;
  v1::SearchResponse response;
  *request.mutable_collection() = ref_;
  CORKSCREW_RETURN_IF_ERROR(Named(ToProto(query, request.mutable_query())));
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->search(), Effect::kReads, {"Search", name_},
      &v1::Search::Stub::PrepareAsyncSearch, request, call, &response));
  SearchReply reply;
  CORKSCREW_RETURN_IF_ERROR(
      Decoded(FromProto(response, FieldPath("response"), &reply)));
  return reply;
}

absl::StatusOr<std::vector<SearchReply>> RemoteCollection::SearchBatch(
    absl::Span<const Query> queries, const CallOptions& call) const {
  v1::SearchBatchRequest request;
  v1::SearchBatchResponse response;
  *request.mutable_collection() = ref_;
  for (size_t i = 0; i < queries.size(); ++i) {
    CORKSCREW_RETURN_IF_ERROR(
        NamedItem("query", i, ToProto(queries[i], request.add_queries())));
  }
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->search(), Effect::kReads, {"SearchBatch", name_},
      &v1::Search::Stub::PrepareAsyncSearchBatch, request, call, &response));
  std::vector<SearchReply> replies(response.responses_size());
  for (int i = 0; i < response.responses_size(); ++i) {
    CORKSCREW_RETURN_IF_ERROR(Decoded(
        FromProto(response.responses(i), FieldPath("response"), &replies[i])));
  }
  if (replies.size() != queries.size()) {
    return Decoded(absl::InvalidArgumentError(absl::StrCat(
        replies.size(), " replies for ", queries.size(), " queries")));
  }
  return replies;
}

absl::StatusOr<HistoryReply> RemoteCollection::History(
    absl::string_view id, const HistoryOptions& options,
    const CallOptions& call) const {
  v1::HistoryRequest request;
  v1::HistoryResponse response;
  *request.mutable_collection() = ref_;
  CORKSCREW_RETURN_IF_ERROR(Named(ToProtoId("id", id, request.mutable_id())));
  CORKSCREW_RETURN_IF_ERROR(Named(ToProtoText("page token", options.page_token,
                                              request.mutable_page_token())));
  ToProto(options.fields, request.mutable_fields());
  request.set_page_size(options.page_size);
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->records(), Effect::kReads, {"History", name_},
      &v1::Records::Stub::PrepareAsyncHistory, request, call, &response));
  HistoryReply reply;
  reply.next_page_token = response.next_page_token();
  reply.versions.resize(response.versions_size());
  for (int i = 0; i < response.versions_size(); ++i) {
    CORKSCREW_RETURN_IF_ERROR(Decoded(FromProto(
        response.versions(i), FieldPath("version"), &reply.versions[i])));
  }
  return reply;
}

absl::StatusOr<ListReply> RemoteCollection::List(
    const ListOptions& options, const CallOptions& call) const {
  v1::ListRequest request;
  v1::ListResponse response;
  *request.mutable_collection() = ref_;
  CORKSCREW_RETURN_IF_ERROR(
      Named(ToProto(options.filter, request.mutable_filter())));
  if (options.at.has_value()) {
    CORKSCREW_RETURN_IF_ERROR(
        Named(ToProto(*options.at, request.mutable_at())));
  }
  CORKSCREW_RETURN_IF_ERROR(Named(ToProtoText("page token", options.page_token,
                                              request.mutable_page_token())));
  ToProto(options.fields, request.mutable_fields());
  request.set_page_size(options.page_size);
  request.set_include_deleted(options.include_deleted);
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->records(), Effect::kReads, {"List", name_},
      &v1::Records::Stub::PrepareAsyncList, request, call, &response));
  ListReply reply;
  reply.next_page_token = response.next_page_token();
  reply.at = response.at();
  reply.records.resize(response.records_size());
  for (int i = 0; i < response.records_size(); ++i) {
    CORKSCREW_RETURN_IF_ERROR(Decoded(FromProto(
        response.records(i), FieldPath("record"), &reply.records[i])));
  }
  return reply;
}

absl::StatusOr<size_t> RemoteCollection::Count(const Filter& filter,
                                               std::optional<Moment> at,
                                               const CallOptions& call) const {
  v1::CountRequest request;
  v1::CountResponse response;
  *request.mutable_collection() = ref_;
  CORKSCREW_RETURN_IF_ERROR(Named(ToProto(filter, request.mutable_filter())));
  if (at.has_value()) {
    CORKSCREW_RETURN_IF_ERROR(Named(ToProto(*at, request.mutable_at())));
  }
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->records(), Effect::kReads, {"Count", name_},
      &v1::Records::Stub::PrepareAsyncCount, request, call, &response));
  return size_t{response.count()};
}

absl::StatusOr<CollectionStats> RemoteCollection::Stats(
    const CallOptions& call) const {
  v1::CollectionStatsRequest request;
  v1::CollectionStatsResponse response;
  *request.mutable_collection() = ref_;
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->admin(), Effect::kReads, {"CollectionStats", name_},
      &v1::Admin::Stub::PrepareAsyncCollectionStats, request, call, &response));
  CollectionStats stats;
  CORKSCREW_RETURN_IF_ERROR(
      Decoded(FromProto(response.stats(), FieldPath("stats"), &stats)));
  return stats;
}

absl::StatusOr<TagInfo> RemoteCollection::CreateTag(absl::string_view tag,
                                                    std::optional<Moment> at,
                                                    const CallOptions& call) {
  v1::CreateTagRequest request;
  v1::CreateTagResponse response;
  *request.mutable_collection() = ref_;
  CORKSCREW_RETURN_IF_ERROR(
      Named(ToProtoId("tag name", tag, request.mutable_name())));
  if (at.has_value()) {
    CORKSCREW_RETURN_IF_ERROR(Named(ToProto(*at, request.mutable_at())));
  }
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->history(), Effect::kWrites, {"CreateTag", name_},
      &v1::History::Stub::PrepareAsyncCreateTag, request, call, &response));
  return FromProto(response.tag());
}

absl::Status RemoteCollection::DeleteTag(absl::string_view tag,
                                         const CallOptions& call) {
  v1::DeleteTagRequest request;
  v1::DeleteTagResponse response;
  *request.mutable_collection() = ref_;
  CORKSCREW_RETURN_IF_ERROR(
      Named(ToProtoId("tag name", tag, request.mutable_name())));
  return connection_->Call(
      connection_->history(), Effect::kWrites, {"DeleteTag", name_},
      &v1::History::Stub::PrepareAsyncDeleteTag, request, call, &response);
}

absl::StatusOr<std::vector<TagInfo>> RemoteCollection::ListTags(
    const CallOptions& call) const {
  v1::ListTagsRequest request;
  v1::ListTagsResponse response;
  *request.mutable_collection() = ref_;
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->history(), Effect::kReads, {"ListTags", name_},
      &v1::History::Stub::PrepareAsyncListTags, request, call, &response));
  std::vector<TagInfo> tags;
  for (const v1::Tag& tag : response.tags()) tags.push_back(FromProto(tag));
  return tags;
}

absl::Status RemoteCollection::SetRetention(const Retention& retention,
                                            const CallOptions& call) {
  v1::SetRetentionRequest request;
  v1::SetRetentionResponse response;
  *request.mutable_collection() = ref_;
  ToProto(retention, request.mutable_retention());
  return connection_->Call(
      connection_->history(), Effect::kWrites, {"SetRetention", name_},
      &v1::History::Stub::PrepareAsyncSetRetention, request, call, &response);
}

absl::StatusOr<Retention> RemoteCollection::GetRetention(
    const CallOptions& call) const {
  v1::GetRetentionRequest request;
  v1::GetRetentionResponse response;
  *request.mutable_collection() = ref_;
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->history(), Effect::kReads, {"GetRetention", name_},
      &v1::History::Stub::PrepareAsyncGetRetention, request, call, &response));
  return FromProto(response.retention());
}

absl::StatusOr<RetentionReply> RemoteCollection::ApplyRetention(
    const CallOptions& call) {
  v1::ApplyRetentionRequest request;
  v1::ApplyRetentionResponse response;
  *request.mutable_collection() = ref_;
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->history(), Effect::kWrites, {"ApplyRetention", name_},
      &v1::History::Stub::PrepareAsyncApplyRetention, request, call,
      &response));
  return FromProto(response);
}

absl::StatusOr<PurgeReply> RemoteCollection::Purge(
    absl::Span<const absl::string_view> ids, const CallOptions& call) {
  v1::PurgeRequest request;
  v1::PurgeResponse response;
  *request.mutable_collection() = ref_;
  CORKSCREW_RETURN_IF_ERROR(EncodeIds(ids, request.mutable_ids()));
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->history(), Effect::kWrites, {"Purge", name_},
      &v1::History::Stub::PrepareAsyncPurge, request, call, &response));
  return FromProto(response);
}

}  // namespace

std::shared_ptr<Collection> MakeRemoteCollection(
    std::shared_ptr<RemoteConnection> connection, std::string name,
    const Uuid& uuid) {
  return std::make_shared<RemoteCollection>(std::move(connection),
                                            std::move(name), uuid);
}

}  // namespace corkscrew
