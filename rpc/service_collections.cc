// corkscrew.v1.Collections

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "corkscrew/limits.h"
#include "corkscrew/v1/collections.grpc.pb.h"
#include "rpc/convert.h"
#include "rpc/service.h"
#include "rpc/status.h"

namespace corkscrew {
namespace {

class CollectionsService final : public v1::Collections::Service {
 public:
  explicit CollectionsService(NodeState& node) : node_(node) {}

  grpc::Status CreateCollection(
      grpc::ServerContext* context, const v1::CreateCollectionRequest* request,
      v1::CreateCollectionResponse* response) override {
    ServiceCall call(node_, *context,
                     "/corkscrew.v1.Collections/CreateCollection");
    return call.Run([&]() -> absl::Status {
      CollectionOptions options;
      CORKSCREW_RETURN_IF_ERROR(FromProto(
          request->options(), FieldPath("request.options"), &options));
      CORKSCREW_ASSIGN_OR_RETURN(
          const std::shared_ptr<Collection> collection,
          call.db().CreateCollection(request->name(), options, call.options()));
      CORKSCREW_ASSIGN_OR_RETURN(const CollectionInfo info,
                                 collection->Info(call.options()));
      return ToProto(info, response->mutable_collection());
    });
  }

  grpc::Status GetCollection(grpc::ServerContext* context,
                             const v1::GetCollectionRequest* request,
                             v1::GetCollectionResponse* response) override {
    ServiceCall call(node_, *context,
                     "/corkscrew.v1.Collections/GetCollection");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          CORKSCREW_ASSIGN_OR_RETURN(const CollectionInfo info,
                                     collection.Info(call.options()));
          return ToProto(info, response->mutable_collection());
        });
  }

  // A page token is the last name of the page before: pages are by name, so
  // collections that come and go shift nothing.
  grpc::Status ListCollections(grpc::ServerContext* context,
                               const v1::ListCollectionsRequest* request,
                               v1::ListCollectionsResponse* response) override {
    ServiceCall call(node_, *context,
                     "/corkscrew.v1.Collections/ListCollections");
    return call.Run([&]() -> absl::Status {
      const uint64_t page_size =
          request->has_page_size() ? request->page_size() : kMaxPageSize;
      if (page_size == 0 || page_size > kMaxPageSize) {
        return FieldViolation(
            "request.page_size",
            absl::StrCat(page_size, ", want 1..", kMaxPageSize));
      }
      CORKSCREW_ASSIGN_OR_RETURN(const std::vector<CollectionInfo> all,
                                 call.db().ListCollections(call.options()));
      auto next = std::upper_bound(
          all.begin(), all.end(), request->page_token(),
          [](const std::string& token, const CollectionInfo& info) {
            return token < info.name;
          });
      for (; next != all.end(); ++next) {
        if (static_cast<uint64_t>(response->collections_size()) == page_size) {
          response->set_next_page_token(
              response->collections(response->collections_size() - 1).name());
          break;
        }
        CORKSCREW_RETURN_IF_ERROR(ToProto(*next, response->add_collections()));
      }
      return absl::OkStatus();
    });
  }

  grpc::Status DropCollection(
      grpc::ServerContext* context, const v1::DropCollectionRequest* request,
      v1::DropCollectionResponse* /*response*/) override {
    ServiceCall call(node_, *context,
                     "/corkscrew.v1.Collections/DropCollection");
    return call.Run([&]() -> absl::Status {
      if (!request->collection().uuid().empty()) {
        CORKSCREW_RETURN_IF_ERROR(call.Open(request->collection()).status());
      }
      return call.db().DropCollection(request->collection().name(),
                                      call.options());
    });
  }

 private:
  NodeState& node_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeCollectionsService(NodeState& node) {
  return std::make_unique<CollectionsService>(node);
}

}  // namespace corkscrew
