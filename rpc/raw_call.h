#ifndef CORKSCREW_RPC_RAW_CALL_H_
#define CORKSCREW_RPC_RAW_CALL_H_

// For tests only: calls of any method with any bytes and headers.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/channel_arguments.h"
#include "grpcpp/support/status.h"

namespace corkscrew::testing {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct RawReply {
  grpc::Status status;
  std::string bytes;
};

// A connection of its own, without limits on this side.
inline std::shared_ptr<grpc::Channel> RawChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetInt("grpc.use_local_subchannel_pool", 1);
  arguments.SetInt("grpc.enable_http_proxy", 0);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                   arguments);
}

inline grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  grpc::Slice slice(bytes);
  return {&slice, 1};
}

inline std::string FromBuffer(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  if (!buffer.Valid() || !buffer.DumpToSingleSlice(&slice).ok()) return "";
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

// Sends one message to `method` ("/package.Service/Method") and reads one.
inline RawReply CallRaw(const std::shared_ptr<grpc::Channel>& channel,
                        const std::string& method, const Headers& headers,
                        const std::string& bytes) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  for (const auto& [name, value] : headers) context.AddMetadata(name, value);
  grpc::CompletionQueue queue;
  const grpc::ByteBuffer request = ToBuffer(bytes);
  auto reader = stub.PrepareUnaryCall(&context, method, request, &queue);
  reader->StartCall();
  grpc::ByteBuffer response;
  RawReply reply;
  reader->Finish(&response, &reply.status, &reply);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  reply.bytes = FromBuffer(response);
  return reply;
}

// A HealthCheckRequest of grpc.health.v1 for `service`; its reply is "\b\1"
// when serving and "\b\2" when not.
inline std::string HealthRequest(const std::string& service) {
  if (service.empty()) return "";
  return std::string{'\n', static_cast<char>(service.size())} + service;
}

}  // namespace corkscrew::testing

#endif  // CORKSCREW_RPC_RAW_CALL_H_
