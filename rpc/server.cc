// The node: transport limits, authentication, health, drain.

#include "corkscrew/server.h"

#include <grpc/grpc.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
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
#include "rpc/readiness.h"
#include "rpc/service.h"
#include "rpc/unix_socket.h"

namespace corkscrew {
namespace {

constexpr size_t kMaxAddresses = 16;

constexpr const char* kServiceNames[] = {
    "corkscrew.v1.Admin",   "corkscrew.v1.Backups", "corkscrew.v1.Collections",
    "corkscrew.v1.History", "corkscrew.v1.Records", "corkscrew.v1.Search"};

constexpr const char* kWritingService = "corkscrew.v1.Records";

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

// One address to listen on.
struct Listener {
  // A TCP address, or a socket file.
  LoopbackAddress tcp = {};
  std::unique_ptr<UnixSocketFile> socket = nullptr;
  std::string path = {};
  int port = 0;  // 0: not bound. Sockets are given one, which means nothing.

  static absl::StatusOr<std::unique_ptr<Listener>> Parse(
      const std::string& address) {
    auto listener = std::make_unique<Listener>();
    CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> path,
                               ParseUnixAddress(address));
    if (!path.has_value()) {
      CORKSCREW_ASSIGN_OR_RETURN(listener->tcp, ParseLoopbackAddress(address));
      return listener;
    }
    std::error_code error;
    listener->path = std::filesystem::absolute(*path, error).string();
    CORKSCREW_ASSIGN_OR_RETURN(listener->socket,
                               UnixSocketFile::Prepare(listener->path));
    return listener;
  }

  void AddTo(const std::string& token, grpc::ServerBuilder* builder) {
    if (socket != nullptr) {
      // The mode of the socket lets nobody in but its user.
      builder->AddListeningPort(absl::StrCat("unix:", socket->private_path()),
                                grpc::experimental::LocalServerCredentials(UDS),
                                &port);
      return;
    }
    auto credentials = grpc::experimental::LocalServerCredentials(LOCAL_TCP);
    credentials->SetAuthMetadataProcessor(std::make_shared<TokenAuth>(token));
    builder->AddListeningPort(tcp.ToString(), credentials, &port);
  }

  // Lets clients in and returns what they connect to.
  absl::StatusOr<std::string> Publish() {
    if (socket == nullptr) {
      tcp.port = static_cast<uint16_t>(port);
      return tcp.ToString();
    }
    CORKSCREW_RETURN_IF_ERROR(socket->Publish());
    return absl::StrCat("unix:", path);
  }
};

bool IsTcp(const std::string& address) {
  return !absl::StartsWith(address, "unix:");
}

class NodeServer final : public Server {
 public:
  NodeServer(Db& db, const ServerOptions& options)
      : node_(db, options.max_deadline, options.backup_directory),
        services_(MakeServices(node_)) {}

  ~NodeServer() override { Drain(absl::Now() + absl::Seconds(1)); }

  // Must be called once, before anything else.
  absl::Status Start(const ServerOptions& options) {
    std::vector<std::unique_ptr<Listener>> listeners;
    for (const std::string& address : options.addresses) {
      CORKSCREW_ASSIGN_OR_RETURN(listeners.emplace_back(),
                                 Listener::Parse(address));
    }
    grpc::ServerBuilder builder;
    SetLimits(options, &builder);
    for (const auto& listener : listeners) {
      listener->AddTo(options.token, &builder);
    }
    for (const auto& service : services_) {
      builder.RegisterService(service.get());
    }
    {
      static Mutex* const mutex = new Mutex();
      MutexLock lock(mutex);
      HealthServiceEnabled enabled;
      server_ = builder.BuildAndStart();
    }
    for (const auto& listener : listeners) {
      if (server_ != nullptr && listener->port != 0) continue;
      return absl::UnavailableError(absl::StrCat(
          listeners.size() == 1 ? "address " : "one of the addresses ",
          absl::StrJoin(options.addresses, ", "),
          ": can not be bound; is another process using it?"));
    }
    for (const auto& listener : listeners) {
      CORKSCREW_ASSIGN_OR_RETURN(addresses_.emplace_back(),
                                 listener->Publish());
      if (listener->socket != nullptr) {
        sockets_.push_back(std::move(listener->socket));
      } else if (port_ == 0) {
        port_ = listener->port;
      }
    }
    for (const char* name : kServiceNames) {
      server_->GetHealthCheckService()->SetServingStatus(name, true);
    }
    // Who writes asks for the service that writes; reading goes on.
    readiness_ = std::make_unique<Readiness>(
        node_.db(),
        [this, on_state = options.on_state](DbState state,
                                            absl::string_view reason) {
          server_->GetHealthCheckService()->SetServingStatus(
              kWritingService, state == DbState::kWritable);
          if (on_state != nullptr) on_state(state, reason);
        },
        kReadinessInterval);
    return node_.db().Announce(addresses_);
  }

  int port() const override { return port_; }
  const std::vector<std::string>& addresses() const override {
    return addresses_;
  }

  void Drain(absl::Time deadline) override {
    MutexLock lock(&drain_mutex_);
    if (server_ == nullptr || drained_) return;
    // Nobody new should come. The Db may be closed already.
    node_.db().Announce({}).IgnoreError();
    for (const auto& socket : sockets_) socket->Remove();
    readiness_.reset();
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
         Milliseconds(std::max(options.max_deadline, kMaxBackupTime))},
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
  std::vector<std::unique_ptr<UnixSocketFile>> sockets_;
  int port_ = 0;
  std::vector<std::string> addresses_;

  std::unique_ptr<Readiness> readiness_;  // Until Drain().
  Mutex drain_mutex_;
  bool drained_ ABSL_GUARDED_BY(drain_mutex_) = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Serve(Db& db,
                                              const ServerOptions& options) {
  if (options.addresses.empty() || options.addresses.size() > kMaxAddresses) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.addresses.size(),
                     " addresses to listen on, want 1..", kMaxAddresses));
  }
  if (std::any_of(options.addresses.begin(), options.addresses.end(), IsTcp)) {
    CORKSCREW_RETURN_IF_ERROR(ValidateToken(options.token));
  }
  if (options.max_deadline < absl::Milliseconds(1) ||
      options.max_deadline > absl::Hours(24)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "max_deadline is ", absl::FormatDuration(options.max_deadline),
        ", want 1ms..24h"));
  }
  StartGrpcForGood();
  auto server = std::make_unique<NodeServer>(db, options);
  CORKSCREW_RETURN_IF_ERROR(server->Start(options));
  return server;
}

}  // namespace corkscrew
