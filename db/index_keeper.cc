#include "db/index_keeper.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "db/index_load.h"

namespace corkscrew {

IndexKeeper::IndexKeeper(const IndexKeeperOptions& options)
    : options_(options), context_{options.files,
                                  options.path + "/segments",
                                  options.store,
                                  options.origins,
                                  options.incarnation,
                                  options.write} {}

IndexKeeper::~IndexKeeper() { Close(/*write=*/false); }

size_t IndexKeeper::SlotsOf(const CollectionState& collection) const {
  return options_.segment_slots != 0
             ? options_.segment_slots
             : SegmentSlots(collection.row().descriptor);
}

absl::Status IndexKeeper::Load(
    const std::shared_ptr<CollectionState>& collection) {
  CORKSCREW_ASSIGN_OR_RETURN(
      CataloguedFiles files,
      LoadIndex(context_, options_.threads, collection.get()));
  MutexLock lock(&mutex_);
  files_[collection->number()] = std::make_shared<IndexFiles>(
      &context_, collection, SlotsOf(*collection), std::move(files));
  return absl::OkStatus();
}

void IndexKeeper::Start() {
  // There may be no such directory yet.
  const std::vector<std::string> names =
      options_.files->List(context_.directory)
          .value_or(std::vector<std::string>());
  std::vector<std::shared_ptr<IndexFiles>> all;
  {
    MutexLock lock(&mutex_);
    for (const auto& [number, files] : files_) all.push_back(files);
  }
  absl::flat_hash_set<std::string> used;
  for (const auto& files : all) {
    for (std::string& name : files->Names()) used.insert(std::move(name));
  }
  for (const std::string& name : names) {
    if (used.contains(name)) continue;
    if (absl::EndsWith(name, ".seg") || absl::EndsWith(name, ".died") ||
        absl::EndsWith(name, ".tmp")) {
      // One that stays does no harm.
      options_.files->Remove(absl::StrCat(context_.directory, "/", name))
          .IgnoreError();
    }
  }
  started_ = true;
  if (options_.background) thread_ = std::thread([this] { Work(); });
}

void IndexKeeper::Wake() {
  MutexLock lock(&mutex_);
  pending_ = true;
  changed_.NotifyAll();
}

void IndexKeeper::RunPending() {
  if (options_.background) return;
  {
    MutexLock lock(&mutex_);
    if (!pending_) return;
    pending_ = false;
  }
  const absl::Status status = RunAll(IndexFiles::Mode::kBackground);
  MutexLock lock(&mutex_);
  last_error_ = status;
}

void IndexKeeper::Work() {
  while (true) {
    {
      MutexLock lock(&mutex_);
      while (!pending_ && !stopping_) changed_.Wait(&mutex_);
      if (stopping_) return;
      pending_ = false;
    }
    const absl::Status status = RunAll(IndexFiles::Mode::kBackground);
    MutexLock lock(&mutex_);
    last_error_ = status;
  }
}

std::shared_ptr<IndexFiles> IndexKeeper::FilesOf(
    const std::shared_ptr<CollectionState>& collection) {
  MutexLock lock(&mutex_);
  std::shared_ptr<IndexFiles>& files = files_[collection->number()];
  if (files == nullptr) {
    files = std::make_shared<IndexFiles>(
        &context_, collection, SlotsOf(*collection), CataloguedFiles());
  }
  return files;
}

absl::Status IndexKeeper::RunAll(IndexFiles::Mode mode) {
  absl::Status status;
  for (const std::shared_ptr<CollectionState>& collection :
       options_.registry->All()) {
    const std::shared_ptr<IndexFiles> files = FilesOf(collection);
    while (true) {
      if (mode == IndexFiles::Mode::kBackground) {
        MutexLock lock(&mutex_);
        if (stopping_) return status;
      }
      const absl::StatusOr<bool> worked = files->Step(mode);
      if (!worked.ok()) status.Update(worked.status());
      if (!worked.ok() || !*worked) break;
      // The rest can wait for the next time.
      if (mode == IndexFiles::Mode::kClose) break;
    }
  }
  RemoveDropped();
  return status;
}

void IndexKeeper::RemoveDropped() {
  std::vector<std::shared_ptr<IndexFiles>> dropped;
  {
    MutexLock lock(&mutex_);
    for (auto it = files_.begin(); it != files_.end();) {
      if (it->second->collection().dropped()) {
        dropped.push_back(std::move(it->second));
        it = files_.erase(it);
      } else {
        ++it;
      }
    }
  }
  // What stays is removed at the next open.
  for (const auto& files : dropped) files->RemoveAll().IgnoreError();
}

absl::Status IndexKeeper::WriteAll() { return RunAll(IndexFiles::Mode::kAll); }

absl::Status IndexKeeper::Forget(const CollectionState& collection) {
  std::shared_ptr<IndexFiles> files;
  {
    MutexLock lock(&mutex_);
    const auto found = files_.find(collection.number());
    if (found != files_.end()) files = found->second;
  }
  if (files == nullptr) {
    for (const std::shared_ptr<CollectionState>& other :
         options_.registry->All()) {
      if (other.get() == &collection) files = FilesOf(other);
    }
  }
  return files == nullptr ? absl::OkStatus() : files->Forget();
}

void IndexKeeper::Close(bool write) {
  if (!started_) return;
  started_ = false;
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
  // What is not written is read again at the next open.
  if (write) RunAll(IndexFiles::Mode::kClose).IgnoreError();
}

absl::Status IndexKeeper::last_error() const {
  MutexLock lock(&mutex_);
  return last_error_;
}

}  // namespace corkscrew
