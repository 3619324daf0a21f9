#ifndef CORKSCREW_RPC_REMOTE_CALL_H_
#define CORKSCREW_RPC_REMOTE_CALL_H_

// One connection to a node, and how a call over it runs: its token, deadline,
// cancellation, and what its end means.

#include <cstddef>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "corkscrew/client.h"
#include "corkscrew/collection.h"
#include "corkscrew/v1/admin.grpc.pb.h"
#include "corkscrew/v1/backups.grpc.pb.h"
#include "corkscrew/v1/collections.grpc.pb.h"
#include "corkscrew/v1/history.grpc.pb.h"
#include "corkscrew/v1/records.grpc.pb.h"
#include "corkscrew/v1/search.grpc.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/support/async_stream.h"
#include "grpcpp/support/async_unary_call.h"

namespace corkscrew {

// Whether a call whose outcome is not known may have changed something.
enum class Effect { kReads, kWrites };

// What a call is called in messages: 'collection "docs": Put'. Borrows.
struct CallName {
  absl::string_view method;
  absl::string_view collection = {};  // Empty if none is concerned.

  std::string ToString() const;
};

// Thread-safe. Shared by a remote Db and its collections.
class RemoteConnection {
 public:
  // Does not connect yet. `target` is as gRPC takes it.
  RemoteConnection(std::string target, const ClientOptions& options);

  // Sends `request` to the method that `prepare` (a PrepareAsync... function
  // of `stub`) stands for, and waits for `response`. `name` is for messages.
  // Besides what the node says:
  //   FailedPrecondition  closed
  //   ResourceExhausted   the request is larger than kMaxMessageBytes
  //   Unavailable, DeadlineExceeded, Cancelled, Unauthenticated
  template <typename Stub, typename Request, typename Response>
  absl::Status Call(const std::unique_ptr<Stub>& stub, Effect effect,
                    const CallName& name,
                    std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> (
                        Stub::*prepare)(grpc::ClientContext*, const Request&,
                                        grpc::CompletionQueue*),
                    const Request& request, const CallOptions& options,
                    Response* response) {
    return Run(effect, name, request, options,
               [&](grpc::ClientContext* context, grpc::CompletionQueue* queue,
                   grpc::Status* status) {
                 auto reader = (stub.get()->*prepare)(context, request, queue);
                 reader->StartCall();
                 reader->Finish(response, status, status);
                 return reader;
               });
  }

  // The same for a method that answers in a stream: `each` gets every message,
  // on the calling thread. Without a deadline it has `longest`. A message may
  // have come before an error.
  template <typename Stub, typename Request, typename Response>
  absl::Status Stream(
      const std::unique_ptr<Stub>& stub, Effect effect, const CallName& name,
      std::unique_ptr<grpc::ClientAsyncReader<Response>> (Stub::*prepare)(
          grpc::ClientContext*, const Request&, grpc::CompletionQueue*),
      const Request& request, const CallOptions& options,
      absl::Duration longest, absl::FunctionRef<void(const Response&)> each);

  // Refuses new calls and waits for those in progress. Idempotent.
  void Close();

  const std::unique_ptr<v1::Admin::Stub>& admin() const { return admin_; }
  const std::unique_ptr<v1::Backups::Stub>& backups() const { return backups_; }
  const std::unique_ptr<v1::Collections::Stub>& collections() const {
    return collections_;
  }
  const std::unique_ptr<v1::History::Stub>& history() const { return history_; }
  const std::unique_ptr<v1::Records::Stub>& records() const { return records_; }
  const std::unique_ptr<v1::Search::Stub>& search() const { return search_; }

 private:
  template <typename Start>
  absl::Status Run(Effect effect, const CallName& name,
                   const google::protobuf::Message& request,
                   const CallOptions& options, Start start);

  // Run() in parts that do not depend on the types of the call.
  absl::Status Begin(const CallName& name,
                     const google::protobuf::Message& request,
                     const CallOptions& options, absl::Duration longest,
                     grpc::ClientContext* context);
  // Waits for the one event that is due and returns whether it succeeded.
  // Cancels the call once if the caller wants so.
  static bool Await(const CallOptions& options, grpc::ClientContext* context,
                    grpc::CompletionQueue* queue, bool* cancelled);
  // Empties a queue in which nothing is due any more.
  static void Drain(grpc::CompletionQueue* queue);
  absl::Status End(Effect effect, const CallName& name, bool cancelled,
                   const grpc::Status& status);

  // Constant after construction.
  const std::string target_;
  const std::string authorization_;  // Empty: none is sent.
  const absl::Duration timeout_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::Admin::Stub> admin_;
  const std::unique_ptr<v1::Backups::Stub> backups_;
  const std::unique_ptr<v1::Collections::Stub> collections_;
  const std::unique_ptr<v1::History::Stub> history_;
  const std::unique_ptr<v1::Records::Stub> records_;
  const std::unique_ptr<v1::Search::Stub> search_;

  Mutex mutex_;
  CondVar idle_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  size_t running_ ABSL_GUARDED_BY(mutex_) = 0;
};

template <typename Start>
absl::Status RemoteConnection::Run(Effect effect, const CallName& name,
                                   const google::protobuf::Message& request,
                                   const CallOptions& options, Start start) {
  grpc::ClientContext context;
  if (absl::Status begun = Begin(name, request, options, timeout_, &context);
      !begun.ok()) {
    return begun;
  }
  grpc::CompletionQueue queue;
  grpc::Status status;
  bool cancelled = false;
  const auto reader = start(&context, &queue, &status);
  Await(options, &context, &queue, &cancelled);
  Drain(&queue);
  return End(effect, name, cancelled, status);
}

template <typename Stub, typename Request, typename Response>
absl::Status RemoteConnection::Stream(
    const std::unique_ptr<Stub>& stub, Effect effect, const CallName& name,
    std::unique_ptr<grpc::ClientAsyncReader<Response>> (Stub::*prepare)(
        grpc::ClientContext*, const Request&, grpc::CompletionQueue*),
    const Request& request, const CallOptions& options, absl::Duration longest,
    absl::FunctionRef<void(const Response&)> each) {
  grpc::ClientContext context;
  if (absl::Status begun = Begin(name, request, options, longest, &context);
      !begun.ok()) {
    return begun;
  }
  grpc::CompletionQueue queue;
  grpc::Status status;
  bool cancelled = false;
  const auto reader = (stub.get()->*prepare)(&context, request, &queue);
  reader->StartCall(nullptr);
  bool more = Await(options, &context, &queue, &cancelled);
  while (more) {
    Response message;
    reader->Read(&message, nullptr);
    more = Await(options, &context, &queue, &cancelled);
    if (more) each(message);
  }
  reader->Finish(&status, nullptr);
  Await(options, &context, &queue, &cancelled);
  Drain(&queue);
  return End(effect, name, cancelled, status);
}

}  // namespace corkscrew

#endif  // CORKSCREW_RPC_REMOTE_CALL_H_
