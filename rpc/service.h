#ifndef CORKSCREW_RPC_SERVICE_H_
#define CORKSCREW_RPC_SERVICE_H_

// The services of corkscrew.v1 over any Db. A handler decodes the request,
// calls the database, and encodes the reply; what all handlers share is here.

#include <atomic>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "corkscrew/db.h"
#include "corkscrew/v1/types.pb.h"
#include "google/protobuf/message.h"
#include "grpcpp/impl/codegen/service_type.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"

namespace corkscrew {

// What the services of one node share. Thread-safe.
struct NodeState {
  NodeState(Db& database, absl::Duration longest_call)
      : db(database), max_deadline(longest_call) {}

  Db& db;
  const absl::Duration max_deadline;   // Of one call, or one Put of an Import.
  std::atomic<bool> draining = false;  // No new call is taken.
};

// One call in its handler. Single-threaded. Borrows everything.
class ServiceCall {
 public:
  ServiceCall(NodeState& node, const grpc::ServerContext& context,
              absl::string_view method)
      : node_(node), context_(context), method_(method) {}

  Db& db() const { return node_.db; }

  // The caller's deadline, capped from now, and its cancellation.
  CallOptions options() const;

  // Runs `handler` unless the node drains. Returns its outcome for the wire.
  grpc::Status Run(absl::FunctionRef<absl::Status()> handler);

  // The same with the collection that the request names.
  grpc::Status RunOn(const v1::CollectionRef& ref,
                     absl::FunctionRef<absl::Status(Collection&)> handler);

  // Returns the collection of `ref`.
  //   NotFound  none of that name, or another one than ref.uuid
  absl::StatusOr<std::shared_ptr<Collection>> Open(
      const v1::CollectionRef& ref) const;

  // Fails with ResourceExhausted if `reply` is larger than kMaxReplyBytes;
  // `advice` says what to do.
  absl::Status CheckSize(const google::protobuf::Message& reply,
                         absl::string_view advice) const;

  // Unavailable while the node drains.
  absl::Status CheckServing() const;

 private:
  NodeState& node_;
  const grpc::ServerContext& context_;
  const absl::string_view method_;
  absl::string_view collection_ = {};
};

// Returns all services of a node. `node` must outlive them.
std::vector<std::unique_ptr<grpc::Service>> MakeServices(NodeState& node);

std::unique_ptr<grpc::Service> MakeAdminService(NodeState& node);
std::unique_ptr<grpc::Service> MakeCollectionsService(NodeState& node);
std::unique_ptr<grpc::Service> MakeRecordsService(NodeState& node);
std::unique_ptr<grpc::Service> MakeSearchService(NodeState& node);

}  // namespace corkscrew

#endif  // CORKSCREW_RPC_SERVICE_H_
