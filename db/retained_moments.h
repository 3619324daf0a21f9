#ifndef CORKSCREW_DB_RETAINED_MOMENTS_H_
#define CORKSCREW_DB_RETAINED_MOMENTS_H_

// Which moments of a collection can be read: every Lamport time from the floor
// on, and the tagged ones; and the rules by which the floor rises
// (docs/storage_format.md, "Retention").

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "corkscrew/collection.h"
#include "corkscrew/record.h"

namespace corkscrew {

// Thread-safe; changed at open and by the commit leader only.
class RetainedMoments {
 public:
  Lamport floor() const {
    MutexLock lock(&mutex_);
    return floor_;
  }
  void RaiseFloor(Lamport floor) {
    MutexLock lock(&mutex_);
    floor_ = std::max(floor_, floor);
  }

  // Whether the moment `at` can be read.
  bool Holds(Lamport at) const {
    MutexLock lock(&mutex_);
    return at >= floor_ ||
           std::any_of(tags_.begin(), tags_.end(), [at](const auto& tag) {
             return tag.second.lamport == at;
           });
  }

  std::optional<TagInfo> FindTag(absl::string_view name) const {
    MutexLock lock(&mutex_);
    const auto found = tags_.find(std::string(name));
    if (found == tags_.end()) return std::nullopt;
    return found->second;
  }
  std::vector<TagInfo> Tags() const {  // By name.
    MutexLock lock(&mutex_);
    std::vector<TagInfo> all;
    for (const auto& [name, tag] : tags_) all.push_back(tag);
    return all;
  }
  // The tagged moments, ascending, each once.
  std::vector<Lamport> TaggedMoments() const {
    std::vector<Lamport> moments;
    for (const TagInfo& tag : Tags()) moments.push_back(tag.lamport);
    std::sort(moments.begin(), moments.end());
    moments.erase(std::unique(moments.begin(), moments.end()), moments.end());
    return moments;
  }
  void SetTags(std::map<std::string, TagInfo> tags) {
    MutexLock lock(&mutex_);
    tags_ = std::move(tags);
  }
  void AddTag(TagInfo tag) {
    MutexLock lock(&mutex_);
    std::string name = tag.name;
    tags_.insert_or_assign(std::move(name), std::move(tag));
  }
  void RemoveTag(absl::string_view name) {
    MutexLock lock(&mutex_);
    tags_.erase(std::string(name));
  }

  Retention retention() const {
    MutexLock lock(&mutex_);
    return retention_;
  }
  void set_retention(const Retention& retention) {
    MutexLock lock(&mutex_);
    retention_ = retention;
  }

 private:
  mutable Mutex mutex_;
  Lamport floor_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, TagInfo> tags_ ABSL_GUARDED_BY(mutex_);
  Retention retention_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_RETAINED_MOMENTS_H_
