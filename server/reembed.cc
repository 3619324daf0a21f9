#include "server/reembed.h"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "corkscrew/collection.h"
#include "corkscrew/record.h"

namespace corkscrew {
namespace {

constexpr size_t kMaxPasses = 32;
constexpr size_t kPage = 256;
// Of one write: embedding takes a while, and what is written is not lost.
constexpr size_t kMaxBatch = 64;
constexpr size_t kMaxBatchTextBytes = size_t{64} << 10;

class Reembedder {
 public:
  Reembedder(const Collection& from, Collection& to,
             const ReembedOptions& options)
      : from_(from), to_(to), options_(options) {}

  absl::StatusOr<ReembedReply> Run() {
    while (true) {
      if (reply_.passes == kMaxPasses) {
        return absl::AbortedError(absl::StrCat(
            "collection \"", from_.name(), "\" still changed in pass ",
            kMaxPasses, ": stop writing to it and run this again"));
      }
      ++reply_.passes;
      reply_.records = 0;
      reply_.unchanged = 0;
      if (!seen_.has_value()) reply_.textless = 0;
      const size_t before = reply_.written + reply_.deleted;
      CORKSCREW_RETURN_IF_ERROR(WriteMissing());
      CORKSCREW_RETURN_IF_ERROR(DeleteSurplus());
      bool complete = reply_.written + reply_.deleted == before;
      if (options_.complete != nullptr) {
        CORKSCREW_ASSIGN_OR_RETURN(complete, options_.complete(*seen_, reply_));
      }
      if (complete) return reply_;
    }
  }

 private:
  absl::Status WriteMissing() {
    ListOptions list;
    list.page_size = kPage;
    if (seen_.has_value()) {
      list.fields = {.vector = false, .text = false, .metadata = false};
    }
    std::optional<Lamport> at;
    do {
      CORKSCREW_ASSIGN_OR_RETURN(ListReply page, from_.List(list));
      if (!at.has_value()) at = page.at;
      reply_.records += page.records.size();
      CORKSCREW_RETURN_IF_ERROR(KeepChanged(&page.records));
      CORKSCREW_RETURN_IF_ERROR(WritePage(page.records));
      if (options_.progress) options_.progress(reply_.records);
      list.page_token = std::move(page.next_page_token);
    } while (!list.page_token.empty());
    seen_ = at;
    return absl::OkStatus();
  }

  // Leaves in `records` those that are not known to be in `to_`, whole.
  absl::Status KeepChanged(std::vector<StoredRecord>* records) {
    if (!seen_.has_value()) return absl::OkStatus();
    std::vector<absl::string_view> ids;
    for (const StoredRecord& stored : *records) {
      if (stored.version.lamport > *seen_) ids.push_back(stored.record.id);
    }
    reply_.unchanged += records->size() - ids.size();
    std::vector<StoredRecord> changed;
    if (!ids.empty()) {
      CORKSCREW_ASSIGN_OR_RETURN(auto now, from_.Get(ids, Fields{}));
      for (std::optional<StoredRecord>& stored : now) {
        if (stored.has_value()) changed.push_back(*std::move(stored));
      }
    }
    *records = std::move(changed);
    return absl::OkStatus();
  }

  absl::Status WritePage(const std::vector<StoredRecord>& records) {
    if (records.empty()) return absl::OkStatus();
    CORKSCREW_ASSIGN_OR_RETURN(const auto present,
                               to_.Get(IdsOf(records), Fields{}));
    std::vector<PutItem> batch;
    size_t bytes = 0;
    for (size_t i = 0; i < records.size(); ++i) {
      const StoredRecord& stored = records[i];
      if (stored.record.text.empty()) {
        ++reply_.textless;
        continue;
      }
      if (present[i] && present[i]->record.text == stored.record.text &&
          present[i]->record.metadata == stored.record.metadata &&
          present[i]->expires_ms == stored.expires_ms) {
        ++reply_.unchanged;
        continue;
      }
      PutItem& item = batch.emplace_back();
      item.record = RecordView(stored.record.id);
      item.record.text = stored.record.text;
      item.record.metadata = &stored.record.metadata;
      item.record.expires_ms = stored.expires_ms;
      bytes += stored.record.text.size();
      if (batch.size() == kMaxBatch || bytes >= kMaxBatchTextBytes) {
        CORKSCREW_RETURN_IF_ERROR(Put(&batch));
        bytes = 0;
      }
    }
    return Put(&batch);
  }

  absl::Status Put(std::vector<PutItem>* batch) {
    if (batch->empty()) return absl::OkStatus();
    CORKSCREW_ASSIGN_OR_RETURN(const PutReply reply, to_.Put(*batch));
    for (const PutOutcome& outcome : reply.items) {
      if (outcome.truncated) ++reply_.truncated;
    }
    reply_.written += batch->size();
    batch->clear();
    return absl::OkStatus();
  }

  absl::Status DeleteSurplus() {
    ListOptions list;
    list.page_size = kPage;
    list.fields = {.vector = false, .text = false, .metadata = false};
    do {
      CORKSCREW_ASSIGN_OR_RETURN(ListReply page, to_.List(list));
      const std::vector<absl::string_view> ids = IdsOf(page.records);
      std::vector<absl::string_view> surplus;
      if (!ids.empty()) {
        CORKSCREW_ASSIGN_OR_RETURN(const auto present,
                                   from_.Get(ids, Fields{}));
        for (size_t i = 0; i < ids.size(); ++i) {
          // One that lost its text meanwhile is as good as gone.
          if (!present[i] || present[i]->record.text.empty()) {
            surplus.push_back(ids[i]);
          }
        }
      }
      if (!surplus.empty()) {
        CORKSCREW_ASSIGN_OR_RETURN(const DeleteReply reply,
                                   to_.Delete(surplus));
        for (const bool deleted : reply.deleted) {
          if (deleted) ++reply_.deleted;
        }
      }
      list.page_token = std::move(page.next_page_token);
    } while (!list.page_token.empty());
    return absl::OkStatus();
  }

  static std::vector<absl::string_view> IdsOf(
      const std::vector<StoredRecord>& records) {
    std::vector<absl::string_view> ids;
    ids.reserve(records.size());
    for (const StoredRecord& stored : records) ids.push_back(stored.record.id);
    return ids;
  }

  const Collection& from_;
  Collection& to_;
  const ReembedOptions& options_;
  ReembedReply reply_;
  // `to_` has what `from_` had at this time, and perhaps more.
  std::optional<Lamport> seen_;
};

}  // namespace

absl::StatusOr<ReembedReply> Reembed(const Collection& from, Collection& to,
                                     const ReembedOptions& options) {
  return Reembedder(from, to, options).Run();
}

}  // namespace corkscrew
