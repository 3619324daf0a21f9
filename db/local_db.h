#ifndef CORKSCREW_DB_LOCAL_DB_H_
#define CORKSCREW_DB_LOCAL_DB_H_

// The Db over a directory of this machine.

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/db.h"
#include "db/engine.h"
#include "db/environment.h"
#include "db/rows.h"

namespace corkscrew {

// As Db::Open(), with another environment.
absl::StatusOr<std::unique_ptr<Db>> OpenLocalDb(absl::string_view path,
                                                const Options& options,
                                                const Environment& environment);

class LocalDb : public Db {
 public:
  explicit LocalDb(std::shared_ptr<Engine> engine)
      : engine_(std::move(engine)) {}
  ~LocalDb() override { Close().IgnoreError(); }

  Engine& engine() { return *engine_; }

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
  absl::Status Announce(absl::Span<const std::string> addresses) override {
    return engine_->Announce(addresses);
  }
  absl::Status Close() override { return engine_->Close(); }

 private:
  // Checks the options and resolves the model.
  absl::StatusOr<CollectionRow> MakeRow(absl::string_view name,
                                        const CollectionOptions& options) const;

  const std::shared_ptr<Engine> engine_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_LOCAL_DB_H_
