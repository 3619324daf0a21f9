// corkscrew.v1.Records

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "corkscrew/limits.h"
#include "corkscrew/v1/records.grpc.pb.h"
#include "rpc/convert.h"
#include "rpc/limits.h"
#include "rpc/service.h"
#include "rpc/status.h"

namespace corkscrew {
namespace {

std::vector<absl::string_view> Views(
    const google::protobuf::RepeatedPtrField<std::string>& ids) {
  return {ids.begin(), ids.end()};
}

absl::Status OptionalMoment(bool present, const v1::Moment& proto,
                            std::optional<Moment>* at) {
  if (!present) return absl::OkStatus();
  return FromProto(proto, FieldPath("request.at"), &at->emplace());
}

absl::Status Apply(Collection& collection,
                   const google::protobuf::RepeatedPtrField<v1::PutItem>& proto,
                   const WriteOptions& options, const CallOptions& call,
                   v1::PutResponse* response) {
  PutItems items;
  CORKSCREW_RETURN_IF_ERROR(FromProto(proto, &items));
  CORKSCREW_ASSIGN_OR_RETURN(const PutReply reply,
                             collection.Put(items.items, options, call));
  ToProto(reply, response);
  return absl::OkStatus();
}

// Fills one page of the wire from pages of the database that grow with how
// small the records turn out to be, so that neither a reply nor the memory
// behind it goes far beyond kMaxReplyBytes. `read` [page_size, page_token]
// appends to `out` and returns the next token.
template <typename Records, typename Read>
absl::Status FillPage(size_t page_size, std::string page_token, Read read,
                      Records* out, std::string* next_page_token) {
  // An invalid page_size is the database's to refuse. Eight records of the
  // largest legal size still fit.
  size_t step =
      page_size > kMaxPageSize ? page_size : std::min<size_t>(page_size, 8);
  size_t bytes = 0;
  for (;;) {
    Records part;
    std::string next;
    CORKSCREW_RETURN_IF_ERROR(read(step, page_token, &part, &next));
    size_t part_bytes = 0;
    for (const auto& record : part) part_bytes += record.ByteSizeLong() + 8;
    if (bytes + part_bytes > kMaxReplyBytes && !out->empty()) {
      *next_page_token = page_token;  // This part is the next page's.
      return absl::OkStatus();
    }
    bytes += part_bytes;
    for (auto& record : part) out->Add(std::move(record));
    const auto have = static_cast<size_t>(out->size());
    if (next.empty() || have >= page_size) {
      *next_page_token = std::move(next);
      return absl::OkStatus();
    }
    page_token = std::move(next);
    const size_t each = std::max<size_t>(bytes / std::max<size_t>(have, 1), 1);
    step = std::clamp<size_t>((kMaxReplyBytes - bytes) / each / 2, 1,
                              page_size - have);
  }
}

// Names the Put of an Import in its error, details kept.
absl::Status OfPut(uint64_t index, const absl::Status& status) {
  absl::Status named(status.code(),
                     absl::StrCat("put ", index, ": ", status.message()));
  status.ForEachPayload(
      [&named](absl::string_view url, const absl::Cord& payload) {
        named.SetPayload(url, payload);
      });
  return named;
}

class RecordsService final : public v1::Records::Service {
 public:
  explicit RecordsService(NodeState& node) : node_(node) {}

  grpc::Status Put(grpc::ServerContext* context, const v1::PutRequest* request,
                   v1::PutResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.Records/Put");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          WriteOptions options;
          CORKSCREW_RETURN_IF_ERROR(FromProto(
              request->options(), FieldPath("request.options"), &options));
          return Apply(collection, request->items(), options, call.options(),
                       response);
        });
  }

  grpc::Status Get(grpc::ServerContext* context, const v1::GetRequest* request,
                   v1::GetResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.Records/Get");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          std::optional<Moment> at;
          CORKSCREW_RETURN_IF_ERROR(
              OptionalMoment(request->has_at(), request->at(), &at));
          CORKSCREW_ASSIGN_OR_RETURN(
              const auto records,
              collection.Get(Views(request->ids()),
                             request->has_fields()
                                 ? FromProto(request->fields())
                                 : Fields(),
                             at, call.options()));
          for (const std::optional<StoredRecord>& record : records) {
            v1::GetResult* result = response->add_results();
            if (!record.has_value()) continue;
            CORKSCREW_RETURN_IF_ERROR(
                ToProto(*record, result->mutable_record()));
          }
          return call.CheckSize(*response,
                                "ask for fewer ids, or without vector or text");
        });
  }

  grpc::Status Delete(grpc::ServerContext* context,
                      const v1::DeleteRequest* request,
                      v1::DeleteResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.Records/Delete");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          WriteOptions options;
          CORKSCREW_RETURN_IF_ERROR(FromProto(
              request->options(), FieldPath("request.options"), &options));
          CORKSCREW_ASSIGN_OR_RETURN(
              const DeleteReply reply,
              collection.Delete(Views(request->ids()), options,
                                call.options()));
          ToProto(reply, response);
          return absl::OkStatus();
        });
  }

  grpc::Status Patch(grpc::ServerContext* context,
                     const v1::PatchRequest* request,
                     v1::PatchResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.Records/Patch");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          WriteOptions options;
          CORKSCREW_RETURN_IF_ERROR(FromProto(
              request->options(), FieldPath("request.options"), &options));
          std::vector<PatchItem> items(request->items_size());
          for (int i = 0; i < request->items_size(); ++i) {
            CORKSCREW_RETURN_IF_ERROR(
                FromProto(request->items(i),
                          FieldPath("request").Item("items", i), &items[i]));
          }
          CORKSCREW_ASSIGN_OR_RETURN(
              const PutReply reply,
              collection.Patch(items, options, call.options()));
          ToProto(reply, response);
          return absl::OkStatus();
        });
  }

  grpc::Status DeleteMatching(grpc::ServerContext* context,
                              const v1::DeleteMatchingRequest* request,
                              v1::DeleteMatchingResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.Records/DeleteMatching");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          WriteOptions options;
          CORKSCREW_RETURN_IF_ERROR(FromProto(
              request->options(), FieldPath("request.options"), &options));
          // One that is not there must not stand for "everything".
          if (!request->has_filter()) {
            return FieldViolation("request.filter", "missing");
          }
          Filter filter;
          CORKSCREW_RETURN_IF_ERROR(FromProto(
              request->filter(), FieldPath("request.filter"), &filter));
          CORKSCREW_ASSIGN_OR_RETURN(
              const DeleteMatchingReply reply,
              collection.DeleteMatching(filter, options, call.options()));
          response->set_lamport(reply.lamport);
          response->set_deleted(reply.deleted);
          response->set_replayed(reply.replayed);
          return absl::OkStatus();
        });
  }

  grpc::Status List(grpc::ServerContext* context,
                    const v1::ListRequest* request,
                    v1::ListResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.Records/List");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          ListOptions options;
          if (request->has_filter()) {
            CORKSCREW_RETURN_IF_ERROR(FromProto(request->filter(),
                                                FieldPath("request.filter"),
                                                &options.filter));
          }
          CORKSCREW_RETURN_IF_ERROR(
              OptionalMoment(request->has_at(), request->at(), &options.at));
          if (request->has_fields()) {
            options.fields = FromProto(request->fields());
          }
          options.include_deleted = request->include_deleted();
          if (request->has_page_size()) {
            options.page_size = request->page_size();
          }
          return FillPage(
              options.page_size, request->page_token(),
              [&](size_t page_size, const std::string& page_token, auto* part,
                  std::string* next) -> absl::Status {
                options.page_size = page_size;
                options.page_token = page_token;
                CORKSCREW_ASSIGN_OR_RETURN(
                    ListReply reply, collection.List(options, call.options()));
                for (const StoredRecord& record : reply.records) {
                  CORKSCREW_RETURN_IF_ERROR(ToProto(record, part->Add()));
                }
                response->set_at(reply.at);
                *next = std::move(reply.next_page_token);
                return absl::OkStatus();
              },
              response->mutable_records(), response->mutable_next_page_token());
        });
  }

  grpc::Status Count(grpc::ServerContext* context,
                     const v1::CountRequest* request,
                     v1::CountResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.Records/Count");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          Filter filter;
          std::optional<Moment> at;
          if (request->has_filter()) {
            CORKSCREW_RETURN_IF_ERROR(FromProto(
                request->filter(), FieldPath("request.filter"), &filter));
          }
          CORKSCREW_RETURN_IF_ERROR(
              OptionalMoment(request->has_at(), request->at(), &at));
          CORKSCREW_ASSIGN_OR_RETURN(
              const size_t count, collection.Count(filter, at, call.options()));
          response->set_count(count);
          return absl::OkStatus();
        });
  }

  grpc::Status History(grpc::ServerContext* context,
                       const v1::HistoryRequest* request,
                       v1::HistoryResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.Records/History");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          HistoryOptions options;
          if (request->has_fields()) {
            options.fields = FromProto(request->fields());
          }
          if (request->has_page_size()) {
            options.page_size = request->page_size();
          }
          return FillPage(
              options.page_size, request->page_token(),
              [&](size_t page_size, const std::string& page_token, auto* part,
                  std::string* next) -> absl::Status {
                options.page_size = page_size;
                options.page_token = page_token;
                CORKSCREW_ASSIGN_OR_RETURN(
                    HistoryReply reply,
                    collection.History(request->id(), options, call.options()));
                for (const StoredRecord& version : reply.versions) {
                  CORKSCREW_RETURN_IF_ERROR(ToProto(version, part->Add()));
                }
                *next = std::move(reply.next_page_token);
                return absl::OkStatus();
              },
              response->mutable_versions(),
              response->mutable_next_page_token());
        });
  }

  grpc::Status Import(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::ImportResponse, v1::ImportRequest>* stream)
      override;

 private:
  NodeState& node_;
};

grpc::Status RecordsService::Import(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<v1::ImportResponse, v1::ImportRequest>* stream) {
  ServiceCall call(node_, *context, "/corkscrew.v1.Records/Import");
  v1::ImportRequest request;
  if (!stream->Read(&request)) return grpc::Status::OK;
  const v1::CollectionRef ref = request.collection();
  call.set_collection(ref.name());

  std::shared_ptr<Collection> collection;
  WriteOptions options;
  absl::Status status = call.Work([&]() -> absl::Status {
    CORKSCREW_ASSIGN_OR_RETURN(collection, call.Open(ref));
    return FromProto(request.options(), FieldPath("request.options"), &options);
  });
  const std::string request_id = options.request_id;
  uint64_t index = 0;
  if (!status.ok()) return call.Ended(status);
  // The next request, which must bring items only.
  const auto next = [&] {
    if (!stream->Read(&request)) return false;
    if (!request.has_collection() && !request.has_options()) return true;
    status = FieldViolation(
        "request", "collection and options belong in the first request only");
    return false;
  };
  bool more = !request.items().empty() || next();
  while (more) {
    status = call.Work([&]() -> absl::Status {
      if (!request_id.empty()) {
        options.request_id = absl::StrCat(request_id, "/", index);
      }
      v1::ImportResponse response;
      response.set_index(index);
      CORKSCREW_RETURN_IF_ERROR(Apply(*collection, request.items(), options,
                                      call.options(), response.mutable_put()));
      if (!stream->Write(response)) {
        return absl::CancelledError("the client is gone");
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return call.Ended(OfPut(index, status));
    ++index;
    more = next();
  }
  return call.Ended(status);
}

}  // namespace

std::unique_ptr<grpc::Service> MakeRecordsService(NodeState& node) {
  return std::make_unique<RecordsService>(node);
}

}  // namespace corkscrew
