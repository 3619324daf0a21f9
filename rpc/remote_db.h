#ifndef CORKSCREW_RPC_REMOTE_DB_H_
#define CORKSCREW_RPC_REMOTE_DB_H_

// The Db of a node that Connect() (corkscrew/client.h) returns.

#include <memory>
#include <string>
#include <vector>

#include "corkscrew/db.h"
#include "rpc/remote_call.h"

namespace corkscrew {

// Thread-safe.
class RemoteDb final : public Db {
 public:
  explicit RemoteDb(std::shared_ptr<RemoteConnection> connection)
      : connection_(std::move(connection)) {}
  ~RemoteDb() override { connection_->Close(); }

  // Asks the node something cheap that needs the token.
  absl::Status Check();

  absl::StatusOr<std::shared_ptr<Collection>> CreateCollection(
      absl::string_view name, const CollectionOptions& options,
      const CallOptions& call) override;
  absl::StatusOr<std::shared_ptr<Collection>> OpenCollection(
      absl::string_view name, const CallOptions& call) override;
  absl::Status DropCollection(absl::string_view name,
                              const CallOptions& call) override;
  absl::Status SetAlias(absl::string_view alias, absl::string_view collection,
                        const AliasOptions& options,
                        const CallOptions& call) override;
  absl::Status DeleteAlias(absl::string_view alias,
                           const CallOptions& call) override;
  absl::StatusOr<std::vector<AliasInfo>> ListAliases(
      const CallOptions& call) override;
  absl::StatusOr<std::vector<CollectionInfo>> ListCollections(
      const CallOptions& call) override;
  absl::StatusOr<DbStats> Stats(const CallOptions& call) override;
  absl::StatusOr<BackupContent> Snapshot(absl::string_view where,
                                         const BackupOptions& options,
                                         const CallOptions& call) override;
  absl::StatusOr<BackupInfo> Backup(absl::string_view where,
                                    const BackupOptions& options,
                                    const CallOptions& call) override;
  absl::StatusOr<OffloadReply> OffloadLogs(absl::string_view where,
                                           const BackupOptions& options,
                                           const CallOptions& call) override;
  absl::Status Close() override;

 private:
  const std::shared_ptr<RemoteConnection> connection_;
};

// Turns a failure to decode a reply into Internal: the node speaks another
// language than this client.
absl::Status Decoded(const absl::Status& status);

// A handle on the collection `uuid` called `name`.
std::shared_ptr<Collection> MakeRemoteCollection(
    std::shared_ptr<RemoteConnection> connection, std::string name,
    const Uuid& uuid);

}  // namespace corkscrew

#endif  // CORKSCREW_RPC_REMOTE_DB_H_
