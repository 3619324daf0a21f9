#include "rpc/remote_call.h"

#include <grpc/grpc.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "rpc/limits.h"
#include "rpc/status.h"

namespace corkscrew {
namespace {

// How often CallOptions::cancelled is asked.
constexpr absl::Duration kPollInterval = absl::Milliseconds(5);

// Long enough for whatever a node may send.
constexpr int kMaxTrailerBytes = 64 * 1024;

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMaxTrailerBytes);
  // Two connections of a process share nothing, and none goes through a proxy
  // that the environment names: a token is for the node alone.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(),
                                   arguments);
}

// Whether the transport failed before it sent anything. It has no other way
// to say so; a message it changes makes this false, which is safe.
bool NeverSent(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE &&
         absl::StartsWith(status.error_message(), "failed to connect to all");
}

}  // namespace

std::string CallName::ToString() const {
  return collection.empty()
             ? std::string(method)
             : absl::StrCat("collection \"", collection, "\": ", method);
}

RemoteConnection::RemoteConnection(std::string target,
                                   const ClientOptions& options)
    : target_(std::move(target)),
      authorization_(
          options.token.empty() ? "" : absl::StrCat("Bearer ", options.token)),
      timeout_(options.timeout),
      channel_(MakeChannel(target_)),
      admin_(v1::Admin::NewStub(channel_)),
      backups_(v1::Backups::NewStub(channel_)),
      collections_(v1::Collections::NewStub(channel_)),
      history_(v1::History::NewStub(channel_)),
      records_(v1::Records::NewStub(channel_)),
      search_(v1::Search::NewStub(channel_)) {}

void RemoteConnection::Close() {
  MutexLock lock(&mutex_);
  closed_ = true;
  while (running_ > 0) idle_.Wait(&mutex_);
}

absl::Status RemoteConnection::Begin(const CallName& name,
                                     const google::protobuf::Message& request,
                                     const CallOptions& options,
                                     absl::Duration longest,
                                     grpc::ClientContext* context) {
  const size_t bytes = request.ByteSizeLong();
  if (bytes > kMaxMessageBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(name.ToString(), ": the request has ", bytes,
                     " bytes, want at most ", kMaxMessageBytes));
  }
  const absl::Time now = absl::Now();
  if (options.deadline <= now) {
    return absl::DeadlineExceededError(absl::StrCat(
        name.ToString(), ": the deadline had passed; nothing was sent"));
  }
  if (options.cancelled != nullptr && options.cancelled()) {
    return absl::CancelledError(
        absl::StrCat(name.ToString(), ": nothing was sent"));
  }
  context->set_deadline(absl::ToChronoTime(
      options.deadline == absl::InfiniteFuture() ? now + longest
                                                 : options.deadline));
  if (!authorization_.empty()) {
    context->AddMetadata("authorization", authorization_);
  }
  MutexLock lock(&mutex_);
  if (closed_) {
    return absl::FailedPreconditionError("the database is closed");
  }
  ++running_;
  return absl::OkStatus();
}

bool RemoteConnection::Await(const CallOptions& options,
                             grpc::ClientContext* context,
                             grpc::CompletionQueue* queue, bool* cancelled) {
  void* tag = nullptr;
  bool ok = false;
  while (!*cancelled && options.cancelled != nullptr) {
    const auto next = queue->AsyncNext(
        &tag, &ok, absl::ToChronoTime(absl::Now() + kPollInterval));
    if (next == grpc::CompletionQueue::GOT_EVENT) return ok;
    *cancelled = options.cancelled();
    if (*cancelled) context->TryCancel();
  }
  // The deadline ends it at the latest.
  return queue->Next(&tag, &ok) && ok;
}

void RemoteConnection::Drain(grpc::CompletionQueue* queue) {
  void* tag = nullptr;
  bool ok = false;
  queue->Shutdown();
  while (queue->Next(&tag, &ok)) {
  }
}

absl::Status RemoteConnection::End(Effect effect, const CallName& name,
                                   bool cancelled, const grpc::Status& status) {
  {
    MutexLock lock(&mutex_);
    if (--running_ == 0) idle_.NotifyAll();
  }
  if (status.ok()) return absl::OkStatus();
  if (DecidedByNode(status)) return FromGrpcStatus(status);

  std::string message = absl::StrCat("node ", target_, ": ", name.ToString(),
                                     ": ", status.error_message());
  const bool may_have_run =
      status.error_code() == grpc::StatusCode::UNAVAILABLE ||
      status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
      status.error_code() == grpc::StatusCode::CANCELLED;
  if (effect == Effect::kWrites && may_have_run) {
    absl::StrAppend(&message,
                    NeverSent(status)
                        ? "; nothing was written"
                        : "; the outcome is unknown: it may have been written. "
                          "A retry with the same request id is safe");
  }
  // Not by the caller: the node went away in the middle of the call.
  if (status.error_code() == grpc::StatusCode::CANCELLED && !cancelled) {
    return absl::UnavailableError(message);
  }
  return {static_cast<absl::StatusCode>(status.error_code()), message};
}

}  // namespace corkscrew
