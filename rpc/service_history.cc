// corkscrew.v1.History

#include <optional>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "corkscrew/v1/history.grpc.pb.h"
#include "rpc/convert.h"
#include "rpc/convert_history.h"
#include "rpc/service.h"

namespace corkscrew {
namespace {

class HistoryService final : public v1::History::Service {
 public:
  explicit HistoryService(NodeState& node) : node_(node) {}

  grpc::Status CreateTag(grpc::ServerContext* context,
                         const v1::CreateTagRequest* request,
                         v1::CreateTagResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.History/CreateTag");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          std::optional<Moment> at;
          if (request->has_at()) {
            CORKSCREW_RETURN_IF_ERROR(FromProto(
                request->at(), FieldPath("request.at"), &at.emplace()));
          }
          CORKSCREW_ASSIGN_OR_RETURN(
              const TagInfo tag,
              collection.CreateTag(request->name(), at, call.options()));
          return ToProto(tag, response->mutable_tag());
        });
  }

  grpc::Status DeleteTag(grpc::ServerContext* context,
                         const v1::DeleteTagRequest* request,
                         v1::DeleteTagResponse* /*response*/) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.History/DeleteTag");
    return call.RunOn(request->collection(), [&](Collection& collection) {
      return collection.DeleteTag(request->name(), call.options());
    });
  }

  grpc::Status ListTags(grpc::ServerContext* context,
                        const v1::ListTagsRequest* request,
                        v1::ListTagsResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.History/ListTags");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          CORKSCREW_ASSIGN_OR_RETURN(const std::vector<TagInfo> tags,
                                     collection.ListTags(call.options()));
          for (const TagInfo& tag : tags) {
            CORKSCREW_RETURN_IF_ERROR(ToProto(tag, response->add_tags()));
          }
          return call.CheckSize(*response, "delete tags");
        });
  }

  grpc::Status SetRetention(grpc::ServerContext* context,
                            const v1::SetRetentionRequest* request,
                            v1::SetRetentionResponse* /*response*/) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.History/SetRetention");
    return call.RunOn(request->collection(), [&](Collection& collection) {
      return collection.SetRetention(FromProto(request->retention()),
                                     call.options());
    });
  }

  grpc::Status GetRetention(grpc::ServerContext* context,
                            const v1::GetRetentionRequest* request,
                            v1::GetRetentionResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.History/GetRetention");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          CORKSCREW_ASSIGN_OR_RETURN(const Retention retention,
                                     collection.GetRetention(call.options()));
          ToProto(retention, response->mutable_retention());
          return absl::OkStatus();
        });
  }

  grpc::Status ApplyRetention(grpc::ServerContext* context,
                              const v1::ApplyRetentionRequest* request,
                              v1::ApplyRetentionResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.History/ApplyRetention");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          CORKSCREW_ASSIGN_OR_RETURN(const RetentionReply reply,
                                     collection.ApplyRetention(call.options()));
          ToProto(reply, response);
          return absl::OkStatus();
        });
  }

  grpc::Status Purge(grpc::ServerContext* context,
                     const v1::PurgeRequest* request,
                     v1::PurgeResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.History/Purge");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          const std::vector<absl::string_view> ids(request->ids().begin(),
                                                   request->ids().end());
          CORKSCREW_ASSIGN_OR_RETURN(const PurgeReply reply,
                                     collection.Purge(ids, call.options()));
          return ToProto(reply, response);
        });
  }

 private:
  NodeState& node_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeHistoryService(NodeState& node) {
  return std::make_unique<HistoryService>(node);
}

}  // namespace corkscrew
