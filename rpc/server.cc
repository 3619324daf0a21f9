// The node: transport limits, authentication, health, drain.

#include "corkscrew/server.h"

#include <grpc/grpc.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "rpc/address.h"
#include "rpc/auth.h"
#include "rpc/grpc_lifetime.h"
#include "rpc/limits.h"
#include "rpc/service.h"

namespace corkscrew {
namespace {

constexpr const char* kServiceNames[] = {
    "corkscrew.v1.Admin", "corkscrew.v1.Collections", "corkscrew.v1.Records",
    "corkscrew.v1.Search"};

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

// Whether servers get the health service is a setting of the process in gRPC
// 1.51; it is on only while one of ours is built.
class HealthServiceEnabled {
 public:
  HealthServiceEnabled() : before_(grpc::DefaultHealthCheckServiceEnabled()) {
    grpc::EnableDefaultHealthCheckService(true);
  }
  ~HealthServiceEnabled() { grpc::EnableDefaultHealthCheckService(before_); }

 private:
  const bool before_;
};

class NodeServer final : public Server {
 public:
  NodeServer(Db& db, const ServerOptions& options)
      : node_(db, options.max_deadline), services_(MakeServices(node_)) {}

  ~NodeServer() override { Drain(absl::Now() + absl::Seconds(1)); }

  // Must be called once, before anything else.
  absl::Status Start(const LoopbackAddress& address,
                     const ServerOptions& options) {
    grpc::ServerBuilder builder;
    SetLimits(options, &builder);
    auto credentials = grpc::experimental::LocalServerCredentials(LOCAL_TCP);
    credentials->SetAuthMetadataProcessor(
        std::make_shared<TokenAuth>(options.token));
    int port = 0;
    builder.AddListeningPort(address.ToString(), credentials, &port);
    for (const auto& service : services_) {
      builder.RegisterService(service.get());
    }
    {
      static Mutex* const mutex = new Mutex();
      MutexLock lock(mutex);
      HealthServiceEnabled enabled;
      server_ = builder.BuildAndStart();
    }
    if (server_ == nullptr || port == 0) {
      return absl::UnavailableError(
          absl::StrCat("address ", address.ToString(),
                       ": can not be bound; is another process using it?"));
    }
    port_ = port;
    address_ = LoopbackAddress{.host = address.host,
                               .port = static_cast<uint16_t>(port)}
                   .ToString();
    for (const char* name : kServiceNames) {
      server_->GetHealthCheckService()->SetServingStatus(name, true);
    }
    return absl::OkStatus();
  }

  int port() const override { return port_; }
  const std::string& address() const override { return address_; }

  void Drain(absl::Time deadline) override {
    MutexLock lock(&drain_mutex_);
    if (server_ == nullptr || drained_) return;
    server_->GetHealthCheckService()->SetServingStatus(false);
    node_.Drain(deadline);
    // What is open now is idle: health watches and imports between two Puts,
    // which would hold Shutdown() to the end. Replies need a moment to leave.
    server_->Shutdown(absl::ToChronoTime(
        std::min(deadline, absl::Now() + absl::Milliseconds(500))));
    server_->Wait();
    drained_ = true;
  }

 private:
  static void SetLimits(const ServerOptions& options,
                        grpc::ServerBuilder* builder) {
    builder->SetMaxReceiveMessageSize(kMaxMessageBytes);
    builder->SetMaxSendMessageSize(kMaxMessageBytes);
    const std::pair<const char*, int> arguments[] = {
        // Another process must not be able to share the port, and the token.
        {GRPC_ARG_ALLOW_REUSEPORT, 0},
        {GRPC_ARG_MAX_METADATA_SIZE, kMaxHeaderBytes},
        {GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxConcurrentStreams},
        {GRPC_ARG_MAX_CONNECTION_IDLE_MS, Milliseconds(kMaxConnectionIdle)},
        {GRPC_ARG_MAX_CONNECTION_AGE_MS, Milliseconds(kMaxConnectionAge)},
        {GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
         Milliseconds(options.max_deadline)},
        {GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(kKeepaliveTime)},
        {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(kKeepaliveTimeout)},
        {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
         Milliseconds(kMinPingInterval)},
        {GRPC_ARG_HTTP2_MAX_PING_STRIKES, kMaxPingStrikes},
    };
    for (const auto& [name, value] : arguments) {
      builder->AddChannelArgument(name, value);
    }
    grpc::ResourceQuota quota("corkscrew");
    quota.Resize(kTransportMemoryBytes).SetMaxThreads(kMaxServerThreads);
    builder->SetResourceQuota(quota);
  }

  // Constant after Start().
  NodeState node_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  std::string address_;

  Mutex drain_mutex_;
  bool drained_ ABSL_GUARDED_BY(drain_mutex_) = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Serve(Db& db,
                                              const ServerOptions& options) {
  CORKSCREW_RETURN_IF_ERROR(ValidateToken(options.token));
  CORKSCREW_ASSIGN_OR_RETURN(const LoopbackAddress address,
                             ParseLoopbackAddress(options.address));
  if (options.max_deadline < absl::Milliseconds(1) ||
      options.max_deadline > absl::Hours(24)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "max_deadline is ", absl::FormatDuration(options.max_deadline),
        ", want 1ms..24h"));
  }
  StartGrpcForGood();
  auto server = std::make_unique<NodeServer>(db, options);
  CORKSCREW_RETURN_IF_ERROR(server->Start(address, options));
  return server;
}

}  // namespace corkscrew
