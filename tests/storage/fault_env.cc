// The front end of FaultState for RocksDB.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/io_status.h"
#include "rocksdb/slice.h"
#include "tests/storage/fault_file_system.h"
#include "tests/storage/fault_state.h"

namespace corkscrew::testing {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus FaultError(Fault fault, const std::string& path) {
  return fault == Fault::kIoError
             ? IOStatus::IOError("injected: Input/output error", path)
             : IOStatus::NoSpace("injected: No space left on device", path);
}

class FaultWritableFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultWritableFile(FaultState& state,
                    std::unique_ptr<rocksdb::FSWritableFile> real,
                    std::shared_ptr<FileState> file)
      : FSWritableFileOwnerWrapper(std::move(real)),
        state_(state),
        file_(std::move(file)) {}

  IOStatus Append(const Slice& data, const IOOptions& options,
                  IODebugContext* dbg) override {
    const MutexLock lock(&state_.mutex());
    const FaultState::Verdict verdict =
        state_.Begin(CallKind::kAppend, file_->path, data.size());
    const size_t size = verdict.fault ? verdict.bytes : data.size();
    if (size != 0) {
      IOStatus status =
          target()->Append(Slice(data.data(), size), options, dbg);
      if (!status.ok()) return status;
      state_.Appended(file_.get(), size);
    }
    return verdict.fault ? FaultError(*verdict.fault, file_->path)
                         : IOStatus::OK();
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& /*info*/,
                  IODebugContext* dbg) override {
    return Append(data, options, dbg);
  }

  IOStatus Truncate(uint64_t size, const IOOptions& options,
                    IODebugContext* dbg) override {
    const MutexLock lock(&state_.mutex());
    const FaultState::Verdict verdict =
        state_.Begin(CallKind::kTruncate, file_->path);
    if (verdict.fault) return FaultError(*verdict.fault, file_->path);
    IOStatus status = target()->Truncate(size, options, dbg);
    if (status.ok()) state_.Truncated(file_.get(), size);
    return status;
  }

  // Nothing is synced: the simulated power loss decides what the disk knows.
  IOStatus Sync(const IOOptions& /*options*/,
                IODebugContext* /*dbg*/) override {
    const MutexLock lock(&state_.mutex());
    const FaultState::Verdict verdict =
        state_.Begin(CallKind::kSync, file_->path);
    if (verdict.fault) {
      state_.SyncFailed(file_.get());
      return FaultError(*verdict.fault, file_->path);
    }
    state_.Synced(file_.get());
    return IOStatus::OK();
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override {
    return Sync(options, dbg);
  }
  IOStatus RangeSync(uint64_t /*offset*/, uint64_t /*bytes*/,
                     const IOOptions& /*options*/,
                     IODebugContext* /*dbg*/) override {
    return IOStatus::OK();  // Promises nothing.
  }

 private:
  FaultState& state_;
  const std::shared_ptr<FileState> file_;
};

class FaultDirectory : public rocksdb::FSDirectoryWrapper {
 public:
  FaultDirectory(FaultState& state, std::unique_ptr<rocksdb::FSDirectory> real,
                 std::string path)
      : FSDirectoryWrapper(std::move(real)),
        state_(state),
        path_(std::move(path)) {}

  IOStatus Fsync(const IOOptions& /*options*/,
                 IODebugContext* /*dbg*/) override {
    const MutexLock lock(&state_.mutex());
    const FaultState::Verdict verdict =
        state_.Begin(CallKind::kSyncDirectory, path_);
    if (verdict.fault) return FaultError(*verdict.fault, path_);
    state_.SyncedDirectory(path_);
    return IOStatus::OK();
  }
  IOStatus FsyncWithDirOptions(
      const IOOptions& options, IODebugContext* dbg,
      const rocksdb::DirFsyncOptions& /*directory*/) override {
    return Fsync(options, dbg);
  }

 private:
  FaultState& state_;
  const std::string path_;
};

class FaultSequentialFile : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  FaultSequentialFile(FaultState& state,
                      std::unique_ptr<rocksdb::FSSequentialFile> real,
                      std::string path)
      : FSSequentialFileOwnerWrapper(std::move(real)),
        state_(state),
        path_(std::move(path)) {}

  IOStatus Read(size_t n, const IOOptions& options, Slice* result,
                char* scratch, IODebugContext* dbg) override {
    const MutexLock lock(&state_.mutex());
    const FaultState::Verdict verdict = state_.Begin(CallKind::kRead, path_);
    if (verdict.fault) return FaultError(*verdict.fault, path_);
    return target()->Read(n, options, result, scratch, dbg);
  }

 private:
  FaultState& state_;
  const std::string path_;
};

class FaultRandomAccessFile : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  FaultRandomAccessFile(FaultState& state,
                        std::unique_ptr<rocksdb::FSRandomAccessFile> real,
                        std::string path)
      : FSRandomAccessFileOwnerWrapper(std::move(real)),
        state_(state),
        path_(std::move(path)) {}

  IOStatus Read(uint64_t offset, size_t n, const IOOptions& options,
                Slice* result, char* scratch,
                IODebugContext* dbg) const override {
    const MutexLock lock(&state_.mutex());
    const FaultState::Verdict verdict = state_.Begin(CallKind::kRead, path_);
    if (verdict.fault) return FaultError(*verdict.fault, path_);
    return target()->Read(offset, n, options, result, scratch, dbg);
  }
  IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t count,
                     const IOOptions& options, IODebugContext* dbg) override {
    for (size_t i = 0; i < count; ++i) {
      requests[i].status = Read(requests[i].offset, requests[i].len, options,
                                &requests[i].result, requests[i].scratch, dbg);
    }
    return IOStatus::OK();
  }

 private:
  FaultState& state_;
  const std::string path_;
};

class FaultStoreFileSystem : public rocksdb::FileSystemWrapper {
 public:
  explicit FaultStoreFileSystem(FaultState& state)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), state_(state) {}

  const char* Name() const override { return "FaultStoreFileSystem"; }

  IOStatus NewSequentialFile(const std::string& path,
                             const FileOptions& options,
                             std::unique_ptr<rocksdb::FSSequentialFile>* out,
                             IODebugContext* dbg) override {
    const MutexLock lock(&state_.mutex());
    if (IOStatus fault = Begin(CallKind::kRead, path); !fault.ok()) {
      return fault;
    }
    std::unique_ptr<rocksdb::FSSequentialFile> real;
    IOStatus status = target()->NewSequentialFile(path, options, &real, dbg);
    if (status.ok()) {
      *out =
          std::make_unique<FaultSequentialFile>(state_, std::move(real), path);
    }
    return status;
  }

  IOStatus NewRandomAccessFile(
      const std::string& path, const FileOptions& options,
      std::unique_ptr<rocksdb::FSRandomAccessFile>* out,
      IODebugContext* dbg) override {
    const MutexLock lock(&state_.mutex());
    if (IOStatus fault = Begin(CallKind::kRead, path); !fault.ok()) {
      return fault;
    }
    std::unique_ptr<rocksdb::FSRandomAccessFile> real;
    IOStatus status = target()->NewRandomAccessFile(path, options, &real, dbg);
    if (status.ok()) {
      *out = std::make_unique<FaultRandomAccessFile>(state_, std::move(real),
                                                     path);
    }
    return status;
  }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* out,
                           IODebugContext* dbg) override {
    const MutexLock lock(&state_.mutex());
    if (IOStatus fault = Begin(CallKind::kCreate, path); !fault.ok()) {
      return fault;
    }
    std::unique_ptr<rocksdb::FSWritableFile> real;
    IOStatus status = target()->NewWritableFile(path, options, &real, dbg);
    if (status.ok()) {
      *out = std::make_unique<FaultWritableFile>(state_, std::move(real),
                                                 state_.Created(path));
    }
    return status;
  }

  IOStatus ReopenWritableFile(const std::string& path,
                              const FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* out,
                              IODebugContext* dbg) override {
    const MutexLock lock(&state_.mutex());
    if (IOStatus fault = Begin(CallKind::kCreate, path); !fault.ok()) {
      return fault;
    }
    uint64_t size = 0;
    const bool there =
        target()->GetFileSize(path, IOOptions(), &size, dbg).ok();
    std::unique_ptr<rocksdb::FSWritableFile> real;
    IOStatus status = target()->ReopenWritableFile(path, options, &real, dbg);
    if (status.ok()) {
      *out = std::make_unique<FaultWritableFile>(
          state_, std::move(real),
          there ? state_.Opened(path, size) : state_.Created(path));
    }
    return status;
  }

  IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* out,
                        IODebugContext* dbg) override {
    const MutexLock lock(&state_.mutex());
    if (IOStatus fault = Begin(CallKind::kRead, path); !fault.ok()) {
      return fault;
    }
    std::unique_ptr<rocksdb::FSDirectory> real;
    IOStatus status = target()->NewDirectory(path, options, &real, dbg);
    if (status.ok()) {
      *out = std::make_unique<FaultDirectory>(state_, std::move(real), path);
    }
    return status;
  }

  IOStatus FileExists(const std::string& path, const IOOptions& options,
                      IODebugContext* dbg) override {
    const MutexLock lock(&state_.mutex());
    if (IOStatus fault = Begin(CallKind::kRead, path); !fault.ok()) {
      return fault;
    }
    return target()->FileExists(path, options, dbg);
  }

  IOStatus GetChildren(const std::string& path, const IOOptions& options,
                       std::vector<std::string>* out,
                       IODebugContext* dbg) override {
    const MutexLock lock(&state_.mutex());
    if (IOStatus fault = Begin(CallKind::kRead, path); !fault.ok()) {
      return fault;
    }
    return target()->GetChildren(path, options, out, dbg);
  }

  IOStatus GetFileSize(const std::string& path, const IOOptions& options,
                       uint64_t* out, IODebugContext* dbg) override {
    const MutexLock lock(&state_.mutex());
    if (IOStatus fault = Begin(CallKind::kRead, path); !fault.ok()) {
      return fault;
    }
    return target()->GetFileSize(path, options, out, dbg);
  }

  IOStatus DeleteFile(const std::string& path, const IOOptions& options,
                      IODebugContext* dbg) override {
    const MutexLock lock(&state_.mutex());
    if (IOStatus fault = Begin(CallKind::kRemove, path); !fault.ok()) {
      return fault;
    }
    state_.BeforeRemove(path);
    return target()->DeleteFile(path, options, dbg);
  }

  IOStatus Truncate(const std::string& path, size_t size,
                    const IOOptions& options, IODebugContext* dbg) override {
    const MutexLock lock(&state_.mutex());
    if (IOStatus fault = Begin(CallKind::kTruncate, path); !fault.ok()) {
      return fault;
    }
    uint64_t old = 0;
    if (!target()->GetFileSize(path, options, &old, dbg).ok()) old = size;
    IOStatus status = target()->Truncate(path, size, options, dbg);
    if (status.ok()) state_.Truncated(state_.Opened(path, old).get(), size);
    return status;
  }

  IOStatus CreateDir(const std::string& path, const IOOptions& options,
                     IODebugContext* dbg) override {
    const MutexLock lock(&state_.mutex());
    if (IOStatus fault = Begin(CallKind::kMakeDirectory, path); !fault.ok()) {
      return fault;
    }
    IOStatus status = target()->CreateDir(path, options, dbg);
    if (status.ok()) state_.MadeDirectory(path);
    return status;
  }

  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions& options,
                              IODebugContext* dbg) override {
    if (target()->FileExists(path, options, dbg).ok()) return IOStatus::OK();
    return CreateDir(path, options, dbg);
  }

  IOStatus RenameFile(const std::string& from, const std::string& to,
                      const IOOptions& options, IODebugContext* dbg) override {
    const MutexLock lock(&state_.mutex());
    if (IOStatus fault = Begin(CallKind::kRename, to); !fault.ok()) {
      return fault;
    }
    state_.BeforeRename(from, to);
    IOStatus status = target()->RenameFile(from, to, options, dbg);
    if (status.ok()) state_.AfterRename(from, to);
    return status;
  }

  IOStatus LinkFile(const std::string& from, const std::string& to,
                    const IOOptions& options, IODebugContext* dbg) override {
    const MutexLock lock(&state_.mutex());
    if (IOStatus fault = Begin(CallKind::kLink, to); !fault.ok()) {
      return fault;
    }
    IOStatus status = target()->LinkFile(from, to, options, dbg);
    if (status.ok()) state_.AfterLink(from, to);
    return status;
  }

 private:
  IOStatus Begin(CallKind kind, const std::string& path) {
    const FaultState::Verdict verdict = state_.Begin(kind, path);
    return verdict.fault ? FaultError(*verdict.fault, path) : IOStatus::OK();
  }

  FaultState& state_;
};

}  // namespace

std::unique_ptr<rocksdb::Env> NewFaultEnv(FaultState* state) {
  return rocksdb::NewCompositeEnv(
      std::make_shared<FaultStoreFileSystem>(*state));
}

}  // namespace corkscrew::testing
