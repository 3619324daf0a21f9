#include "rpc/service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "rpc/convert.h"
#include "rpc/limits.h"
#include "rpc/status.h"

namespace corkscrew {

absl::Status NodeState::Enter() {
  MutexLock lock(&mutex_);
  if (draining_) {
    return WithReason(
        absl::UnavailableError("the node is shutting down; nothing was done"),
        "DRAINING");
  }
  ++running_;
  return absl::OkStatus();
}

void NodeState::Leave() {
  MutexLock lock(&mutex_);
  if (--running_ == 0) idle_.NotifyAll();
}

void NodeState::Drain(absl::Time deadline) {
  const auto until = absl::ToChronoTime(deadline);
  MutexLock lock(&mutex_);
  draining_ = true;
  while (running_ > 0 && idle_.WaitUntil(&mutex_, until)) {
  }
}

CallOptions ServiceCall::options(absl::Duration longest) const {
  const absl::Time asked = absl::FromChrono(context_.deadline());
  return {
      .deadline = std::min(asked, absl::Now() + longest),
      .cancelled = [context = &context_] { return context->IsCancelled(); }};
}

grpc::Status ServiceCall::Run(absl::FunctionRef<absl::Status()> handler) {
  return Ended(Work(handler));
}

absl::Status ServiceCall::Work(absl::FunctionRef<absl::Status()> piece) {
  CORKSCREW_RETURN_IF_ERROR(node_.Enter());
  absl::Status status = piece();
  node_.Leave();
  return status;
}

grpc::Status ServiceCall::Ended(const absl::Status& status) const {
  const ErrorPlace place = {.method = method_, .collection = collection_};
  // The transport cancels what is too late; that is no cancelling of the
  // caller.
  if (absl::IsCancelled(status) &&
      absl::Now() >= absl::FromChrono(context_.deadline())) {
    return ToGrpcStatus(
        absl::DeadlineExceededError("the deadline of the call has passed"),
        place);
  }
  return ToGrpcStatus(status, place);
}

grpc::Status ServiceCall::RunOn(
    const v1::CollectionRef& ref,
    absl::FunctionRef<absl::Status(Collection&)> handler) {
  collection_ = ref.name();
  return Run([&]() -> absl::Status {
    CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection,
                               Open(ref));
    return handler(*collection);
  });
}

absl::StatusOr<std::shared_ptr<Collection>> ServiceCall::Open(
    const v1::CollectionRef& ref) const {
  const CallOptions call = options();
  CORKSCREW_ASSIGN_OR_RETURN(std::shared_ptr<Collection> collection,
                             node_.db().OpenCollection(ref.name(), call));
  if (ref.uuid().empty()) return collection;
  Uuid uuid;
  CORKSCREW_RETURN_IF_ERROR(
      UuidFromProto(ref.uuid(), FieldPath("request.collection.uuid"), &uuid));
  CORKSCREW_ASSIGN_OR_RETURN(const CollectionInfo info, collection->Info(call));
  if (info.uuid != uuid) {
    return WithReason(absl::NotFoundError(absl::StrCat(
                          "collection \"", ref.name(), "\": the collection ",
                          uuid.ToString(), " was dropped; another one, ",
                          info.uuid.ToString(), ", has its name now")),
                      "COLLECTION_REPLACED");
  }
  return collection;
}

absl::Status ServiceCall::CheckSize(const google::protobuf::Message& reply,
                                    absl::string_view advice) const {
  const size_t size = reply.ByteSizeLong();
  if (size <= kMaxReplyBytes) return absl::OkStatus();
  return WithReason(
      absl::ResourceExhaustedError(
          absl::StrCat("collection \"", collection_, "\": the reply has ", size,
                       " bytes, want at most ", kMaxReplyBytes, ": ", advice)),
      "REPLY_TOO_LARGE");
}

std::vector<std::unique_ptr<grpc::Service>> MakeServices(NodeState& node) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(MakeAdminService(node));
  services.push_back(MakeBackupsService(node));
  services.push_back(MakeCollectionsService(node));
  services.push_back(MakeHistoryService(node));
  services.push_back(MakeRecordsService(node));
  services.push_back(MakeSearchService(node));
  return services;
}

}  // namespace corkscrew
