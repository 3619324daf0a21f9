// Reading stores of logs: listing, verifying, writing a log again; and removing
// the lineages that newer ones replace.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "corkscrew/backup.h"
#include "corkscrew/db.h"
#include "corkscrew/limits.h"
#include "corkscrew/quantizer.h"
#include "db/backup_files.h"
#include "db/body.h"
#include "db/log_offload.h"
#include "db/log_segment.h"
#include "db/metadata_codec.h"

namespace corkscrew {
namespace {

using Visit = absl::FunctionRef<absl::Status(const LoggedOp&)>;

// Less than a Put may hold, so that its frame fits too.
constexpr size_t kPutBytes = size_t{8} << 20;

absl::Status Named(absl::string_view what, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(what, ": ", status.message()));
}

// A log as its segments' names and its first head tell.
struct Log {
  LogInfo info = {};
  LogSegmentHead head = {};
  LogObjects objects = {};
};

absl::StatusOr<Log> ReadLogHead(BackupStore& store, const Uuid& collection,
                                uint64_t lineage, const LogObjects& objects) {
  Log log;
  log.objects = objects;
  const LogObject& first = objects.front();
  const absl::StatusOr<std::string> bytes = store.Pull(first.name, first.bytes);
  if (!bytes.ok()) return Named(first.name, bytes.status());
  absl::StatusOr<LogSegmentHead> head = DecodeLogSegmentHead(*bytes);
  if (!head.ok()) return Named(first.name, head.status());
  log.head = *std::move(head);
  log.info.name = log.head.name;
  log.info.uuid = collection;
  log.info.lineage = lineage;
  for (const LogObject& object : objects) {
    log.info.position = object.last;
    ++log.info.segments;
    log.info.bytes += object.bytes;
  }
  return log;
}

absl::StatusOr<std::vector<Log>> ReadLogHeads(BackupStore& store) {
  CORKSCREW_ASSIGN_OR_RETURN(const StoredLogs stored, FindLogs(store));
  std::vector<Log> logs;
  for (const auto& [key, objects] : stored) {
    CORKSCREW_ASSIGN_OR_RETURN(
        logs.emplace_back(),
        ReadLogHead(store, key.first, key.second, objects));
  }
  std::stable_sort(logs.begin(), logs.end(), [](const Log& a, const Log& b) {
    return a.info.name < b.info.name;
  });
  return logs;
}

absl::StatusOr<Log> Choose(BackupStore& store, const LogChoice& choice) {
  CORKSCREW_ASSIGN_OR_RETURN(std::vector<Log> logs, ReadLogHeads(store));
  Log* best = nullptr;
  for (Log& log : logs) {
    if (!choice.name.empty() && log.info.name != choice.name) continue;
    if (choice.lineage != 0 && log.info.lineage != choice.lineage) continue;
    if (best != nullptr && best->info.name != log.info.name) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the store has logs of several collections, such as \"",
          best->info.name, "\" and \"", log.info.name, "\": name one"));
    }
    if (best == nullptr ||
        std::make_pair(best->head.generation, best->info.lineage) <
            std::make_pair(log.head.generation, log.info.lineage)) {
      best = &log;
    }
  }
  if (best != nullptr) return std::move(*best);
  return absl::NotFoundError(absl::StrCat(
      "the store has no log",
      choice.name.empty()
          ? ""
          : absl::StrCat(" of a collection \"", choice.name, "\""),
      choice.lineage == 0 ? "" : absl::StrCat(" of lineage ", choice.lineage)));
}

// Reads all of a log, one whole segment after the other.
absl::Status ReadLog(BackupStore& store, const Log& log,
                     ProgressCounter* progress, Visit visit) {
  uint64_t next = 1;
  Hash16 before = {};
  for (const LogObject& object : log.objects) {
    if (object.first != next) {
      return absl::DataLossError(
          absl::StrCat("the segment with the ops from position ", next,
                       " on is missing before ", object.name));
    }
    const absl::StatusOr<std::string> bytes =
        store.Pull(object.name, object.bytes);
    if (!bytes.ok()) return Named(object.name, bytes.status());
    CORKSCREW_ASSIGN_OR_RETURN(const LogSegmentHead head,
                               DecodeLogSegmentHead(*bytes));
    if (head.collection != log.info.uuid || head.lineage != log.info.lineage ||
        head.first != object.first || head.last != object.last ||
        head.life != log.head.life || head.before != before) {
      return absl::DataLossError(
          absl::StrCat(object.name, ": it is a segment of another place"));
    }
    CORKSCREW_RETURN_IF_ERROR(
        Named(object.name, DecodeLogSegment(*bytes, visit).status()));
    next = object.last + 1;
    before = head.last_hash;
    CORKSCREW_RETURN_IF_ERROR(progress->Add(object.bytes));
  }
  return absl::OkStatus();
}

// Writes the ops of a log to a new collection. Single-threaded.
class Replayer {
 public:
  Replayer(const Log& log, Collection& collection, const Quantizer& quantizer,
           const std::map<std::string, Version>& purged, ReplayReply* reply)
      : log_(log),
        collection_(collection),
        quantizer_(quantizer),
        purged_(purged),
        reply_(*reply) {}

  // Takes the ops in order.
  absl::Status Add(const LoggedOp& op) {
    if (op.op.kind == OpKind::kPurge) {
      // What it removed was left out already; there is nothing to delete.
      return absl::OkStatus();
    }
    const auto purge = purged_.find(op.op.id);
    if ((op.op.kind == OpKind::kPut && op.op.body_dropped) ||
        (purge != purged_.end() && op.version() <= purge->second)) {
      ++reply_.left_out;
      return absl::OkStatus();
    }
    if (!items_.empty() && !Continues(op)) CORKSCREW_RETURN_IF_ERROR(Write());
    Item& item = items_.emplace_back();
    item.op = op.op;
    item.origin = op.origin;
    if (op.op.kind != OpKind::kPut) return absl::OkStatus();
    CORKSCREW_RETURN_IF_ERROR(ReadVector(op, &item.vector));
    CORKSCREW_ASSIGN_OR_RETURN(item.metadata, DecodeMetadata(op.metadata));
    item.text = std::string(op.text);
    bytes_ += item.op.id.size() + item.text.size() + op.metadata.size() +
              item.vector.size() * sizeof(float);
    return absl::OkStatus();
  }

  // Writes what is left; its sync is that of all before.
  absl::Status Finish() {
    durability_ = Durability::kSync;
    return Write();
  }

 private:
  struct Item {
    Op op = {};
    Origin origin = {};
    std::vector<float> vector = {};
    Metadata metadata = {};
    std::string text = {};
  };

  // Whether `op` is of the same write as what is gathered, which has room.
  bool Continues(const LoggedOp& op) const {
    const Item& last = items_.back();
    return op.origin == last.origin && op.op.kind == last.op.kind &&
           op.op.lamport == last.op.lamport &&
           op.op.batch_index > last.op.batch_index && bytes_ < kPutBytes;
  }

  absl::Status ReadVector(const LoggedOp& op, std::vector<float>* vector) {
    vector->resize(quantizer_.params().dim);
    Body body;
    body.form = op.form;
    body.vector = op.vector;
    if (op.form != VectorForm::kCode) {
      if (ReadOriginal(body, absl::MakeSpan(*vector))) return absl::OkStatus();
      return Malformed(op, "vector");
    }
    std::vector<uint8_t> code(quantizer_.code_bytes());
    CodeScalars scalars;
    if (!BytesToCode(op.vector, absl::MakeSpan(code), &scalars) ||
        !quantizer_.Validate(code, scalars).ok()) {
      return Malformed(op, "code");
    }
    quantizer_.Decode(code, scalars, absl::MakeSpan(*vector));
    return absl::OkStatus();
  }

  static absl::Status Malformed(const LoggedOp& op, absl::string_view what) {
    return absl::DataLossError(
        absl::StrCat("the ", what, " of op ", op.position, " is malformed"));
  }

  absl::Status Write() {
    if (items_.empty()) return absl::OkStatus();
    const std::vector<Item> items = std::move(items_);
    items_.clear();
    bytes_ = 0;
    WriteOptions options;
    options.durability = durability_;
    if (items[0].op.kind != OpKind::kPut) {
      std::vector<absl::string_view> ids;
      for (const Item& item : items) ids.push_back(item.op.id);
      CORKSCREW_ASSIGN_OR_RETURN(const DeleteReply reply,
                                 collection_.Delete(ids, options));
      for (const bool deleted : reply.deleted) {
        ++(deleted ? reply_.written : reply_.left_out);
      }
      return absl::OkStatus();
    }
    options.space = log_.head.descriptor.space;
    std::vector<PutItem> puts;
    for (const Item& item : items) {
      PutItem& put = puts.emplace_back();
      put.record = RecordView(item.op.id);
      put.record.vector = item.vector;
      put.record.text = item.text;
      put.record.metadata = &item.metadata;
      put.record.expires_ms = static_cast<int64_t>(item.op.expires_ms);
    }
    CORKSCREW_RETURN_IF_ERROR(collection_.Put(puts, options).status());
    reply_.written += puts.size();
    return absl::OkStatus();
  }

  const Log& log_;
  Collection& collection_;
  const Quantizer& quantizer_;
  const std::map<std::string, Version>& purged_;
  ReplayReply& reply_;
  std::vector<Item> items_;  // Of one write, not written yet.
  size_t bytes_ = 0;         // Of the items.
  // A crash leaves a collection that is not whole anyway.
  Durability durability_ = Durability::kRelaxed;
};

// Makes the collection of a log, empty.
absl::StatusOr<std::shared_ptr<Collection>> MakeCollection(const Log& log,
                                                           Db& db) {
  const Descriptor& descriptor = log.head.descriptor;
  CollectionOptions options;
  options.model = log.head.model;
  options.dim = descriptor.quantizer.dim;
  options.metric = descriptor.metric;
  options.bits = descriptor.quantizer.bits;
  options.originals = descriptor.originals;
  options.seed = descriptor.quantizer.seed;
  options.shards = descriptor.shards;
  return db.CreateCollection(log.head.name, options);
}

absl::Status CheckSpace(const Log& log, const Collection& collection) {
  CORKSCREW_ASSIGN_OR_RETURN(const CollectionInfo info, collection.Info());
  if (info.space == log.head.descriptor.space) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("collection \"", log.head.name, "\": model \"",
                   log.head.model, "\" has the embedding space ", info.space,
                   ", the log ", log.head.descriptor.space));
}

// The lineages of one collection, oldest first.
using Lineages = std::map<uint64_t, LogObjects>;

LogInfo InfoOf(const Log& newest, uint64_t lineage, const LogObjects& objects) {
  LogInfo info;
  info.name = newest.info.name;
  info.uuid = newest.info.uuid;
  info.lineage = lineage;
  for (const LogObject& object : objects) {
    info.position = object.last;
    ++info.segments;
    info.bytes += object.bytes;
  }
  return info;
}

// Sorts the older lineages of a collection into those that go and those that
// stay for now.
absl::Status SortOlder(BackupStore& store, const Uuid& collection,
                       const Lineages& lineages, size_t keep,
                       ProgressCounter* progress, PruneLogsReply* reply) {
  if (lineages.size() <= keep) return absl::OkStatus();
  const auto& [number, objects] = *lineages.rbegin();
  Log newest;
  newest.info.uuid = collection;
  bool whole = false;
  absl::StatusOr<Log> read = ReadLogHead(store, collection, number, objects);
  if (read.ok()) {
    newest = *std::move(read);
    absl::Status status = ReadLog(store, newest, progress, [](const LoggedOp&) {
      return absl::OkStatus();
    });
    if (absl::IsCancelled(status)) return status;
    whole = status.ok();
  }
  const auto end = std::prev(lineages.end(), static_cast<ptrdiff_t>(keep));
  for (auto it = lineages.begin(); it != end; ++it) {
    LogInfo info = InfoOf(newest, it->first, it->second);
    if (whole && info.position <= newest.info.position) {
      reply->bytes += info.bytes;
      reply->removed.push_back(std::move(info));
    } else {
      reply->kept_back.push_back(std::move(info));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PruneLogsReply> PruneLogs(BackupStore& store,
                                         const LogRetention& retention,
                                         const BackupOptions& options) {
  if (retention.keep == 0) {
    return absl::InvalidArgumentError(
        "no lineage is to be kept, want 1 or more");
  }
  CORKSCREW_ASSIGN_OR_RETURN(StoredLogs stored, FindLogs(store));
  if (!retention.dry_run) {
    // Keeps others from changing it, then looks again.
    CORKSCREW_RETURN_IF_ERROR(MarkLogStore(store));
    CORKSCREW_ASSIGN_OR_RETURN(stored, FindLogs(store));
  }
  std::map<Uuid, Lineages> collections;
  for (const auto& [key, objects] : stored) {
    collections[key.first][key.second] = objects;
  }
  uint64_t total = 0;
  for (const auto& [collection, lineages] : collections) {
    if (lineages.size() <= retention.keep) continue;
    for (const LogObject& object : lineages.rbegin()->second) {
      total += object.bytes;
    }
  }
  ProgressCounter progress(options, total);
  PruneLogsReply reply;
  for (const auto& [collection, lineages] : collections) {
    CORKSCREW_RETURN_IF_ERROR(SortOlder(store, collection, lineages,
                                        retention.keep, &progress, &reply));
  }
  if (retention.dry_run) return reply;
  for (const LogInfo& log : reply.removed) {
    // From the first one on: what is left is seen not to be whole.
    for (const LogObject& object : collections[log.uuid][log.lineage]) {
      CORKSCREW_RETURN_IF_ERROR(store.Delete(object.name));
    }
  }
  return reply;
}

absl::StatusOr<std::vector<LogInfo>> ListLogs(BackupStore& store) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<Log> logs, ReadLogHeads(store));
  std::vector<LogInfo> infos;
  for (const Log& log : logs) infos.push_back(log.info);
  return infos;
}

absl::StatusOr<LogInfo> VerifyLog(BackupStore& store, const LogChoice& choice,
                                  const BackupOptions& options) {
  CORKSCREW_ASSIGN_OR_RETURN(const Log log, Choose(store, choice));
  ProgressCounter progress(options, log.info.bytes);
  CORKSCREW_RETURN_IF_ERROR(ReadLog(
      store, log, &progress, [](const LoggedOp&) { return absl::OkStatus(); }));
  return log.info;
}

absl::StatusOr<ReplayReply> ReplayLog(BackupStore& store,
                                      const LogChoice& choice, Db& db,
                                      const BackupOptions& options) {
  CORKSCREW_ASSIGN_OR_RETURN(const Log log, Choose(store, choice));
  // Once to verify, once to write.
  ProgressCounter progress(options, 2 * log.info.bytes);
  std::map<std::string, Version> purged;
  CORKSCREW_RETURN_IF_ERROR(
      ReadLog(store, log, &progress, [&](const LoggedOp& op) {
        if (op.op.kind == OpKind::kPurge) {
          Version& newest = purged[op.op.id];
          newest = std::max(newest, op.version());
        }
        return absl::OkStatus();
      }));
  CORKSCREW_ASSIGN_OR_RETURN(const Quantizer quantizer,
                             Quantizer::Create(log.head.descriptor.quantizer));
  CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection,
                             MakeCollection(log, db));
  ReplayReply reply;
  reply.log = log.info;
  absl::Status status = CheckSpace(log, *collection);
  if (status.ok()) {
    Replayer replayer(log, *collection, quantizer, purged, &reply);
    status = ReadLog(store, log, &progress,
                     [&](const LoggedOp& op) { return replayer.Add(op); });
    if (status.ok()) status = replayer.Finish();
  }
  if (status.ok()) return reply;
  db.DropCollection(log.head.name).IgnoreError();
  return status;
}

}  // namespace corkscrew
