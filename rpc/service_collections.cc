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

absl::Status CheckPageSize(uint64_t page_size) {
  if (page_size >= 1 && page_size <= kMaxPageSize) return absl::OkStatus();
  return FieldViolation("request.page_size",
                        absl::StrCat(page_size, ", want 1..", kMaxPageSize));
}

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
      CORKSCREW_RETURN_IF_ERROR(CheckPageSize(page_size));
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

  grpc::Status SetAlias(grpc::ServerContext* context,
                        const v1::SetAliasRequest* request,
                        v1::SetAliasResponse* /*response*/) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.Collections/SetAlias");
    return call.Run([&]() -> absl::Status {
      AliasOptions options;
      if (request->has_if_collection()) {
        options.if_collection = request->if_collection();
      }
      if (request->has_if_unchanged()) {
        options.if_unchanged = {request->if_unchanged().collection(),
                                request->if_unchanged().lamport()};
      }
      return call.db().SetAlias(request->alias().name(),
                                request->alias().collection(), options,
                                call.options());
    });
  }

  grpc::Status DeleteAlias(grpc::ServerContext* context,
                           const v1::DeleteAliasRequest* request,
                           v1::DeleteAliasResponse* /*response*/) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.Collections/DeleteAlias");
    return call.Run(
        [&] { return call.db().DeleteAlias(request->name(), call.options()); });
  }

  // Pages as those of ListCollections().
  grpc::Status ListAliases(grpc::ServerContext* context,
                           const v1::ListAliasesRequest* request,
                           v1::ListAliasesResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.Collections/ListAliases");
    return call.Run([&]() -> absl::Status {
      const uint64_t page_size =
          request->has_page_size() ? request->page_size() : kMaxPageSize;
      CORKSCREW_RETURN_IF_ERROR(CheckPageSize(page_size));
      CORKSCREW_ASSIGN_OR_RETURN(const std::vector<AliasInfo> all,
                                 call.db().ListAliases(call.options()));
      auto next =
          std::upper_bound(all.begin(), all.end(), request->page_token(),
                           [](const std::string& token, const AliasInfo& info) {
                             return token < info.name;
                           });
      for (; next != all.end(); ++next) {
        if (static_cast<uint64_t>(response->aliases_size()) == page_size) {
          response->set_next_page_token(
              response->aliases(response->aliases_size() - 1).name());
          break;
        }
        v1::Alias& alias = *response->add_aliases();
        alias.set_name(next->name);
        alias.set_collection(next->collection);
      }
      return absl::OkStatus();
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
