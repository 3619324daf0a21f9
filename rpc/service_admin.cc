// corkscrew.v1.Admin

#include "base/status_macros.h"
#include "corkscrew/v1/admin.grpc.pb.h"
#include "rpc/convert.h"
#include "rpc/service.h"

namespace corkscrew {
namespace {

class AdminService final : public v1::Admin::Service {
 public:
  explicit AdminService(NodeState& node) : node_(node) {}

  grpc::Status Stats(grpc::ServerContext* context,
                     const v1::StatsRequest* /*request*/,
                     v1::StatsResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.Admin/Stats");
    return call.Run([&]() -> absl::Status {
      CORKSCREW_ASSIGN_OR_RETURN(const DbStats stats,
                                 call.db().Stats(call.options()));
      return ToProto(stats, response);
    });
  }

  grpc::Status CollectionStats(grpc::ServerContext* context,
                               const v1::CollectionStatsRequest* request,
                               v1::CollectionStatsResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.Admin/CollectionStats");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          CORKSCREW_ASSIGN_OR_RETURN(const corkscrew::CollectionStats stats,
                                     collection.Stats(call.options()));
          return ToProto(stats, response->mutable_stats());
        });
  }

 private:
  NodeState& node_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAdminService(NodeState& node) {
  return std::make_unique<AdminService>(node);
}

}  // namespace corkscrew
