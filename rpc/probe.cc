#include "rpc/probe.h"

#include <grpc/grpc.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "rpc/address.h"
#include "rpc/grpc_lifetime.h"
#include "rpc/status.h"

namespace corkscrew {
namespace {

// HealthCheckResponse{status: SERVING} of grpc.health.v1: field 1, value 1.
constexpr absl::string_view kServing = "\b\1";

}  // namespace

absl::Status ProbeNode(absl::string_view address, absl::Time deadline) {
  CORKSCREW_ASSIGN_OR_RETURN(const LoopbackAddress parsed,
                             ParseLoopbackAddress(address));
  StartGrpcForGood();
  // A connection of its own: an old one says nothing about the listener.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  grpc::GenericStub stub(grpc::CreateCustomChannel(
      parsed.ToString(), grpc::InsecureChannelCredentials(), arguments));

  // An empty HealthCheckRequest asks for the whole node.
  grpc::Slice empty("");
  const grpc::ByteBuffer request(&empty, 1);
  grpc::ByteBuffer response;
  grpc::Status status;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(deadline));
  grpc::CompletionQueue queue;
  const auto reader = stub.PrepareUnaryCall(
      &context, "/grpc.health.v1.Health/Check", request, &queue);
  reader->StartCall();
  reader->Finish(&response, &status, &status);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);

  if (!status.ok()) {
    const absl::Status cause = FromGrpcStatus(status);
    return {cause.code(),
            absl::StrCat("node ", address, ": health: ", cause.message())};
  }
  grpc::Slice bytes;
  if (!response.DumpToSingleSlice(&bytes).ok() ||
      absl::string_view(reinterpret_cast<const char*>(bytes.begin()),
                        bytes.size()) != kServing) {
    return absl::UnavailableError(
        absl::StrCat("node ", address, ": health: it is not serving"));
  }
  return absl::OkStatus();
}

}  // namespace corkscrew
