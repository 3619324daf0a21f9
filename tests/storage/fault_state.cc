#include "tests/storage/fault_state.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"

namespace corkscrew::testing {
namespace {

namespace fs = std::filesystem;

// "*.log" of "store/000004.log", "MANIFEST-*" of "store/MANIFEST-000005".
std::string FileKind(absl::string_view path) {
  std::string name(path.substr(path.rfind('/') + 1));
  std::string out;
  for (const char c : name) {
    if (!absl::ascii_isxdigit(c) || absl::ascii_isalpha(c)) {
      out.push_back(c);
    } else if (!absl::EndsWith(out, "*")) {
      out.push_back('*');
    }
  }
  return out;
}

}  // namespace

absl::string_view NameOf(CallKind kind) {
  switch (kind) {
    case CallKind::kRead:
      return "read";
    case CallKind::kAppend:
      return "append";
    case CallKind::kSync:
      return "sync";
    case CallKind::kCreate:
      return "create";
    case CallKind::kTruncate:
      return "truncate";
    case CallKind::kRename:
      return "rename";
    case CallKind::kLink:
      return "link";
    case CallKind::kRemove:
      return "remove";
    case CallKind::kMakeDirectory:
      return "mkdir";
    case CallKind::kSyncDirectory:
      return "sync directory";
  }
  return "";
}

absl::string_view NameOf(Fault fault) {
  switch (fault) {
    case Fault::kIoError:
      return "EIO";
    case Fault::kNoSpace:
      return "ENOSPC";
    case Fault::kShortWrite:
      return "short write";
  }
  return "";
}

bool CanFail(CallKind kind, Fault fault) {
  switch (fault) {
    case Fault::kIoError:
      return true;
    case Fault::kNoSpace:
      return kind != CallKind::kRead && kind != CallKind::kRemove &&
             kind != CallKind::kTruncate;
    case Fault::kShortWrite:
      return kind == CallKind::kAppend;
  }
  return false;
}

FaultState::FaultState(std::string root)
    : root_(Clean(root)), kept_(root_ + ".lost") {
  fs::create_directory(kept_);
}

FaultState::~FaultState() {
  std::error_code ignored;
  fs::remove_all(kept_, ignored);
}

std::string FaultState::Clean(absl::string_view path) {
  std::string out;
  for (const char c : path) {
    if (c != '/' || out.empty() || out.back() != '/') out.push_back(c);
  }
  if (out.size() > 1 && out.back() == '/') out.pop_back();
  return out;
}

bool FaultState::Inside(const std::string& path) const {
  return path == root_ ||
         (absl::StartsWith(path, root_) && path[root_.size()] == '/') ||
         path == ParentDirectory(root_);
}

void FaultState::FailAt(uint64_t call, Fault fault) {
  const MutexLock lock(&mutex_);
  fail_at_ = call;
  fault_ = fault;
}

void FaultState::DieAt(uint64_t call) {
  const MutexLock lock(&mutex_);
  die_at_ = call;
}

void FaultState::SetDiskFull(bool full) {
  const MutexLock lock(&mutex_);
  full_ = full;
}

uint64_t FaultState::calls() const {
  const MutexLock lock(&mutex_);
  return calls_;
}

bool FaultState::dead() const {
  const MutexLock lock(&mutex_);
  return dead_;
}

bool FaultState::failed() const {
  const MutexLock lock(&mutex_);
  return failed_;
}

std::string FaultState::faulted_call() const {
  const MutexLock lock(&mutex_);
  return faulted_call_;
}

std::vector<CallKind> FaultState::kinds() const {
  const MutexLock lock(&mutex_);
  return kinds_;
}

std::set<std::string> FaultState::call_sites() const {
  const MutexLock lock(&mutex_);
  return sites_;
}

FaultState::Verdict FaultState::Begin(CallKind kind, absl::string_view path,
                                      size_t bytes) {
  const std::string clean = Clean(path);
  if (!Inside(clean)) return {};
  if (dead_) return {Fault::kIoError};
  ++calls_;
  kinds_.push_back(kind);
  sites_.insert(absl::StrCat(NameOf(kind), " ", FileKind(clean)));
  if (calls_ == die_at_) {
    dead_ = true;
    faulted_call_ = absl::StrCat(NameOf(kind), " ", clean);
    return {Fault::kIoError, bytes / 2};
  }
  if (calls_ == fail_at_ && CanFail(kind, fault_)) {
    failed_ = true;
    faulted_call_ = absl::StrCat(NameOf(kind), " ", clean);
    return {fault_, fault_ == Fault::kShortWrite ? bytes / 2 : 0};
  }
  if (full_ && (kind == CallKind::kAppend || kind == CallKind::kCreate)) {
    return {Fault::kNoSpace, bytes / 2};
  }
  return {};
}

std::shared_ptr<FileState> FaultState::Created(const std::string& path) {
  const std::string clean = Clean(path);
  auto file = std::make_shared<FileState>();
  file->path = clean;
  if (!Inside(clean)) return file;
  files_[clean] = file;
  changes_.push_back({Change::What::kCreate, "", clean, ""});
  return file;
}

std::shared_ptr<FileState> FaultState::Opened(const std::string& path,
                                              uint64_t size) {
  const std::string clean = Clean(path);
  if (const auto found = files_.find(clean); found != files_.end()) {
    return found->second;
  }
  auto file = std::make_shared<FileState>();
  *file = {.path = clean, .size = size, .synced = size};
  if (Inside(clean)) files_[clean] = file;
  return file;
}

void FaultState::Synced(FileState* file) {
  if (!file->sync_failed) file->synced = file->size;
}

void FaultState::Truncated(FileState* file, uint64_t size) {
  file->size = size;
  file->synced = std::min(file->synced, size);
}

// A second name for a file that is about to lose its own.
std::string FaultState::Keep(const std::string& path) {
  const std::string kept = absl::StrCat(kept_, "/", next_kept_++);
  std::error_code error;
  fs::create_hard_link(path, kept, error);
  if (error) return "";
  if (const auto found = files_.find(path); found != files_.end()) {
    found->second->path = kept;
    files_[kept] = found->second;
    files_.erase(path);
  }
  return kept;
}

void FaultState::Move(const std::string& from, const std::string& to) {
  const auto found = files_.find(from);
  if (found == files_.end()) return;
  found->second->path = to;
  files_[to] = found->second;
  files_.erase(found);
}

void FaultState::BeforeRename(const std::string& from, const std::string& to) {
  const std::string a = Clean(from), b = Clean(to);
  if (!Inside(a) || !Inside(b)) return;
  const bool replaces = fs::exists(b);
  changes_.push_back({replaces ? Change::What::kReplace : Change::What::kRename,
                      a, b, replaces ? Keep(b) : ""});
}

void FaultState::AfterRename(const std::string& from, const std::string& to) {
  Move(Clean(from), Clean(to));
}

void FaultState::AfterLink(const std::string& /*from*/, const std::string& to) {
  const std::string clean = Clean(to);
  if (!Inside(clean)) return;
  changes_.push_back({Change::What::kCreate, "", clean, ""});
}

void FaultState::BeforeRemove(const std::string& path) {
  const std::string clean = Clean(path);
  if (!Inside(clean)) return;
  std::error_code error;
  if (!fs::is_regular_file(clean, error)) return;
  changes_.push_back({Change::What::kRemove, "", clean, Keep(clean)});
}

void FaultState::MadeDirectory(const std::string& path) {
  const std::string clean = Clean(path);
  if (!Inside(clean)) return;
  changes_.push_back({Change::What::kMakeDirectory, "", clean, ""});
}

void FaultState::SyncedDirectory(const std::string& path) {
  const std::string clean = Clean(path);
  std::vector<Change> left;
  for (Change& change : changes_) {
    if (ParentDirectory(change.to) != clean) {
      left.push_back(std::move(change));
    } else if (!change.kept.empty()) {
      std::error_code ignored;
      fs::remove(change.kept, ignored);
      files_.erase(change.kept);
    }
  }
  changes_ = std::move(left);
}

void FaultState::Undo(const Change& change) {
  std::error_code ignored;
  switch (change.what) {
    case Change::What::kCreate:
      fs::remove(change.to, ignored);
      files_.erase(change.to);
      return;
    case Change::What::kMakeDirectory:
      fs::remove_all(change.to, ignored);
      return;
    case Change::What::kRename:
    case Change::What::kReplace:
      fs::rename(change.to, change.from, ignored);
      Move(change.to, change.from);
      break;
    case Change::What::kRemove:
      break;
  }
  if (change.kept.empty()) return;
  fs::rename(change.kept, change.to, ignored);
  Move(change.kept, change.to);
}

std::string FaultState::Tear(const FileState& file, Random* random) {
  std::error_code error;
  const uint64_t size = std::min<uint64_t>(file.size, [&] {
    const auto real = fs::file_size(file.path, error);
    return error ? 0 : real;
  }());
  if (error || size <= file.synced) return "";
  const uint64_t keep = file.synced + random->Next() % (size - file.synced + 1);
  const uint64_t shape = random->Next() % 3;
  fs::resize_file(file.path, keep, error);
  static constexpr const char* kShapes[] = {"cut", "zeros", "garbage"};
  if (shape != 0) {
    // The length had reached the disk, the bytes had not.
    std::string tail(size - keep, '\0');
    if (shape == 2) {
      for (char& c : tail) c = static_cast<char>(random->Next());
    }
    std::ofstream out(file.path, std::ios::binary | std::ios::app);
    out << tail;
  }
  return absl::StrCat(kShapes[shape], " ", file.path.substr(root_.size()), " ",
                      file.synced, "/", keep, "/", size, "; ");
}

std::string FaultState::LosePower(Random* random) {
  std::string done;
  {
    const MutexLock lock(&mutex_);
    for (auto& [path, file] : files_) done += Tear(*file, random);
    // Per directory: how many of its unsynced changes the disk knows.
    std::map<std::string, uint64_t> left;
    for (const Change& change : changes_) ++left[ParentDirectory(change.to)];
    for (auto& [directory, count] : left) {
      const uint64_t all = count;
      switch (random->Next() % 3) {
        case 0:
          break;  // None.
        case 1:
          count = 0;  // All.
          break;
        default:
          count = random->Next() % (count + 1);
      }
      absl::StrAppend(&done, "undo ", count, " of ", all, " in ", directory,
                      "; ");
    }
    for (size_t i = changes_.size(); i-- > 0;) {
      uint64_t& count = left[ParentDirectory(changes_[i].to)];
      if (count == 0) continue;
      --count;
      Undo(changes_[i]);
    }
  }
  Restart();
  return done;
}

void FaultState::Restart() {
  const MutexLock lock(&mutex_);
  std::error_code ignored;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(kept_, ignored)) {
    fs::remove(entry.path(), ignored);
  }
  files_.clear();
  changes_.clear();
  calls_ = fail_at_ = die_at_ = 0;
  kinds_.clear();
  dead_ = failed_ = full_ = false;
  faulted_call_.clear();
}

}  // namespace corkscrew::testing
