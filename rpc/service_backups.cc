// corkscrew.v1.Backups

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "corkscrew/backup.h"
#include "corkscrew/v1/backups.grpc.pb.h"
#include "grpcpp/support/sync_stream.h"
#include "rpc/backup_path.h"
#include "rpc/convert_backup.h"
#include "rpc/limits.h"
#include "rpc/service.h"

namespace corkscrew {
namespace {

// Time between two messages of progress.
constexpr absl::Duration kProgressInterval = absl::Milliseconds(100);

// Saves under a path.
template <typename Reply>
using Save = absl::FunctionRef<absl::StatusOr<Reply>(
    const std::string& path, const BackupOptions& options,
    const CallOptions& call)>;

// Runs `save` and streams its progress, then its reply, of which `field` gives
// the place in the last message.
template <typename Request, typename Response, typename Reply, typename Part>
grpc::Status Stream(NodeState& node, const grpc::ServerContext& context,
                    absl::string_view method, const Request& request,
                    grpc::ServerWriter<Response>& writer,
                    Part* (Response::*field)(), Save<Reply> save) {
  ServiceCall call(node, context, method);
  return call.Run([&]() -> absl::Status {
    CORKSCREW_ASSIGN_OR_RETURN(
        const std::string path,
        BackupPath(node.backup_directory(), request.name()));
    BackupOptions options;
    absl::Time next = absl::InfinitePast();
    options.progress = [&](const BackupProgress& progress) {
      const absl::Time now = absl::Now();
      if (now < next) return;
      next = now + kProgressInterval;
      Response message;
      ToProto(progress, message.mutable_progress());
      // If nobody listens any more, the call is cancelled.
      writer.Write(message);
    };
    CORKSCREW_ASSIGN_OR_RETURN(
        const Reply reply, save(path, options, call.options(kMaxBackupTime)));
    Response message;
    CORKSCREW_RETURN_IF_ERROR(ToProto(reply, (message.*field)()));
    if (writer.Write(message)) return absl::OkStatus();
    return absl::CancelledError("the client went away");
  });
}

class BackupsService final : public v1::Backups::Service {
 public:
  explicit BackupsService(NodeState& node) : node_(node) {}

  grpc::Status Snapshot(
      grpc::ServerContext* context, const v1::SnapshotRequest* request,
      grpc::ServerWriter<v1::SnapshotResponse>* writer) override {
    return Stream<v1::SnapshotRequest, v1::SnapshotResponse, BackupContent>(
        node_, *context, "/corkscrew.v1.Backups/Snapshot", *request, *writer,
        &v1::SnapshotResponse::mutable_content,
        [&](const std::string& path, const BackupOptions& options,
            const CallOptions& call) {
          return node_.db().Snapshot(path, options, call);
        });
  }

  grpc::Status Backup(grpc::ServerContext* context,
                      const v1::BackupRequest* request,
                      grpc::ServerWriter<v1::BackupResponse>* writer) override {
    return Stream<v1::BackupRequest, v1::BackupResponse, BackupInfo>(
        node_, *context, "/corkscrew.v1.Backups/Backup", *request, *writer,
        &v1::BackupResponse::mutable_generation,
        [&](const std::string& path, const BackupOptions& options,
            const CallOptions& call) {
          return node_.db().Backup(path, options, call);
        });
  }

  grpc::Status OffloadLogs(
      grpc::ServerContext* context, const v1::OffloadLogsRequest* request,
      grpc::ServerWriter<v1::OffloadLogsResponse>* writer) override {
    return Stream<v1::OffloadLogsRequest, v1::OffloadLogsResponse,
                  OffloadReply>(
        node_, *context, "/corkscrew.v1.Backups/OffloadLogs", *request, *writer,
        &v1::OffloadLogsResponse::mutable_logs,
        [&](const std::string& path, const BackupOptions& options,
            const CallOptions& call) {
          return node_.db().OffloadLogs(path, options, call);
        });
  }

 private:
  NodeState& node_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeBackupsService(NodeState& node) {
  return std::make_unique<BackupsService>(node);
}

}  // namespace corkscrew
