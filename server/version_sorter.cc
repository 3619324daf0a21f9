#include "server/version_sorter.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/cursor.h"
#include "base/file_system.h"
#include "base/status_macros.h"
#include "corkscrew/record.h"

namespace corkscrew {
namespace {

// A run is read by the process that wrote it: versions are as in memory.
static_assert(std::is_trivially_copyable_v<Version>);

constexpr size_t kWriteBytes = size_t{1} << 20;

// What is next of a run.
struct Head {
  Version version;
  absl::string_view line;
  size_t run;
};

// Later versions, and for equal ones later runs, come later.
struct After {
  bool operator()(const Head& a, const Head& b) const {
    if (a.version != b.version) return a.version > b.version;
    return a.run > b.run;
  }
};

bool ReadHead(Cursor& cursor, Head* head) {
  absl::string_view version;
  uint32_t size = 0;
  if (!cursor.ReadBytes(sizeof(Version), &version) ||
      !cursor.ReadLittle(&size) || !cursor.ReadBytes(size, &head->line)) {
    return false;
  }
  std::memcpy(&head->version, version.data(), sizeof(Version));
  return true;
}

}  // namespace

VersionSorter::~VersionSorter() {
  for (size_t i = 0; i < runs_; ++i) files_.Remove(Run(i)).IgnoreError();
}

std::string VersionSorter::Run(size_t i) const {
  return absl::StrCat(prefix_, ".", i);
}

absl::Status VersionSorter::Add(const Version& version, std::string line) {
  held_bytes_ += line.size() + sizeof(Item);
  items_.push_back({version, std::move(line)});
  return held_bytes_ < memory_bytes_ ? absl::OkStatus() : Spill();
}

absl::Status VersionSorter::Spill() {
  std::stable_sort(
      items_.begin(), items_.end(),
      [](const Item& a, const Item& b) { return a.version < b.version; });
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                             files_.NewFile(Run(runs_)));
  ++runs_;
  std::string buffer;
  for (const Item& item : items_) {
    const auto size = static_cast<uint32_t>(item.line.size());
    buffer.append(reinterpret_cast<const char*>(&item.version),
                  sizeof(Version));
    buffer.append(reinterpret_cast<const char*>(&size), sizeof(size));
    buffer.append(item.line);
    if (buffer.size() < kWriteBytes) continue;
    CORKSCREW_RETURN_IF_ERROR(file->Append(buffer));
    buffer.clear();
  }
  CORKSCREW_RETURN_IF_ERROR(file->Append(buffer));
  CORKSCREW_RETURN_IF_ERROR(file->Close());
  items_.clear();
  held_bytes_ = 0;
  return absl::OkStatus();
}

absl::Status VersionSorter::Merge(
    const std::function<absl::Status(absl::string_view)>& out) {
  if (!items_.empty()) CORKSCREW_RETURN_IF_ERROR(Spill());
  std::vector<std::unique_ptr<FileContent>> contents;
  std::vector<Cursor> cursors;
  std::priority_queue<Head, std::vector<Head>, After> heads;
  const auto next = [&](size_t run) -> absl::Status {
    Head head{.version = {}, .line = {}, .run = run};
    if (cursors[run].done()) return absl::OkStatus();
    if (!ReadHead(cursors[run], &head)) {
      return absl::DataLossError(
          absl::StrCat("file \"", Run(run), "\" was changed meanwhile"));
    }
    heads.push(head);
    return absl::OkStatus();
  };
  for (size_t run = 0; run < runs_; ++run) {
    CORKSCREW_ASSIGN_OR_RETURN(std::unique_ptr<FileContent> content,
                               files_.Map(Run(run)));
    cursors.emplace_back(content->bytes());
    contents.push_back(std::move(content));
    CORKSCREW_RETURN_IF_ERROR(next(run));
  }
  while (!heads.empty()) {
    const Head head = heads.top();
    heads.pop();
    CORKSCREW_RETURN_IF_ERROR(out(head.line));
    CORKSCREW_RETURN_IF_ERROR(next(head.run));
  }
  return absl::OkStatus();
}

}  // namespace corkscrew
