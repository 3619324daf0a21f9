#include "db/engine.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "db/disk_space.h"
#include "db/durable_mark.h"
#include "db/flaws.h"
#include "db/format_version.h"
#include "db/keys.h"
#include "db/maintenance.h"
#include "db/open_session.h"
#include "db/purge.h"
#include "db/recovery.h"

namespace corkscrew {
namespace {

// A group of commits ends at this many bytes.
constexpr size_t kMaxGroupBytes = size_t{32} << 20;

// Request rows removed at open; more go while writing.
constexpr size_t kPruneAtOpen = 100'000;

size_t BytesInQueue(const Commit& commit) {
  return commit.bytes < kAloneInGroup ? commit.bytes : 0;
}

template <typename T>
absl::Status FillRandom(const Environment& environment, T* out) {
  if (environment.random(reinterpret_cast<uint8_t*>(out), sizeof(*out))) {
    return absl::OkStatus();
  }
  return absl::UnavailableError("the system has no random numbers");
}

// RocksDB takes a store without the file CURRENT for a new one. The marker says
// that this directory has been opened before, so it is not new.
absl::Status CheckStoreIsThere(FileSystem& files, const std::string& path) {
  CORKSCREW_ASSIGN_OR_RETURN(const OpenMarker marker, ReadOpenMarker(path));
  const std::string current = path + "/store/CURRENT";
  if (marker == OpenMarker{} || files.Exists(current)) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(
      "database in ", path, ": ", current,
      " is missing; restore it, or remove the directory to start anew"));
}

}  // namespace

absl::Status Engine::Call::Begin() {
  inside_ = engine_.gate_.Enter();
  if (!inside_) {
    return absl::FailedPreconditionError(
        absl::StrCat("the database in ", engine_.path_, " is closed"));
  }
  return engine_.follower_ == nullptr ? absl::OkStatus()
                                      : engine_.follower_->CatchUp();
}

Engine::Engine(std::string path, const Options& options,
               const Environment& environment)
    : path_(std::move(path)),
      options_(options),
      environment_(environment),
      threads_(options.threads != 0
                   ? options.threads
                   : std::max(1u, std::thread::hardware_concurrency())),
      budget_(options.memory_budget_bytes, options.block_cache_bytes),
      registry_(std::make_unique<CollectionRegistry>()) {}

Engine::~Engine() { Close().IgnoreError(); }

absl::StatusOr<std::shared_ptr<Engine>> Engine::Open(
    const std::string& path, const Options& options,
    const Environment& environment) {
  if (options.read_only) return OpenReadOnly(path, options, environment);
  std::shared_ptr<Engine> engine(new Engine(path, options, environment));
  CORKSCREW_ASSIGN_OR_RETURN(
      engine->lock_,
      DirectoryLock::Acquire(*environment.files, path,
                             options.create_if_missing, options.lock_timeout));
  CORKSCREW_RETURN_IF_ERROR(CheckStoreIsThere(*environment.files, path));
  if (options.create_if_missing &&
      !environment.files->Exists(path + "/store/CURRENT")) {
    CORKSCREW_RETURN_IF_ERROR(MakeDirectory(*environment.files, path, "store"));
  }
  RemoveStrayFiles(*environment.files, path);
  const absl::Status loaded = engine->Load();
  if (!loaded.ok()) {
    return absl::Status(loaded.code(), absl::StrCat("database in ", path, ": ",
                                                    loaded.message()));
  }
  return engine;
}

absl::StatusOr<std::shared_ptr<Engine>> Engine::OpenReadOnly(
    const std::string& path, const Options& options,
    const Environment& environment) {
  Options existing = options;
  existing.create_if_missing = false;
  std::shared_ptr<Engine> engine(new Engine(path, existing, environment));
  CORKSCREW_ASSIGN_OR_RETURN(
      engine->store_,
      Store::Follow(path + "/store",
                    {.block_cache_bytes = options.block_cache_bytes,
                     .env = environment.store}));
  const absl::Status loaded = engine->Load();
  if (!loaded.ok()) {
    return absl::Status(loaded.code(), absl::StrCat("database in ", path, ": ",
                                                    loaded.message()));
  }
  return engine;
}

absl::StatusOr<std::unique_ptr<Store>> Engine::OpenStore() {
  const StoreOptions store_options{
      .create_if_missing = options_.create_if_missing,
      .block_cache_bytes = budget_.BlockCacheBytes(0),
      .memtable_bytes = budget_.memtable_bytes(),
      .env = environment_.store,
      .background_error = [state = &write_state_](const absl::Status& why) {
        state->Fail(why.message());
      }};
  absl::StatusOr<std::unique_ptr<Store>> store =
      RecoverStore(path_, store_options, environment_, &recovered_);
  // What is kept in reserve is kept for this.
  if (absl::IsResourceExhausted(store.status()) &&
      DiskSpace::Release(*environment_.files, path_)) {
    store = RecoverStore(path_, store_options, environment_, &recovered_);
  }
  return store;
}

absl::Status Engine::Load() {
  if (!options_.read_only) {
    CORKSCREW_ASSIGN_OR_RETURN(store_, OpenStore());
  }
  WriteBatch batch = store_->NewBatch();
  CORKSCREW_RETURN_IF_ERROR(LoadIdentity(&batch));
  keeper_ = MakeKeeper();
  const IndexSettings index_settings = {
      .threads = threads_,
      .seal = !options_.read_only,
      .segment_slots = environment_.segment_slots,
      .on_seal = [keeper = keeper_.get()] { keeper->Wake(); }};
  const auto load_index =
      [this](const std::shared_ptr<CollectionState>& collection) {
        return keeper_->Load(collection);
      };
  CORKSCREW_RETURN_IF_ERROR(
      registry_->Load(*store_, origin_number_, index_settings, load_index));
  CORKSCREW_RETURN_IF_ERROR(LoadHistory(*store_, origins_, registry_.get()));
  CORKSCREW_RETURN_IF_ERROR(LoadPurges(*store_, registry_.get(), &batch));
  if (!options_.read_only)
    return StartWriting(index_settings, std::move(batch));
  follower_ = std::make_unique<Follower>(store_.get(), &origins_,
                                         registry_.get(), index_settings,
                                         load_index, [this] { return now(); });
  return absl::OkStatus();  // `batch` is not written.
}

std::unique_ptr<IndexKeeper> Engine::MakeKeeper() {
  const auto write = [this](Commit* commit) {
    // Names files that are there already, and mostly take the place of others.
    commit->makes_room = true;
    queue_->Run(commit);
    return commit->status;
  };
  return std::make_unique<IndexKeeper>(
      IndexKeeperOptions{.files = environment_.files,
                         .path = path_,
                         .store = store_.get(),
                         .origins = &origins_,
                         .incarnation = origin_.incarnation,
                         .registry = registry_.get(),
                         .write = write,
                         .threads = threads_,
                         .segment_slots = environment_.segment_slots,
                         .background = environment_.background});
}

absl::Status Engine::StartWriting(const IndexSettings& index_settings,
                                  WriteBatch batch) {
  CORKSCREW_RETURN_IF_ERROR(requests_.Load(*store_));
  requests_.Prune(absl::ToUnixMillis(now()), kPruneAtOpen, &batch);
  session_ = std::make_unique<OpenSession>(path_, environment_, store_.get(),
                                           open_row_, origin_.incarnation);

  // Nothing has been changed so far, and mostly nothing has to be.
  if (!batch.empty()) {
    CORKSCREW_RETURN_IF_ERROR(session_->Begin());
    session_->Stage(&batch);
    CORKSCREW_RETURN_IF_ERROR(store_->Write(batch));
    session_->Written(now(), std::nullopt);
  }
  if (recovered_.has_value()) {
    CORKSCREW_RETURN_IF_ERROR(RemoveRecoveryNote(path_, environment_));
  }
  CORKSCREW_RETURN_IF_ERROR(RemoveFailedMark(*environment_.files, path_));
  session_->RenewMark();
  for (const auto& collection : registry_->All()) {
    collection->RaiseDurable(collection->writer.feed);
  }

  guard_ = std::make_unique<WriteGuard>(environment_, path_, options_, budget_,
                                        registry_.get(), store_.get(),
                                        &write_state_);
  leader_ = std::make_unique<CommitLeader>(
      store_.get(), &origins_, origin_number_, registry_.get(), &requests_,
      session_.get(), index_settings, guard_.get(), [this] { return now(); });
  queue_ = std::make_unique<CommitQueue<Commit>>(
      [this](absl::Span<Commit* const> group) { Process(group); },
      [](const Commit& commit) { return commit.bytes; }, kMaxGroupBytes,
      BytesInQueue, budget_.queue_bytes());
  keeper_->Start();
  maintenance_ = std::make_unique<Maintenance>(*this);
  if (environment_.maintenance_thread) maintenance_->Start();
  return absl::OkStatus();
}

void Engine::Process(absl::Span<Commit* const> group) {
  leader_->Process(group);
  for (const Commit* commit : group) {
    if (std::holds_alternative<DropCommit*>(commit->what)) keeper_->Wake();
  }
}

absl::Status Engine::LoadIdentity(WriteBatch* batch) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> format,
                             store_->Get(Family::kRows, MetaKey("format")));
  if (!format.has_value()) return CreateIdentity(batch);
  CORKSCREW_ASSIGN_OR_RETURN(const FormatRow format_row,
                             DecodeFormatRow(*format));
  CORKSCREW_RETURN_IF_ERROR(CheckFormat(format_row, options_.read_only));
  const auto get = [&](absl::string_view name) -> absl::StatusOr<std::string> {
    CORKSCREW_ASSIGN_OR_RETURN(std::optional<std::string> value,
                               store_->Get(Family::kRows, MetaKey(name)));
    if (value.has_value()) return *std::move(value);
    return absl::DataLossError(absl::StrCat("row m", name, " is missing"));
  };
  CORKSCREW_ASSIGN_OR_RETURN(const std::string uuid, get("uuid"));
  CORKSCREW_ASSIGN_OR_RETURN(const std::string replica, get("replica"));
  CORKSCREW_ASSIGN_OR_RETURN(const std::string incarnation, get("incarnation"));
  CORKSCREW_ASSIGN_OR_RETURN(const std::string open, get("open"));
  CORKSCREW_ASSIGN_OR_RETURN(uuid_, DecodeUuid(uuid));
  CORKSCREW_ASSIGN_OR_RETURN(origin_.replica, DecodeUuid(replica));
  CORKSCREW_ASSIGN_OR_RETURN(origin_.incarnation, DecodeU64(incarnation));
  CORKSCREW_ASSIGN_OR_RETURN(open_row_, DecodeOpenRow(open));
  // Who only reads decides nothing about the writer's life.
  if (options_.read_only) return LoadOrigins(batch);
  if (const std::optional<DurableMark> mark =
          ReadDurableMark(*environment_.files, path_)) {
    CORKSCREW_RETURN_IF_ERROR(
        CheckDurableMark(*mark, origin_.incarnation, *store_));
  }
  CORKSCREW_ASSIGN_OR_RETURN(const bool other_life, IsOtherLife());
  if (other_life && !FlawsForTests().no_incarnation) {
    if (recovered_.has_value()) {
      origin_.incarnation = recovered_->incarnation;
    } else {
      CORKSCREW_RETURN_IF_ERROR(FillRandom(environment_, &origin_.incarnation));
    }
    batch->Put(Family::kRows, MetaKey("incarnation"),
               EncodeU64(origin_.incarnation));
  }
  return LoadOrigins(batch);
}

// Something may have been lost (bytes of the log, or the system went down), or
// there may be a second copy: then this is another life, so that no (origin,
// seq) is used for two ops. A process that only died lost nothing that was
// written.
absl::StatusOr<bool> Engine::IsOtherLife() {
  const OpenMarker named{open_row_.marker_inode, open_row_.marker_birth_ns};
  CORKSCREW_ASSIGN_OR_RETURN(OpenMarker marker, ReadOpenMarker(path_));
  CORKSCREW_ASSIGN_OR_RETURN(const OpenMarker prepared,
                             ReadPreparedMarker(path_));
  if (marker != named && prepared == named) {  // A crash came in between.
    CORKSCREW_RETURN_IF_ERROR(PlaceOpenMarker(*environment_.files, path_));
    marker = prepared;
  }
  const bool other_boot =
      !open_row_.clean && open_row_.boot_id != environment_.boot_id();
  const bool dropped =
      recovered_.has_value() && recovered_->incarnation != origin_.incarnation;
  const bool failed = HasFailedMark(*environment_.files, path_);
  return other_boot || marker != named || dropped || failed;
}

absl::Status Engine::CreateIdentity(WriteBatch* batch) {
  const auto it = store_->NewIterator(Family::kRows, "", "\xFF");
  it->Seek("");
  CORKSCREW_RETURN_IF_ERROR(it->status());
  if (it->valid()) {
    return absl::DataLossError("it has rows, but row mformat is missing");
  }
  CORKSCREW_ASSIGN_OR_RETURN(const OpenMarker marker, ReadOpenMarker(path_));
  if (marker != OpenMarker{} ||
      ReadDurableMark(*environment_.files, path_).has_value()) {
    return absl::DataLossError(
        "the store is empty, but OPEN or durable.mark says that it was not");
  }
  if (!options_.create_if_missing) return absl::NotFoundError("it is empty");
  CORKSCREW_RETURN_IF_ERROR(FillRandom(environment_, &uuid_));
  CORKSCREW_RETURN_IF_ERROR(FillRandom(environment_, &origin_.replica));
  CORKSCREW_RETURN_IF_ERROR(FillRandom(environment_, &origin_.incarnation));
  batch->Put(Family::kRows, MetaKey("format"), Encode(kCurrentFormat));
  batch->Put(Family::kRows, MetaKey("uuid"), EncodeUuid(uuid_));
  batch->Put(Family::kRows, MetaKey("replica"), EncodeUuid(origin_.replica));
  batch->Put(Family::kRows, MetaKey("incarnation"),
             EncodeU64(origin_.incarnation));
  return LoadOrigins(batch);
}

absl::Status Engine::LoadOrigins(WriteBatch* batch) {
  const std::string prefix = KindPrefix('a');
  const auto it = store_->NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
  for (it->Seek(prefix); it->valid(); it->Next()) {
    uint32_t number;
    if (!ParseOriginKey(it->key(), &number) || number != origins_.size()) {
      return absl::DataLossError(absl::StrCat(
          "the origin dictionary has no origin ", origins_.size()));
    }
    CORKSCREW_ASSIGN_OR_RETURN(const Origin origin,
                               DecodeOriginRow(it->value()));
    origins_.Add(origin);
  }
  CORKSCREW_RETURN_IF_ERROR(it->status());
  if (const std::optional<uint32_t> known = origins_.Find(origin_)) {
    origin_number_ = *known;
    return absl::OkStatus();
  }
  origin_number_ = origins_.Add(origin_);
  batch->Put(Family::kRows, OriginKey(origin_number_), Encode(origin_));
  return absl::OkStatus();
}

absl::Status Engine::Close() {
  if (maintenance_ != nullptr) maintenance_->Stop();
  if (!gate_.Close()) return absl::OkStatus();
  absl::Status status = absl::OkStatus();
  const bool clean =
      leader_ != nullptr && write_state_.snapshot().state != DbState::kFailed;
  if (keeper_ != nullptr) keeper_->Close(clean);
  if (clean) {
    status = session_->Close();
  }
  const bool loaded = leader_ != nullptr;
  queue_.reset();
  leader_.reset();
  follower_.reset();
  guard_.reset();
  session_.reset();
  keeper_.reset();
  if (loaded) status.Update(store_->Close());
  store_.reset();
  if (clean && status.ok()) DiskSpace::Shrink(*environment_.files, path_);
  lock_.reset();
  return status;
}

absl::Status Engine::Announce(absl::Span<const std::string> addresses) {
  Call running(*this);
  CORKSCREW_RETURN_IF_ERROR(running.Begin());
  return lock_ != nullptr ? lock_->Announce(addresses) : absl::OkStatus();
}

absl::Time Engine::now() const {
  return options_.now != nullptr ? options_.now() : absl::Now();
}

absl::Status Engine::EraseDeleted(absl::Span<const Store::KeyRange> ranges,
                                  absl::FunctionRef<absl::Status()> check) {
  // Were there too little, the store would fail and take no write any more.
  const uint64_t need = store_->BytesToErase(ranges);
  const absl::StatusOr<uint64_t> free = environment_.files->FreeSpace(path_);
  if (free.ok() && *free < need) {
    return absl::ResourceExhaustedError(
        absl::StrCat("rewriting files to erase what was deleted takes ", need,
                     " bytes of free space, the file system of ", path_,
                     " has ", *free, "; it goes on by itself once there are"));
  }
  return store_->EraseDeleted(ranges, check);
}

absl::Status Engine::Run(Commit* commit) {
  CORKSCREW_RETURN_IF_ERROR(CheckWritable());
  const size_t bytes = BytesInQueue(*commit);
  if (bytes > budget_.queue_bytes()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "a write of ", bytes, " bytes: all that wait may have ",
        budget_.queue_bytes(),
        " (an eighth of Options::memory_budget_bytes); write less at once"));
  }
  queue_->Run(commit);
  keeper_->RunPending();
  // What has not been written to segments takes memory. Writers that are faster
  // than that wait here, outside of the queue, through which segments are
  // named.
  if (commit->no_memory && keeper_->WriteAll().ok()) {
    queue_->Run(commit);
  }
  return commit->status;
}

size_t Engine::queued_bytes() const {
  return queue_ == nullptr ? 0 : queue_->bytes();
}

WriteState::Snapshot Engine::write_state() const {
  if (guard_ != nullptr) return guard_->Look();
  return {DbState::kReadOnly, "opened for reading only"};
}

absl::Status Engine::CheckWritable() const {
  if (!options_.read_only) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the database in ", path_, " is open for reading only"));
}

absl::StatusOr<std::shared_ptr<const Embedder>> Engine::EmbedderFor(
    CollectionState& collection) const {
  if (auto embedder = collection.embedder()) return embedder;
  const CollectionRow& row = collection.row();
  const auto refuse = [&](absl::string_view why) {
    return absl::FailedPreconditionError(why);
  };
  if (row.descriptor.space.empty()) {
    return refuse("it has no model, so text can not be embedded; give vectors");
  }
  if (options_.embedders == nullptr) {
    return refuse(absl::StrCat("text needs the model \"", row.model,
                               "\", but the database was opened without "
                               "Options::embedders"));
  }
  absl::StatusOr<std::shared_ptr<const Embedder>> found =
      options_.embedders->Find(row.model);
  if (!found.ok()) return found;
  if ((*found)->space() != row.descriptor.space) {
    return refuse(absl::StrCat("model \"", row.model,
                               "\" makes vectors of space ", (*found)->space(),
                               ", the collection has ", row.descriptor.space));
  }
  if ((*found)->dim() != row.descriptor.quantizer.dim) {
    return refuse(absl::StrCat("model \"", row.model, "\" makes vectors of ",
                               (*found)->dim(), " coordinates, want ",
                               row.descriptor.quantizer.dim));
  }
  collection.set_embedder(*found);
  return found;
}

}  // namespace corkscrew
