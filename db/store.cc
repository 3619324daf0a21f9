#include "db/store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "db/flaws.h"
#include "db/store_options.h"
#include "db/wal_scanner.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/listener.h"
#include "rocksdb/options.h"
#include "rocksdb/perf_level.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"
#include "rocksdb/utilities/checkpoint.h"
#include "rocksdb/write_batch.h"

namespace corkscrew {
namespace {

// The column family of bodies.
constexpr char kBodiesName[] = "hist";

// Iterators live no longer.
constexpr absl::Duration kLongestRead = absl::Seconds(15);

rocksdb::Slice ToSlice(absl::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

absl::string_view ToView(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

// The one place where statuses of RocksDB become ours.
absl::Status ToStatus(const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = absl::StrCat("store: ", status.ToString());
  switch (status.code()) {
    case rocksdb::Status::kNotFound:
      return absl::NotFoundError(message);
    case rocksdb::Status::kCorruption:
      return absl::DataLossError(message);
    case rocksdb::Status::kNotSupported:
    case rocksdb::Status::kInvalidArgument:
      return absl::FailedPreconditionError(message);
    case rocksdb::Status::kIOError:
      if (status.subcode() == rocksdb::Status::kNoSpace) {
        return absl::ResourceExhaustedError(message);
      }
      if (status.subcode() == rocksdb::Status::kPathNotFound) {
        return absl::DataLossError(message);  // A file of the store is gone.
      }
      return absl::UnavailableError(message);
    case rocksdb::Status::kBusy:
    case rocksdb::Status::kTryAgain:
    case rocksdb::Status::kTimedOut:
    case rocksdb::Status::kShutdownInProgress:
      return absl::UnavailableError(message);
    default:
      return absl::InternalError(message);
  }
}

// That of opening, where RocksDB takes a failure to open CURRENT for files that
// can not be read directly, which they never are here, and a failure to read a
// table for a damaged one.
absl::Status ToOpenStatus(const rocksdb::Status& status) {
  const std::string message = status.ToString();
  const bool no_current =
      status.IsInvalidArgument() &&
      (absl::StrContains(message, "Direct I/O is not supported") ||
       absl::StrContains(message, "incompatible with filesystem"));
  const bool no_table = status.IsCorruption() &&
                        absl::StrContains(message, "Can't access") &&
                        absl::StrContains(message, "IO error: ") &&
                        !absl::StrContains(message, "No such file");
  if (no_current || no_table) {
    return absl::UnavailableError(
        absl::StrCat("store: a file can not be read: ", message));
  }
  return ToStatus(status);
}

// Hears of errors of background work, after which nothing may be written: the
// store is then not what the log says.
// And counts how often a memtable was closed, which is when a new log begins.
class StoreListener : public rocksdb::EventListener {
 public:
  explicit StoreListener(std::function<void(const absl::Status&)> report)
      : report_(std::move(report)) {}

  void OnMemTableSealed(const rocksdb::MemTableInfo& /*info*/) override {
    ++sealed_;
  }

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason,
                         rocksdb::Status* error) override {
    if (error->ok()) return;
    const absl::Status status = ToStatus(*error);
    // The writer hears of the others itself.
    const bool background =
        reason != rocksdb::BackgroundErrorReason::kWriteCallback &&
        reason != rocksdb::BackgroundErrorReason::kMemTable;
    failed_ = true;
    if (background && report_ != nullptr) report_(status);
  }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason /*reason*/,
                            rocksdb::Status /*error*/,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

  bool failed() const { return failed_; }
  uint64_t sealed() const { return sealed_; }

 private:
  const std::function<void(const absl::Status&)> report_;
  std::atomic<bool> failed_ = false;
  std::atomic<uint64_t> sealed_ = 0;
};

// RocksDB counts every comparison of keys for a thread, unless it is told not
// to.
class UncountedWork {
 public:
  UncountedWork() : before_(rocksdb::GetPerfLevel()) {
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  }
  ~UncountedWork() { rocksdb::SetPerfLevel(before_); }
  UncountedWork(const UncountedWork&) = delete;
  UncountedWork& operator=(const UncountedWork&) = delete;

 private:
  const rocksdb::PerfLevel before_;
};

// Unsynced: see Store::Write().
rocksdb::WriteOptions WriteOptionsOfBatch() {
  rocksdb::WriteOptions options;
  options.sync = false;
  options.protection_bytes_per_key = kProtectionBytes;
  return options;
}

}  // namespace

using Families = std::array<rocksdb::ColumnFamilyHandle*, 2>;

namespace {

// A batch of RocksDB for the next one who needs one: what it has allocated is
// large.
class BatchBuffer {
 public:
  rocksdb::WriteBatch Take() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(&mutex_);
    rocksdb::WriteBatch batch = std::move(spare_);
    spare_ = Empty();
    return batch;
  }
  void Keep(rocksdb::WriteBatch batch) ABSL_LOCKS_EXCLUDED(mutex_) {
    constexpr size_t kMostBytes = size_t{4} << 20;
    if (batch.GetDataSize() > kMostBytes) return;
    batch.Clear();
    MutexLock lock(&mutex_);
    spare_ = std::move(batch);
  }

 private:
  static rocksdb::WriteBatch Empty() {
    return rocksdb::WriteBatch(/*reserved_bytes=*/0, /*max_bytes=*/0,
                               kProtectionBytes, /*default_cf_ts_sz=*/0);
  }

  Mutex mutex_;
  rocksdb::WriteBatch spare_ ABSL_GUARDED_BY(mutex_) = Empty();
};

}  // namespace

struct WriteBatch::Rep {
  ~Rep() {
    if (buffer != nullptr) buffer->Keep(std::move(batch));
  }

  rocksdb::WriteBatch batch;
  std::shared_ptr<BatchBuffer> buffer = nullptr;
  Families families = {};

  rocksdb::ColumnFamilyHandle* family(Family f) const {
    return families[static_cast<size_t>(f)];
  }
};

WriteBatch::WriteBatch(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
WriteBatch::~WriteBatch() = default;
WriteBatch::WriteBatch(WriteBatch&&) noexcept = default;
WriteBatch& WriteBatch::operator=(WriteBatch&&) noexcept = default;

// The batch functions below fail only for a batch with a size limit.

void WriteBatch::Put(Family family, absl::string_view key,
                     absl::string_view value) {
  const rocksdb::Status status =
      rep_->batch.Put(rep_->family(family), ToSlice(key), ToSlice(value));
  assert(status.ok());
  status.PermitUncheckedError();
}

void WriteBatch::Delete(Family family, absl::string_view key) {
  const rocksdb::Status status =
      rep_->batch.Delete(rep_->family(family), ToSlice(key));
  assert(status.ok());
  status.PermitUncheckedError();
}

void WriteBatch::DeleteRange(Family family, absl::string_view begin,
                             absl::string_view end) {
  const rocksdb::Status status = rep_->batch.DeleteRange(
      rep_->family(family), ToSlice(begin), ToSlice(end));
  assert(status.ok());
  status.PermitUncheckedError();
}

bool WriteBatch::empty() const { return rep_->batch.Count() == 0; }

namespace {

// An open RocksDB with the handles of its families.
struct Opened {
  std::unique_ptr<rocksdb::DB> db;
  Families families = {};

  ~Opened() {
    if (db == nullptr) return;
    for (rocksdb::ColumnFamilyHandle* family : families) {
      db->DestroyColumnFamilyHandle(family).PermitUncheckedError();
    }
  }
  rocksdb::ColumnFamilyHandle* family(Family f) const {
    return families[static_cast<size_t>(f)];
  }
};

class Iterator : public RowIterator {
 public:
  Iterator(std::shared_ptr<const Opened> view, Family family,
           absl::string_view begin, absl::string_view end)
      : view_(std::move(view)),
        begin_(begin),
        end_(end),
        lower_(begin_),
        upper_(end_) {
    rocksdb::ReadOptions options;
    options.iterate_lower_bound = &lower_;
    options.iterate_upper_bound = &upper_;
    iterator_.reset(view_->db->NewIterator(options, view_->family(family)));
  }

  void Seek(absl::string_view key) override { iterator_->Seek(ToSlice(key)); }
  void SeekToLast() override { iterator_->SeekToLast(); }
  void Next() override { iterator_->Next(); }
  void Prev() override { iterator_->Prev(); }
  bool valid() const override { return iterator_->Valid(); }
  absl::string_view key() const override { return ToView(iterator_->key()); }
  absl::string_view value() const override {
    return ToView(iterator_->value());
  }
  absl::Status status() const override { return ToStatus(iterator_->status()); }

 private:
  const std::shared_ptr<const Opened> view_;  // Outlives the iterator.
  const std::string begin_;
  const std::string end_;
  const rocksdb::Slice lower_;
  const rocksdb::Slice upper_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

// What RocksDB's list of files is at a moment: it changes with every flush and
// compaction, and with every open.
struct FileList {
  std::string current = {};  // Content of CURRENT: the name of the list,
  uint64_t bytes = 0;        // which is only appended to.

  friend bool operator==(const FileList&, const FileList&) = default;
};

rocksdb::Status ReadFileList(rocksdb::Env& env, const std::string& path,
                             FileList* list) {
  rocksdb::Status read =
      rocksdb::ReadFileToString(&env, path + "/CURRENT", &list->current);
  if (!read.ok()) return read;
  return env.GetFileSize(
      absl::StrCat(path, "/", absl::StripAsciiWhitespace(list->current)),
      &list->bytes);
}

}  // namespace

// RocksDB's secondary instances follow the log of the writer, but when a log
// was flushed and removed before they read it, the older rows in their memory
// hide the newer ones in files (7.8). So an instance lives only as long as the
// list of files does not change; then another one is opened. Nothing was
// missed if the list is the same before and after.
class Store::Secondary {
 public:
  Secondary(std::string path, const StoreOptions& options,
            const std::shared_ptr<rocksdb::Cache>& cache)
      : path_(std::move(path)), options_(DbOptions(options)) {
    options_.create_if_missing = false;
    options_.create_missing_column_families = false;
    // Its files stay open: the writer may remove them at any time.
    options_.max_open_files = -1;
    families_ = {{rocksdb::kDefaultColumnFamilyName,
                  FamilyOptions(Family::kRows, options, cache)},
                 {kBodiesName, FamilyOptions(Family::kBodies, options, cache)}};
  }

  std::shared_ptr<const Opened> view() const {
    MutexLock lock(&mutex_);
    return opened_;
  }

  // One at a time.
  absl::Status CatchUp() {
    // What the writer replaces meanwhile makes one try worthless.
    constexpr int kTries = 50;
    rocksdb::Status status;
    for (int i = 1; i <= kTries; ++i) {
      FileList before;
      FileList after;
      status = ReadFileList(*options_.env, path_, &before);
      const std::shared_ptr<const Opened> old = view();
      std::shared_ptr<const Opened> fresh = old;
      if (status.ok() && old != nullptr && before == list_) {
        status = old->db->TryCatchUpWithPrimary();
      } else if (status.ok()) {
        status = Open(&fresh);
      }
      if (status.ok()) status = ReadFileList(*options_.env, path_, &after);
      if (status.ok() && before == after) {
        list_ = before;
        MutexLock lock(&mutex_);
        opened_ = std::move(fresh);
        return absl::OkStatus();
      }
      list_ = FileList();  // An instance that has seen half of it is no good.
      if (status.ok()) {
        status = rocksdb::Status::TryAgain("its files are changing");
      } else if (!status.IsIOError() && !status.IsTryAgain()) {
        break;
      }
      absl::SleepFor(absl::Milliseconds(std::min(i, 10)));
    }
    return ToStatus(status);
  }

 private:
  rocksdb::Status Open(std::shared_ptr<const Opened>* out) const {
    // Only for log files of its own, which it does not write.
    const std::string no_directory = "/dev/null/corkscrewdb";
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    rocksdb::Status status = rocksdb::DB::OpenAsSecondary(
        options_, path_, no_directory, families_, &handles, &db);
    if (!status.ok()) return status;
    auto opened = std::make_shared<Opened>();
    opened->db.reset(db);
    opened->families = {handles[0], handles[1]};
    *out = std::move(opened);
    return status;
  }

  const std::string path_;
  rocksdb::DBOptions options_;
  std::vector<rocksdb::ColumnFamilyDescriptor> families_;
  FileList list_;  // As of `opened_`.

  mutable Mutex mutex_;
  std::shared_ptr<const Opened> opened_ ABSL_GUARDED_BY(mutex_);
};

struct Store::Rep {
  std::shared_ptr<rocksdb::Cache> cache;
  std::shared_ptr<Opened> opened;        // Null when read only.
  std::unique_ptr<Secondary> secondary;  // Null when writable.
  // A write failed. The log must not be touched any more: builds of RocksDB
  // with assertions abort.
  std::atomic<bool> failed = false;
  std::shared_ptr<StoreListener> listener;  // Null when it follows another.
  std::atomic<uint64_t> synced_sequence = 0;
  // StoreListener::sealed() before the write that began the newest log known to
  // have a synced beginning. Of Write().
  std::optional<uint64_t> begun = std::nullopt;
  const std::shared_ptr<BatchBuffer> buffer = std::make_shared<BatchBuffer>();
  bool read_only = false;  // From StoreOptions.

  bool has_failed() const {
    return failed || (listener != nullptr && listener->failed());
  }
  void RaiseSynced(uint64_t sequence) {
    uint64_t now = synced_sequence;
    while (now < sequence &&
           !synced_sequence.compare_exchange_weak(now, sequence)) {
    }
  }

  // What reads go to.
  std::shared_ptr<const Opened> view() const {
    return secondary != nullptr ? secondary->view() : opened;
  }
};

Store::Store(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}

Store::~Store() = default;

absl::StatusOr<std::unique_ptr<Store>> Store::Open(
    const std::string& path, const StoreOptions& options) {
  auto rep = std::make_unique<Rep>();
  rep->cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  rocksdb::DBOptions db_options = DbOptions(options);
  rep->listener = std::make_shared<StoreListener>(options.background_error);
  db_options.listeners.push_back(rep->listener);
  if (options.read_only) {
    db_options.create_if_missing = false;
    db_options.create_missing_column_families = false;
  }
  if (!options.create_if_missing &&
      db_options.env->FileExists(path + "/CURRENT").IsNotFound()) {
    return absl::NotFoundError(absl::StrCat("no store in ", path));
  }
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName,
       FamilyOptions(Family::kRows, options, rep->cache)},
      {kBodiesName, FamilyOptions(Family::kBodies, options, rep->cache)}};
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  CORKSCREW_RETURN_IF_ERROR(ToOpenStatus(
      options.read_only
          ? rocksdb::DB::OpenForReadOnly(db_options, path, families, &handles,
                                         &db)
          : rocksdb::DB::Open(db_options, path, families, &handles, &db)));
  rep->read_only = options.read_only;
  rep->opened = std::make_shared<Opened>();
  rep->opened->db.reset(db);
  rep->opened->families = {handles[0], handles[1]};
  rep->synced_sequence = db->GetLatestSequenceNumber();
  return std::unique_ptr<Store>(new Store(std::move(rep)));
}

absl::StatusOr<std::unique_ptr<Store>> Store::Follow(
    const std::string& path, const StoreOptions& options) {
  auto rep = std::make_unique<Rep>();
  rep->cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  rep->secondary = std::make_unique<Secondary>(path, options, rep->cache);
  if (DbOptions(options).env->FileExists(path + "/CURRENT").IsNotFound()) {
    return absl::NotFoundError(absl::StrCat("no store in ", path));
  }
  CORKSCREW_RETURN_IF_ERROR(rep->secondary->CatchUp());
  return std::unique_ptr<Store>(new Store(std::move(rep)));
}

absl::Status Store::CatchUp() { return rep_->secondary->CatchUp(); }

WriteBatch Store::NewBatch() const {
  auto rep = std::make_unique<WriteBatch::Rep>();
  rep->buffer = rep_->buffer;
  rep->batch = rep->buffer->Take();
  if (rep_->opened != nullptr) rep->families = rep_->opened->families;
  return WriteBatch(std::move(rep));
}

absl::Status Store::Write(WriteBatch& batch, Sync sync,
                          absl::FunctionRef<void()> meanwhile) {
  if (rep_->has_failed()) {
    return absl::FailedPreconditionError("store: a write failed before");
  }
  absl::Status status = ToStatus(
      batch.rep_->batch.PutLogData(EncodeSyncedClaim(rep_->synced_sequence)));
  const uint64_t sealed = rep_->listener->sealed();
  if (status.ok()) {
    const UncountedWork uncounted;
    status = ToStatus(
        rep_->opened->db->Write(WriteOptionsOfBatch(), &batch.rep_->batch));
  }
  if (!status.ok()) {
    rep_->failed = true;
    return status;
  }
  meanwhile();
  // The first batch of a log must not be lost alone: what is behind it does not
  // say where the log began, so that it would look like damage.
  const bool begins =
      rep_->begun != sealed || rep_->listener->sealed() != sealed;
  if (sync == Sync::kNow || begins) status = SyncLog();
  if (absl::IsFailedPrecondition(status)) {
    // The store failed meanwhile, behind this batch.
    status = absl::UnavailableError(status.message());
  }
  if (begins) rep_->begun = sealed;
  return status;
}

absl::Status Store::SyncLog() {
  if (rep_->has_failed()) {
    return absl::FailedPreconditionError("store: a write failed before");
  }
  const uint64_t sequence = last_sequence();
  absl::Status status = FlawsForTests().no_sync
                            ? absl::OkStatus()
                            : ToStatus(rep_->opened->db->SyncWAL());
  if (status.ok()) {
    rep_->RaiseSynced(sequence);
  } else {
    rep_->failed = true;
  }
  return status;
}

void Store::SetBlockCacheBytes(size_t bytes) {
  if (rep_->cache->GetCapacity() != bytes) rep_->cache->SetCapacity(bytes);
}

uint64_t Store::last_sequence() const {
  return rep_->opened->db->GetLatestSequenceNumber();
}

uint64_t Store::synced_sequence() const { return rep_->synced_sequence; }

absl::Status Store::VerifyTables() const {
  return ToStatus(rep_->view()->db->VerifyChecksum());
}

absl::StatusOr<std::optional<std::string>> Store::Get(
    Family family, absl::string_view key) const {
  std::string value;
  const std::shared_ptr<const Opened> view = rep_->view();
  const rocksdb::Status status = view->db->Get(
      rocksdb::ReadOptions(), view->family(family), ToSlice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  CORKSCREW_RETURN_IF_ERROR(ToStatus(status));
  return std::optional<std::string>(std::move(value));
}

absl::Status Store::MultiGet(
    Family family, absl::Span<const std::string> keys,
    absl::FunctionRef<absl::Status(size_t, std::optional<absl::string_view>)>
        visit) const {
  constexpr size_t kMost = 256;  // Values pinned at a time.
  const std::shared_ptr<const Opened> view = rep_->view();
  std::vector<rocksdb::Slice> slices;
  std::vector<rocksdb::PinnableSlice> values(std::min(kMost, keys.size()));
  std::vector<rocksdb::Status> statuses(values.size());
  for (size_t first = 0; first < keys.size(); first += kMost) {
    const size_t count = std::min(kMost, keys.size() - first);
    slices.clear();
    for (size_t i = 0; i < count; ++i) {
      slices.push_back(ToSlice(keys[first + i]));
      values[i].Reset();
    }
    view->db->MultiGet(rocksdb::ReadOptions(), view->family(family), count,
                       slices.data(), values.data(), statuses.data());
    for (size_t i = 0; i < count; ++i) {
      if (statuses[i].IsNotFound()) {
        CORKSCREW_RETURN_IF_ERROR(visit(first + i, std::nullopt));
        continue;
      }
      CORKSCREW_RETURN_IF_ERROR(ToStatus(statuses[i]));
      CORKSCREW_RETURN_IF_ERROR(visit(first + i, ToView(values[i])));
    }
  }
  return absl::OkStatus();
}

std::unique_ptr<RowIterator> Store::NewIterator(Family family,
                                                absl::string_view begin,
                                                absl::string_view end) const {
  return std::make_unique<Iterator>(rep_->view(), family, begin, end);
}

absl::Status Store::Checkpoint(const std::string& path) const {
  // A full path is what RocksDB asks for.
  std::error_code error;
  const std::string whole = std::filesystem::absolute(path, error).string();
  rocksdb::Checkpoint* made = nullptr;
  CORKSCREW_RETURN_IF_ERROR(
      ToStatus(rocksdb::Checkpoint::Create(rep_->opened->db.get(), &made)));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  // Flushes first: a linked log would not be synced as a whole (7.8).
  return ToStatus(
      checkpoint->CreateCheckpoint(whole, /*log_size_for_flush=*/0));
}

absl::Status Store::Close() {
  absl::Status status = absl::OkStatus();
  if (rep_->opened == nullptr) return status;
  Opened& opened = *rep_->opened;
  if (!rep_->has_failed() && !rep_->read_only) {
    status = ToStatus(
        opened.db->Flush(rocksdb::FlushOptions(),
                         {opened.families.begin(), opened.families.end()}));
  }
  for (rocksdb::ColumnFamilyHandle* family : opened.families) {
    status.Update(ToStatus(opened.db->DestroyColumnFamilyHandle(family)));
  }
  status.Update(ToStatus(opened.db->Close()));
  opened.db.reset();
  return status;
}

absl::Status Store::EraseDeleted(absl::Span<const KeyRange> ranges,
                                 absl::FunctionRef<absl::Status()> check) {
  rocksdb::DB& db = *rep_->opened->db;
  rocksdb::Env& env = *db.GetEnv();
  const auto data_files = [&](std::set<std::string>* names) {
    std::vector<std::string> children;
    CORKSCREW_RETURN_IF_ERROR(
        ToStatus(env.GetChildren(db.GetName(), &children)));
    for (std::string& name : children) {
      if (absl::EndsWith(name, ".sst") || absl::EndsWith(name, ".log")) {
        names->insert(std::move(name));
      }
    }
    return absl::OkStatus();
  };
  std::set<std::string> logs;
  CORKSCREW_RETURN_IF_ERROR(data_files(&logs));
  // The log is empty afterwards, or another one.
  CORKSCREW_RETURN_IF_ERROR(ToStatus(db.Flush(
      rocksdb::FlushOptions(),
      {rep_->opened->families.begin(), rep_->opened->families.end()})));
  std::set<std::string> tables;
  CORKSCREW_RETURN_IF_ERROR(data_files(&tables));
  std::erase_if(logs, [](const std::string& name) {
    return absl::EndsWith(name, ".sst");
  });
  std::erase_if(tables, [](const std::string& name) {
    return absl::EndsWith(name, ".log");
  });
  rocksdb::CompactRangeOptions compact;
  compact.bottommost_level_compaction =
      rocksdb::BottommostLevelCompaction::kForce;
  for (const KeyRange& range : ranges) {
    CORKSCREW_RETURN_IF_ERROR(check());
    const rocksdb::Slice begin = ToSlice(range.begin);
    const rocksdb::Slice end = ToSlice(range.end);
    CORKSCREW_RETURN_IF_ERROR(ToStatus(db.CompactRange(
        compact, rep_->opened->family(Family::kBodies), &begin, &end)));
  }
  // Obsolete files go when the last reader of them ends, and when file
  // deletions are let in again.
  const absl::Time until = absl::Now() + kLongestRead;
  while (true) {
    CORKSCREW_RETURN_IF_ERROR(ToStatus(db.DisableFileDeletions()));
    CORKSCREW_RETURN_IF_ERROR(
        ToStatus(db.EnableFileDeletions(/*force=*/false)));
    std::set<std::string> left;
    CORKSCREW_RETURN_IF_ERROR(data_files(&left));
    std::vector<rocksdb::LiveFileMetaData> live;
    db.GetLiveFilesMetaData(&live);
    std::set<std::string> in_use;
    for (const auto& file : live) {
      in_use.insert(std::string(absl::StripPrefix(file.name, "/")));
    }
    std::string obsolete;
    for (const std::string& name : left) {
      if (tables.contains(name) && !in_use.contains(name)) obsolete = name;
      if (logs.contains(name) && *logs.rbegin() != *left.rbegin()) {
        // An older log than the newest one.
        uint64_t size = 0;
        if (env.GetFileSize(db.GetName() + "/" + name, &size).ok() &&
            size > 0) {
          obsolete = name;
        }
      }
    }
    if (obsolete.empty()) return absl::OkStatus();
    CORKSCREW_RETURN_IF_ERROR(check());
    if (absl::Now() >= until) {
      return absl::UnavailableError(
          absl::StrCat("store: ", obsolete, " is still being read; try again"));
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
}

uint64_t Store::BytesToErase(absl::Span<const KeyRange> ranges) const {
  std::vector<rocksdb::LiveFileMetaData> files;
  rep_->opened->db->GetLiveFilesMetaData(&files);
  uint64_t bytes = memtable_bytes();
  for (const rocksdb::LiveFileMetaData& file : files) {
    const bool touched =
        file.column_family_name == kBodiesName &&
        std::any_of(ranges.begin(), ranges.end(), [&](const KeyRange& range) {
          return file.smallestkey < range.end && file.largestkey >= range.begin;
        });
    if (touched) bytes += file.size;
  }
  return bytes;
}

size_t Store::block_cache_bytes() const { return rep_->cache->GetUsage(); }

size_t Store::memtable_bytes() const {
  size_t sum = 0;
  const std::shared_ptr<const Opened> view = rep_->view();
  for (rocksdb::ColumnFamilyHandle* family : view->families) {
    uint64_t bytes = 0;
    if (view->db->GetIntProperty(
            family, rocksdb::DB::Properties::kSizeAllMemTables, &bytes)) {
      sum += bytes;
    }
  }
  return sum;
}

}  // namespace corkscrew
