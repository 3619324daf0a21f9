#include "rpc/remote_db.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "rpc/address.h"
#include "rpc/auth.h"
#include "rpc/convert.h"
#include "rpc/convert_backup.h"
#include "rpc/grpc_lifetime.h"
#include "rpc/limits.h"
#include "rpc/unix_socket.h"

namespace corkscrew {
namespace {

// A call of the service Backups; `has` and `part` are of the last message.
template <typename Request, typename Response, typename Reply, typename Part>
absl::StatusOr<Reply> Save(
    RemoteConnection& connection, const CallName& name,
    std::unique_ptr<grpc::ClientAsyncReader<Response>> (
        v1::Backups::Stub::*prepare)(grpc::ClientContext*, const Request&,
                                     grpc::CompletionQueue*),
    absl::string_view where, const BackupOptions& options,
    const CallOptions& call, bool (Response::*has)() const,
    const Part& (Response::*part)() const) {
  Request request;
  CORKSCREW_RETURN_IF_ERROR(
      ToProtoId("backup name", where, request.mutable_name()));
  CallOptions either{.deadline = call.deadline};
  if (call.cancelled != nullptr || options.cancelled != nullptr) {
    either.cancelled = [&] {
      return (call.cancelled != nullptr && call.cancelled()) ||
             (options.cancelled != nullptr && options.cancelled());
    };
  }
  std::optional<Part> last;
  // What a cut-off call left is no result; nothing has to be known of it.
  CORKSCREW_RETURN_IF_ERROR(
      (connection.Stream<v1::Backups::Stub, Request, Response>(
          connection.backups(), Effect::kReads, name, prepare, request, either,
          kMaxBackupTime, [&](const Response& message) {
            if ((message.*has)()) last = (message.*part)();
            if (message.has_progress() && options.progress != nullptr) {
              options.progress(FromProto(message.progress()));
            }
          })));
  if (!last.has_value()) {
    return Decoded(absl::InvalidArgumentError("there is no result"));
  }
  Reply reply;
  CORKSCREW_RETURN_IF_ERROR(Decoded(FromProto(*last, &reply)));
  return reply;
}

}  // namespace

absl::Status Decoded(const absl::Status& status) {
  if (status.ok()) return status;
  return absl::InternalError(absl::StrCat(
      "the reply of the node can not be read: ", status.message()));
}

absl::Status RemoteDb::Check() {
  v1::ListCollectionsRequest request;
  v1::ListCollectionsResponse response;
  request.set_page_size(1);
  return connection_->Call(connection_->collections(), Effect::kReads,
                           {"ListCollections"},
                           &v1::Collections::Stub::PrepareAsyncListCollections,
                           request, CallOptions(), &response);
}

absl::StatusOr<std::shared_ptr<Collection>> RemoteDb::CreateCollection(
    absl::string_view name, const CollectionOptions& options,
    const CallOptions& call) {
  v1::CreateCollectionRequest request;
  v1::CreateCollectionResponse response;
  CORKSCREW_RETURN_IF_ERROR(
      ToProtoId("collection name", name, request.mutable_name()));
  CORKSCREW_RETURN_IF_ERROR(ToProto(options, request.mutable_options()));
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->collections(), Effect::kWrites, {"CreateCollection", name},
      &v1::Collections::Stub::PrepareAsyncCreateCollection, request, call,
      &response));
  CollectionInfo info;
  CORKSCREW_RETURN_IF_ERROR(Decoded(
      FromProto(response.collection(), FieldPath("collection"), &info)));
  return MakeRemoteCollection(connection_, std::move(info.name), info.uuid);
}

absl::StatusOr<std::shared_ptr<Collection>> RemoteDb::OpenCollection(
    absl::string_view name, const CallOptions& call) {
  v1::GetCollectionRequest request;
  v1::GetCollectionResponse response;
  CORKSCREW_RETURN_IF_ERROR(ToProtoId(
      "collection name", name, request.mutable_collection()->mutable_name()));
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->collections(), Effect::kReads, {"GetCollection", name},
      &v1::Collections::Stub::PrepareAsyncGetCollection, request, call,
      &response));
  CollectionInfo info;
  CORKSCREW_RETURN_IF_ERROR(Decoded(
      FromProto(response.collection(), FieldPath("collection"), &info)));
  return MakeRemoteCollection(connection_, std::move(info.name), info.uuid);
}

absl::Status RemoteDb::DropCollection(absl::string_view name,
                                      const CallOptions& call) {
  v1::DropCollectionRequest request;
  v1::DropCollectionResponse response;
  CORKSCREW_RETURN_IF_ERROR(ToProtoId(
      "collection name", name, request.mutable_collection()->mutable_name()));
  return connection_->Call(connection_->collections(), Effect::kWrites,
                           {"DropCollection", name},
                           &v1::Collections::Stub::PrepareAsyncDropCollection,
                           request, call, &response);
}

absl::Status RemoteDb::SetAlias(absl::string_view alias,
                                absl::string_view collection,
                                const AliasOptions& options,
                                const CallOptions& call) {
  v1::SetAliasRequest request;
  v1::SetAliasResponse response;
  v1::Alias& wanted = *request.mutable_alias();
  CORKSCREW_RETURN_IF_ERROR(ToProtoId("alias", alias, wanted.mutable_name()));
  CORKSCREW_RETURN_IF_ERROR(
      ToProtoId("collection name", collection, wanted.mutable_collection()));
  if (options.if_collection.has_value()) {
    CORKSCREW_RETURN_IF_ERROR(ToProtoId("collection name",
                                        *options.if_collection,
                                        request.mutable_if_collection()));
  }
  if (options.if_unchanged.has_value()) {
    v1::SetAliasRequest::Unchanged& unchanged = *request.mutable_if_unchanged();
    CORKSCREW_RETURN_IF_ERROR(ToProtoId("collection name",
                                        options.if_unchanged->collection,
                                        unchanged.mutable_collection()));
    unchanged.set_lamport(options.if_unchanged->lamport);
  }
  return connection_->Call(
      connection_->collections(), Effect::kWrites, {"SetAlias", alias},
      &v1::Collections::Stub::PrepareAsyncSetAlias, request, call, &response);
}

absl::Status RemoteDb::DeleteAlias(absl::string_view alias,
                                   const CallOptions& call) {
  v1::DeleteAliasRequest request;
  v1::DeleteAliasResponse response;
  CORKSCREW_RETURN_IF_ERROR(ToProtoId("alias", alias, request.mutable_name()));
  return connection_->Call(connection_->collections(), Effect::kWrites,
                           {"DeleteAlias", alias},
                           &v1::Collections::Stub::PrepareAsyncDeleteAlias,
                           request, call, &response);
}

absl::StatusOr<std::vector<AliasInfo>> RemoteDb::ListAliases(
    const CallOptions& call) {
  std::vector<AliasInfo> aliases;
  v1::ListAliasesRequest request;
  do {
    v1::ListAliasesResponse response;
    CORKSCREW_RETURN_IF_ERROR(connection_->Call(
        connection_->collections(), Effect::kReads, {"ListAliases"},
        &v1::Collections::Stub::PrepareAsyncListAliases, request, call,
        &response));
    for (const v1::Alias& alias : response.aliases()) {
      aliases.push_back({alias.name(), alias.collection()});
    }
    if (response.aliases().empty()) break;
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return aliases;
}

absl::StatusOr<std::vector<CollectionInfo>> RemoteDb::ListCollections(
    const CallOptions& call) {
  std::vector<CollectionInfo> collections;
  v1::ListCollectionsRequest request;
  do {
    v1::ListCollectionsResponse response;
    CORKSCREW_RETURN_IF_ERROR(connection_->Call(
        connection_->collections(), Effect::kReads, {"ListCollections"},
        &v1::Collections::Stub::PrepareAsyncListCollections, request, call,
        &response));
    for (const v1::CollectionInfo& info : response.collections()) {
      CORKSCREW_RETURN_IF_ERROR(Decoded(FromProto(
          info, FieldPath("collections"), &collections.emplace_back())));
    }
    if (response.collections().empty()) break;
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return collections;
}

absl::StatusOr<DbStats> RemoteDb::Stats(const CallOptions& call) {
  v1::StatsRequest request;
  v1::StatsResponse response;
  CORKSCREW_RETURN_IF_ERROR(connection_->Call(
      connection_->admin(), Effect::kReads, {"Stats"},
      &v1::Admin::Stub::PrepareAsyncStats, request, call, &response));
  DbStats stats;
  CORKSCREW_RETURN_IF_ERROR(Decoded(FromProto(response, &stats)));
  return stats;
}

absl::StatusOr<BackupContent> RemoteDb::Snapshot(absl::string_view where,
                                                 const BackupOptions& options,
                                                 const CallOptions& call) {
  return Save<v1::SnapshotRequest, v1::SnapshotResponse, BackupContent>(
      *connection_, {"Snapshot"}, &v1::Backups::Stub::PrepareAsyncSnapshot,
      where, options, call, &v1::SnapshotResponse::has_content,
      &v1::SnapshotResponse::content);
}

absl::StatusOr<BackupInfo> RemoteDb::Backup(absl::string_view where,
                                            const BackupOptions& options,
                                            const CallOptions& call) {
  return Save<v1::BackupRequest, v1::BackupResponse, BackupInfo>(
      *connection_, {"Backup"}, &v1::Backups::Stub::PrepareAsyncBackup, where,
      options, call, &v1::BackupResponse::has_generation,
      &v1::BackupResponse::generation);
}

absl::StatusOr<OffloadReply> RemoteDb::OffloadLogs(absl::string_view where,
                                                   const BackupOptions& options,
                                                   const CallOptions& call) {
  return Save<v1::OffloadLogsRequest, v1::OffloadLogsResponse, OffloadReply>(
      *connection_, {"OffloadLogs"},
      &v1::Backups::Stub::PrepareAsyncOffloadLogs, where, options, call,
      &v1::OffloadLogsResponse::has_logs, &v1::OffloadLogsResponse::logs);
}

absl::Status RemoteDb::Close() {
  connection_->Close();
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Db>> Connect(absl::string_view target,
                                            const ClientOptions& options) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> path,
                             ParseUnixAddress(target));
  std::string address;
  ClientOptions used = options;
  if (path.has_value()) {
    if (!IsOwnSocket(*path)) {
      return absl::UnavailableError(
          absl::StrCat("node ", target,
                       ": there is no socket of this user; is it running?"));
    }
    address = std::string(target);
    used.token.clear();  // Needs none, so it gets none.
  } else {
    CORKSCREW_ASSIGN_OR_RETURN(const LoopbackAddress tcp,
                               ParseLoopbackAddress(target));
    if (tcp.port == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("address \"", target, "\": port 0 is no node's port"));
    }
    // A token that no node can have is as wrong as any other.
    if (!ValidateToken(options.token).ok()) {
      return absl::UnauthenticatedError(absl::StrCat(
          "node ", target,
          options.token.empty() ? ": no token was given" : ": wrong token"));
    }
    address = tcp.ToString();
  }
  if (options.timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("timeout is ", absl::FormatDuration(options.timeout),
                     ", want more than 0"));
  }
  StartGrpcForGood();
  auto db = std::make_unique<RemoteDb>(
      std::make_shared<RemoteConnection>(std::move(address), used));
  CORKSCREW_RETURN_IF_ERROR(db->Check());
  return db;
}

}  // namespace corkscrew
