#include "db/local_db.h"

#include <bit>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "corkscrew/limits.h"
#include "db/aliases.h"
#include "db/backup.h"
#include "db/call_end.h"
#include "db/collection_info.h"
#include "db/descriptor.h"
#include "db/directory.h"
#include "db/format_version.h"
#include "db/local_collection.h"
#include "db/log_offload.h"
#include "db/record_limits.h"

namespace corkscrew {
namespace {

constexpr size_t kMaxModelNameBytes = 4096;

absl::Status CheckRanges(const CollectionOptions& options) {
  const auto bad = [](absl::string_view what, auto value,
                      absl::string_view want) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " is ", value, ", want ", want));
  };
  if (options.model.size() > kMaxModelNameBytes ||
      !IsValidUtf8(options.model)) {
    return absl::InvalidArgumentError(
        "the model name is too long or not valid UTF-8");
  }
  if (options.dim > kMaxDim) return bad("dim", options.dim, "1 to 16384");
  if (options.bits < 1 || options.bits > 8) {
    return bad("bits", options.bits, "1 to 8");
  }
  const auto metric = static_cast<int>(options.metric);
  if (metric < 1 || metric > 3) return bad("metric", metric, "1 to 3");
  const auto originals = static_cast<int>(options.originals);
  if (originals < 1 || originals > 3) {
    return bad("originals", originals, "1 to 3");
  }
  if (!std::has_single_bit(options.shards) || options.shards > kMaxShards) {
    return bad("shards", options.shards, "a power of two from 1 to 1024");
  }
  if (options.shards != 1) {
    return absl::UnimplementedError(absl::StrCat(
        "shards is ", options.shards, ", only 1 until there are clusters"));
  }
  return absl::OkStatus();
}

absl::Status WithName(absl::string_view name, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("collection \"", name,
                                                  "\": ", status.message()));
}

absl::Status NoCollection(absl::string_view name) {
  return absl::NotFoundError(absl::StrCat("no collection \"", name, "\""));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Db>> Db::Open(absl::string_view path,
                                             const Options& options) {
  return OpenLocalDb(path, options, Environment{});
}

absl::StatusOr<std::unique_ptr<Db>> OpenLocalDb(
    absl::string_view path, const Options& options,
    const Environment& environment) {
  if (path.empty() || path.find('\0') != absl::string_view::npos) {
    return absl::InvalidArgumentError("the path of the database is empty");
  }
  CORKSCREW_ASSIGN_OR_RETURN(
      std::shared_ptr<Engine> engine,
      Engine::Open(std::string(path), options, environment));
  return std::make_unique<LocalDb>(std::move(engine));
}

absl::StatusOr<CollectionRow> LocalDb::MakeRow(
    absl::string_view name, const CollectionOptions& options) const {
  CORKSCREW_RETURN_IF_ERROR(CheckCollectionName(name));
  CORKSCREW_RETURN_IF_ERROR(WithName(name, CheckRanges(options)));
  CollectionRow row;
  row.name = std::string(name);
  row.model = options.model;
  size_t dim = options.dim;
  if (!options.model.empty()) {
    if (engine_->options().embedders == nullptr) {
      return WithName(name,
                      absl::FailedPreconditionError(absl::StrCat(
                          "model \"", options.model,
                          "\" is wanted, but the database was opened without "
                          "Options::embedders")));
    }
    const absl::StatusOr<std::shared_ptr<const Embedder>> embedder =
        engine_->options().embedders->Find(options.model);
    if (!embedder.ok()) return WithName(name, embedder.status());
    if (dim == 0) dim = (*embedder)->dim();
    if (dim != (*embedder)->dim()) {
      return WithName(name, absl::InvalidArgumentError(absl::StrCat(
                                "dim is ", dim, ", the model \"", options.model,
                                "\" has ", (*embedder)->dim())));
    }
    row.descriptor.space = (*embedder)->space();
  }
  if (dim == 0) {
    return WithName(
        name, absl::InvalidArgumentError("neither a model nor a dim is given"));
  }
  row.descriptor.metric = options.metric;
  row.descriptor.originals = options.originals;
  row.descriptor.quantizer = {.dim = dim,
                              .mode = QuantizerMode::kMse,
                              .bits = options.bits,
                              .codebook = options.bits == 8 ? 2 : 1,
                              .seed = options.seed};
  return row;
}

absl::StatusOr<std::shared_ptr<Collection>> LocalDb::CreateCollection(
    absl::string_view name, const CollectionOptions& options,
    const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(running.Begin());
  CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
  CreateCommit create;
  CORKSCREW_ASSIGN_OR_RETURN(create.row, MakeRow(name, options));
  Commit commit{&create, absl::OkStatus(), kAloneInGroup};
  CORKSCREW_RETURN_IF_ERROR(engine_->Run(&commit));
  return std::make_shared<LocalCollection>(engine_, create.collection);
}

absl::StatusOr<std::shared_ptr<Collection>> LocalDb::OpenCollection(
    absl::string_view name, const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(running.Begin());
  CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
  std::shared_ptr<CollectionState> state = engine_->registry().Resolve(name);
  if (state == nullptr) return NoCollection(name);
  return std::make_shared<LocalCollection>(engine_, std::move(state));
}

absl::Status LocalDb::DropCollection(absl::string_view name,
                                     const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(running.Begin());
  CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
  CORKSCREW_RETURN_IF_ERROR(CheckDroppable(engine_->registry(), name));
  DropCommit drop{std::string(name)};
  Commit commit{&drop, absl::OkStatus(), kAloneInGroup};
  commit.makes_room = true;
  return engine_->Run(&commit);
}

absl::Status LocalDb::SetAlias(absl::string_view alias,
                               absl::string_view collection,
                               const AliasOptions& options,
                               const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(running.Begin());
  CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
  return corkscrew::SetAlias(*engine_, alias, collection, options);
}

absl::Status LocalDb::DeleteAlias(absl::string_view alias,
                                  const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(running.Begin());
  CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
  return corkscrew::DeleteAlias(*engine_, alias);
}

absl::StatusOr<std::vector<AliasInfo>> LocalDb::ListAliases(
    const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(running.Begin());
  CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
  std::vector<AliasInfo> out;
  for (const auto& [name, state] : engine_->registry().Aliases()) {
    out.push_back({name, state->row().name});
  }
  return out;
}

absl::StatusOr<std::vector<CollectionInfo>> LocalDb::ListCollections(
    const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(running.Begin());
  CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
  std::vector<CollectionInfo> out;
  for (const auto& state : engine_->registry().All()) {
    out.push_back(InfoOf(*state, engine_->now()));
  }
  return out;
}

absl::StatusOr<DbStats> LocalDb::Stats(const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(running.Begin());
  CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
  DbStats stats;
  stats.uuid = engine_->uuid();
  stats.replica = engine_->origin().replica;
  stats.incarnation = engine_->origin().incarnation;
  stats.format_version = kFormatVersion;
  for (const auto& state : engine_->registry().All()) {
    stats.collections.push_back(StatsOf(*state, engine_->now()));
    if (const std::shared_ptr<Index> index = state->index()) {
      const Index::Memory memory = index->memory();
      stats.memory.index += memory.index;
      stats.memory.rescore += memory.rescore;
      stats.memory.mapped += memory.mapped;
    }
  }
  stats.memory.block_cache = engine_->store().block_cache_bytes();
  stats.memory.memtables = engine_->store().memtable_bytes();
  stats.memory.queues = engine_->queued_bytes();
  WriteState::Snapshot writes = engine_->write_state();
  stats.state = writes.state;
  stats.state_reason = std::move(writes.reason);
  stats.recovery_dropped_bytes = engine_->recovery_dropped_bytes();
  stats.disk_bytes = DiskBytes(engine_->path());
  return stats;
}

absl::StatusOr<BackupContent> LocalDb::Snapshot(absl::string_view where,
                                                const BackupOptions& options,
                                                const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(running.Begin());
  CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
  return TakeSnapshot(*engine_, where, options, call);
}

absl::StatusOr<BackupInfo> LocalDb::Backup(absl::string_view where,
                                           const BackupOptions& options,
                                           const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(running.Begin());
  CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
  return TakeBackup(*engine_, where, options, call);
}

absl::StatusOr<OffloadReply> LocalDb::OffloadLogs(absl::string_view where,
                                                  const BackupOptions& options,
                                                  const CallOptions& call) {
  Engine::Call running(*engine_);
  CORKSCREW_RETURN_IF_ERROR(running.Begin());
  CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
  return OffloadLogsTo(*engine_, where, options, call);
}

}  // namespace corkscrew
