#ifndef CORKSCREW_TESTS_STORAGE_FAULT_STATE_H_
#define CORKSCREW_TESTS_STORAGE_FAULT_STATE_H_

// What a disk remembers and what it forgets. Two front ends share one state: a
// corkscrew::FileSystem (fault_file_system.h) and a rocksdb::FileSystem
// (fault_env.h). Calls really happen, in a real directory; the state knows of
// every file what was synced and of every directory which names were. It can
// fail any call, stop at any call as if the machine had lost power, and then
// change the directory into one that a disk could hold afterwards.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "base/random.h"

namespace corkscrew::testing {

enum class CallKind {
  kRead,  // Opens, reads, lists or asks. Never changes anything.
  kAppend,
  kSync,
  kCreate,
  kTruncate,
  kRename,
  kLink,
  kRemove,
  kMakeDirectory,
  kSyncDirectory,
};
absl::string_view NameOf(CallKind kind);

enum class Fault {
  kIoError,     // EIO; nothing happens.
  kNoSpace,     // ENOSPC; nothing happens.
  kShortWrite,  // A part of the bytes, then ENOSPC.
};
absl::string_view NameOf(Fault fault);

// Whether a real call of this kind can fail so.
bool CanFail(CallKind kind, Fault fault);

// One file, whatever its name.
struct FileState {
  std::string path;
  uint64_t size = 0;
  uint64_t synced = 0;
  // A sync failed: the system takes its bytes for written, and they are not
  // (Rebello et al., "Can Applications Recover from fsync Failures?", 2020).
  bool sync_failed = false;
};

// Thread-safe, except where noted.
class FaultState {
 public:
  // Faults happen below the directory `root` and to it; elsewhere calls just
  // happen. `root`.lost must not exist; it keeps what may come back.
  explicit FaultState(std::string root);
  ~FaultState();
  FaultState(const FaultState&) = delete;
  FaultState& operator=(const FaultState&) = delete;

  // Calls are numbered from 1, from the last Restart() on. The `call`-th fails
  // once. Not for the past.
  void FailAt(uint64_t call, Fault fault);
  // The `call`-th and all later ones fail without any effect; if it appends, a
  // part may be written.
  void DieAt(uint64_t call);
  // Every append from now on fails with ENOSPC, until `false`.
  void SetDiskFull(bool full);
  uint64_t calls() const;
  bool dead() const;
  // The fault of FailAt() has happened.
  bool failed() const;
  // "sync store/000004.log", the call of FailAt() or DieAt().
  std::string faulted_call() const;
  // The kind of each call, from the first on.
  std::vector<CallKind> kinds() const;
  // Kinds of calls with the kind of their files, as "sync *.log".
  std::set<std::string> call_sites() const;

  // Power fails: nothing is open any more. Unsynced names go in the reverse
  // order that they came in, as many as `random` says per directory; unsynced
  // tails of files are cut, zeroed or become garbage. Ends with Restart().
  // Returns what was done.
  std::string LosePower(Random* random);
  // The process starts again, and the disk holds all that was written.
  void Restart();

  // For the front ends, which hold mutex() over each call and its report.
  Mutex& mutex() { return mutex_; }
  struct Verdict {
    std::optional<Fault> fault;  // Fail so.
    // With it: bytes to write nevertheless.
    size_t bytes = 0;
  };
  Verdict Begin(CallKind kind, absl::string_view path, size_t bytes = 0);
  std::shared_ptr<FileState> Created(const std::string& path);
  // A file that is there is continued.
  std::shared_ptr<FileState> Opened(const std::string& path, uint64_t size);
  void Appended(FileState* file, size_t bytes) { file->size += bytes; }
  void Synced(FileState* file);
  void SyncFailed(FileState* file) { file->sync_failed = true; }
  void Truncated(FileState* file, uint64_t size);
  // Before the call, which will succeed unless the system fails.
  void BeforeRename(const std::string& from, const std::string& to);
  void AfterRename(const std::string& from, const std::string& to);
  void AfterLink(const std::string& from, const std::string& to);
  void BeforeRemove(const std::string& path);
  void MadeDirectory(const std::string& path);
  void SyncedDirectory(const std::string& path);

 private:
  // A change of names that the disk may not know yet.
  struct Change {
    enum class What { kCreate, kMakeDirectory, kRename, kReplace, kRemove };
    What what;
    std::string from;  // kRename, kReplace.
    std::string to;
    std::string kept;  // What was removed or replaced, under another name.
  };

  static std::string Clean(absl::string_view path);
  bool Inside(const std::string& path) const;
  std::string Keep(const std::string& path);
  void Move(const std::string& from, const std::string& to);
  void Undo(const Change& change);
  std::string Tear(const FileState& file, Random* random);

  const std::string root_;
  const std::string kept_;  // Directory of what may come back.
  mutable Mutex mutex_;
  uint64_t calls_ = 0;
  uint64_t fail_at_ = 0;
  uint64_t die_at_ = 0;
  Fault fault_ = Fault::kIoError;
  bool dead_ = false;
  bool failed_ = false;
  bool full_ = false;
  std::string faulted_call_;
  std::vector<CallKind> kinds_;
  std::set<std::string> sites_;
  uint64_t next_kept_ = 0;
  // Files that were written since the last restart, by their present path.
  std::map<std::string, std::shared_ptr<FileState>> files_;
  std::vector<Change> changes_;  // In their order.
};

}  // namespace corkscrew::testing

#endif  // CORKSCREW_TESTS_STORAGE_FAULT_STATE_H_
