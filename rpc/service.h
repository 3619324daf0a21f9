#ifndef CORKSCREW_RPC_SERVICE_H_
#define CORKSCREW_RPC_SERVICE_H_

// The services of corkscrew.v1 over any Db. A handler decodes the request,
// calls the database, and encodes the reply; what all handlers share is here.

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "corkscrew/db.h"
#include "corkscrew/v1/types.pb.h"
#include "google/protobuf/message.h"
#include "grpcpp/impl/codegen/service_type.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"

namespace corkscrew {

// What the services of one node share. Thread-safe.
class NodeState {
 public:
  // Borrows `db`. `max_deadline` is of one call, or one Put of an Import;
  // `backup_directory` is ServerOptions::backup_directory.
  NodeState(Db& db, absl::Duration max_deadline, std::string backup_directory)
      : db_(db),
        max_deadline_(max_deadline),
        backup_directory_(std::move(backup_directory)) {}

  Db& db() const { return db_; }
  absl::Duration max_deadline() const { return max_deadline_; }
  const std::string& backup_directory() const { return backup_directory_; }

  // Lets work begin; Leave() must follow. Unavailable once Drain() was called.
  absl::Status Enter();
  void Leave();

  // Refuses new work and waits until none is left, or until `deadline`.
  void Drain(absl::Time deadline);

 private:
  Db& db_;
  const absl::Duration max_deadline_;
  const std::string backup_directory_;

  Mutex mutex_;
  CondVar idle_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  size_t running_ ABSL_GUARDED_BY(mutex_) = 0;
};

// One call in its handler. Single-threaded. Borrows everything.
class ServiceCall {
 public:
  ServiceCall(NodeState& node, const grpc::ServerContext& context,
              absl::string_view method)
      : node_(node), context_(context), method_(method) {}

  Db& db() const { return node_.db(); }

  // The caller's deadline, capped from now, and its cancellation.
  CallOptions options() const { return options(node_.max_deadline()); }
  // The same with another cap.
  CallOptions options(absl::Duration longest) const;

  // Runs `handler` unless the node drains. Returns its outcome for the wire.
  grpc::Status Run(absl::FunctionRef<absl::Status()> handler);

  // The parts of Run(), for calls that are idle between pieces of work. A
  // piece is refused once the node drains.
  absl::Status Work(absl::FunctionRef<absl::Status()> piece);
  grpc::Status Ended(const absl::Status& status) const;

  // Names the collection in errors. Borrows.
  void set_collection(absl::string_view name) { collection_ = name; }

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

 private:
  NodeState& node_;
  const grpc::ServerContext& context_;
  const absl::string_view method_;
  absl::string_view collection_ = {};
};

// Returns all services of a node. `node` must outlive them.
std::vector<std::unique_ptr<grpc::Service>> MakeServices(NodeState& node);

std::unique_ptr<grpc::Service> MakeAdminService(NodeState& node);
std::unique_ptr<grpc::Service> MakeBackupsService(NodeState& node);
std::unique_ptr<grpc::Service> MakeCollectionsService(NodeState& node);
std::unique_ptr<grpc::Service> MakeHistoryService(NodeState& node);
std::unique_ptr<grpc::Service> MakeRecordsService(NodeState& node);
std::unique_ptr<grpc::Service> MakeSearchService(NodeState& node);

}  // namespace corkscrew

#endif  // CORKSCREW_RPC_SERVICE_H_
