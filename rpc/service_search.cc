// corkscrew.v1.Search

#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "corkscrew/limits.h"
#include "corkscrew/v1/search.grpc.pb.h"
#include "rpc/convert.h"
#include "rpc/service.h"
#include "rpc/status.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kAskForLess =
    "ask for fewer hits, or without vector or text";

class SearchService final : public v1::Search::Service {
 public:
  explicit SearchService(NodeState& node) : node_(node) {}

  grpc::Status Search(grpc::ServerContext* context,
                      const v1::SearchRequest* request,
                      v1::SearchResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.Search/Search");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          Query query;
          CORKSCREW_RETURN_IF_ERROR(
              FromProto(request->query(), FieldPath("request.query"), &query));
          CORKSCREW_ASSIGN_OR_RETURN(const SearchReply reply,
                                     collection.Search(query, call.options()));
          CORKSCREW_RETURN_IF_ERROR(ToProto(reply, response));
          return call.CheckSize(*response, kAskForLess);
        });
  }

  grpc::Status SearchBatch(grpc::ServerContext* context,
                           const v1::SearchBatchRequest* request,
                           v1::SearchBatchResponse* response) override {
    ServiceCall call(node_, *context, "/corkscrew.v1.Search/SearchBatch");
    return call.RunOn(
        request->collection(), [&](Collection& collection) -> absl::Status {
          std::vector<Query> queries(request->queries_size());
          for (int i = 0; i < request->queries_size(); ++i) {
            CORKSCREW_RETURN_IF_ERROR(FromProto(
                request->queries(i), FieldPath("request").Item("queries", i),
                &queries[i]));
          }
          CORKSCREW_ASSIGN_OR_RETURN(
              const std::vector<SearchReply> replies,
              collection.SearchBatch(queries, call.options()));
          for (const SearchReply& reply : replies) {
            CORKSCREW_RETURN_IF_ERROR(
                ToProto(reply, response->add_responses()));
          }
          return call.CheckSize(*response, kAskForLess);
        });
  }

 private:
  NodeState& node_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeSearchService(NodeState& node) {
  return std::make_unique<SearchService>(node);
}

}  // namespace corkscrew
