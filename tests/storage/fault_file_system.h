#ifndef CORKSCREW_TESTS_STORAGE_FAULT_FILE_SYSTEM_H_
#define CORKSCREW_TESTS_STORAGE_FAULT_FILE_SYSTEM_H_

// The two front ends of a FaultState.

#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "rocksdb/env.h"
#include "tests/storage/fault_state.h"

namespace corkscrew::testing {

// The real file system with the faults of `state`, which must outlive it.
class FaultFileSystem : public FileSystem {
 public:
  explicit FaultFileSystem(FaultState* state) : state_(*state) {}

  absl::StatusOr<std::unique_ptr<WritableFile>> NewFile(
      const std::string& path) override;
  absl::StatusOr<std::unique_ptr<WritableFile>> AppendToFile(
      const std::string& path) override;
  absl::StatusOr<std::string> Read(const std::string& path,
                                   size_t most) override;
  absl::StatusOr<std::unique_ptr<FileContent>> Map(
      const std::string& path) override;
  absl::StatusOr<uint64_t> Size(const std::string& path) override;
  bool Exists(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Link(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status RemoveDirectory(const std::string& path) override;
  absl::Status MakeDirectory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(
      const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::StatusOr<uint64_t> FreeSpace(const std::string& path) override;

 private:
  absl::Status Begin(CallKind kind, const std::string& path);

  FaultState& state_;
};

// An environment for the store, with the same faults. `state` must outlive it.
std::unique_ptr<rocksdb::Env> NewFaultEnv(FaultState* state);

}  // namespace corkscrew::testing

#endif  // CORKSCREW_TESTS_STORAGE_FAULT_FILE_SYSTEM_H_
