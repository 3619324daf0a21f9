#include "db/log_offload.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "db/backup.h"
#include "db/backup_files.h"
#include "db/body.h"
#include "db/call_end.h"
#include "db/encode.h"
#include "db/keys.h"
#include "db/log_segment.h"
#include "db/op.h"
#include "db/rows.h"
#include "db/store.h"

namespace corkscrew {
namespace {

// A store of logs has one object of this name; its content says what it is.
constexpr char kMarkerName[] = "log-store";
constexpr absl::string_view kMarkerContent = "csdb:los\x01";

constexpr absl::string_view kLogs = "logs/";

// Ops that are read while a purge waits.
constexpr size_t kOpsPerRead = 256;

// "00000000000000000017"; the one form of a number in a name.
absl::StatusOr<uint64_t> ParseNumber(absl::string_view text) {
  uint64_t number = 0;
  if (absl::SimpleAtoi(text, &number) &&
      absl::StrFormat("%020d", number) == text) {
    return number;
  }
  return absl::InvalidArgumentError("not a number of a name");
}

// Fills in what the name of a segment says. False: not such a name.
bool ParseName(absl::string_view name, Uuid* collection, uint64_t* lineage,
               LogObject* object) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '/');
  if (parts.size() != 4) return false;
  const std::string uuid = absl::HexStringToBytes(parts[1]);
  const std::vector<absl::string_view> range = absl::StrSplit(parts[3], '-');
  if (uuid.size() != collection->bytes.size() || range.size() != 2) {
    return false;
  }
  std::copy(uuid.begin(), uuid.end(), collection->bytes.begin());
  const auto number = ParseNumber(parts[2]);
  const auto first = ParseNumber(range[0]);
  const auto last = ParseNumber(range[1]);
  if (!number.ok() || !first.ok() || !last.ok()) return false;
  *lineage = *number;
  object->first = *first;
  object->last = *last;
  object->name = std::string(name);
  return LogObjectName(*collection, *lineage, *first, *last) == name;
}

// Reads the log of a collection from the store of a database.
// Single-threaded. Borrows everything.
class OpSource {
 public:
  OpSource(const Engine& engine, const CollectionState& collection)
      : engine_(engine), collection_(collection) {}

  // The hash of the op at a position, or nullopt if there is none.
  absl::StatusOr<std::optional<Hash16>> HashAt(uint64_t position) const {
    CORKSCREW_ASSIGN_OR_RETURN(
        const std::optional<std::string> feed,
        engine_.store().Get(Family::kRows,
                            FeedKey(collection_.number(), position)));
    if (!feed.has_value()) return std::nullopt;
    LoggedOp op;
    std::string body;
    CORKSCREW_RETURN_IF_ERROR(Fill(*feed, &op, &body));
    return std::optional<Hash16>(op.op.content_hash);
  }

  // Calls `visit` with some ops from `from` up to `to`, and returns where the
  // next ones begin. The ops are valid during the call only.
  template <typename Visit>
  absl::StatusOr<uint64_t> Read(uint64_t from, uint64_t to, Visit visit) const {
    const ReadEpochs::Read read(collection_.reads);
    const uint32_t number = collection_.number();
    const std::string begin = FeedKey(number, from);
    const auto it = engine_.store().NewIterator(
        Family::kRows, begin, PrefixEnd(KindPrefix('f', number)));
    size_t ops = 0;
    for (it->Seek(begin); it->valid(); it->Next()) {
      LoggedOp op;
      std::string body;
      uint32_t parsed;
      if (!ParseFeedKey(it->key(), &parsed, &op.position)) {
        return absl::DataLossError("a row of the feed has a malformed key");
      }
      if (op.position > to) return to + 1;
      if (++ops > kOpsPerRead) return op.position;
      CORKSCREW_RETURN_IF_ERROR(Fill(it->value(), &op, &body));
      CORKSCREW_RETURN_IF_ERROR(visit(op));
    }
    CORKSCREW_RETURN_IF_ERROR(it->status());
    return to + 1;
  }

 private:
  // Reads the op that a row of the feed names; it borrows `body`.
  absl::Status Fill(absl::string_view feed, LoggedOp* op,
                    std::string* body) const {
    CORKSCREW_ASSIGN_OR_RETURN(const FeedRow row, DecodeFeedRow(feed));
    const std::optional<Origin> origin = engine_.origins().Get(row.origin);
    if (!origin.has_value()) {
      return absl::DataLossError(
          absl::StrCat("there is no origin ", row.origin));
    }
    op->shard = row.shard;
    op->origin = *origin;
    op->seq = row.seq;
    CORKSCREW_RETURN_IF_ERROR(ReadOp(row, op));
    if (!op->has_content()) return absl::OkStatus();
    const std::string key =
        BodyRowKey(collection_.number(),
                   {row.shard, op->op.id, op->op.lamport, row.origin, row.seq});
    CORKSCREW_ASSIGN_OR_RETURN(std::optional<std::string> value,
                               engine_.store().Get(Family::kBodies, key));
    if (!value.has_value()) {
      // Retention or a purge may just have taken it away.
      CORKSCREW_RETURN_IF_ERROR(ReadOp(row, op));
      if (op->op.body_dropped) return absl::OkStatus();
      return absl::DataLossError(absl::StrCat(
          "row hist/", absl::BytesToHexString(key), " is missing"));
    }
    *body = *std::move(value);
    CORKSCREW_ASSIGN_OR_RETURN(const Body parts, DecodeBody(key, *body));
    op->form = parts.form;
    op->vector = parts.vector;
    op->metadata = parts.metadata;
    op->text = parts.text;
    return absl::OkStatus();
  }

  absl::Status ReadOp(const FeedRow& row, LoggedOp* op) const {
    const std::string key =
        OpKey({collection_.number(), row.shard}, row.origin, row.seq);
    CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                               engine_.store().Get(Family::kRows, key));
    if (!value.has_value()) {
      return absl::DataLossError(
          absl::StrCat("row ", absl::BytesToHexString(key), " is missing"));
    }
    CORKSCREW_ASSIGN_OR_RETURN(op->op, DecodeOp(*value));
    return absl::OkStatus();
  }

  const Engine& engine_;
  const CollectionState& collection_;
};

// Brings the log of one collection up to date. Single-threaded.
class Offloader {
 public:
  Offloader(Engine& engine, const CollectionState& collection,
            BackupStore& store, size_t segment_bytes)
      : source_(engine, collection),
        store_(store),
        segment_bytes_(segment_bytes),
        up_to_(collection.durable()) {
    head_.database = engine.uuid();
    head_.life = engine.origin();
    const CollectionRow& row = collection.row();
    head_.collection = row.uuid;
    head_.generation = row.generation;
    head_.name = row.name;
    head_.model = row.model;
    head_.descriptor = row.descriptor;
    info_.name = row.name;
    info_.uuid = row.uuid;
  }

  // Decides where to go on from what the store has. Call once, first.
  absl::Status Begin(const StoredLogs& logs) {
    const Uuid& uuid = head_.collection;
    auto newest =
        logs.upper_bound({uuid, std::numeric_limits<uint64_t>::max()});
    if (newest == logs.begin()) return absl::OkStatus();
    --newest;
    if (newest->first.first != uuid) return absl::OkStatus();
    const LogObjects& objects = newest->second;
    head_.lineage = newest->first.second;
    CORKSCREW_ASSIGN_OR_RETURN(const bool continues, Continues(objects));
    if (!continues) {
      ++head_.lineage;
      return absl::OkStatus();
    }
    for (const LogObject& object : objects) Count(object.last, object.bytes);
    return absl::OkStatus();
  }

  // Ops that are not in the store.
  uint64_t left() const { return up_to_ - info_.position; }
  bool empty() const { return up_to_ == 0; }

  absl::Status Run(ProgressCounter* progress, const CallOptions& call,
                   OffloadReply* reply) {
    head_.first = info_.position + 1;
    head_.before = last_hash_;
    for (uint64_t next = head_.first; next <= up_to_;) {
      CORKSCREW_RETURN_IF_ERROR(CheckCall(call));
      const uint64_t from = next;
      CORKSCREW_ASSIGN_OR_RETURN(
          next, source_.Read(from, up_to_, [&](const LoggedOp& op) {
            return Add(op, reply);
          }));
      CORKSCREW_RETURN_IF_ERROR(progress->Add(next - from));
    }
    if (builder_.ops() > 0) CORKSCREW_RETURN_IF_ERROR(Seal(reply));
    info_.lineage = head_.lineage;
    return absl::OkStatus();
  }

  const LogInfo& info() const { return info_; }

 private:
  // Whether this log goes on where `objects` end.
  absl::StatusOr<bool> Continues(const LogObjects& objects) {
    if (!IsWhole(objects) || objects.back().last > up_to_) return false;
    const LogObject& last = objects.back();
    const absl::StatusOr<std::string> bytes =
        store_.Pull(last.name, last.bytes);
    if (absl::IsNotFound(bytes.status()) || absl::IsDataLoss(bytes.status())) {
      return false;  // It is another object than was listed.
    }
    CORKSCREW_RETURN_IF_ERROR(bytes.status());
    const absl::StatusOr<LogSegmentHead> head = DecodeLogSegment(
        *bytes, [](const LoggedOp&) { return absl::OkStatus(); });
    if (!head.ok() || head->collection != head_.collection ||
        head->lineage != head_.lineage || head->last != last.last ||
        head->life != head_.life) {
      return false;
    }
    CORKSCREW_ASSIGN_OR_RETURN(const std::optional<Hash16> here,
                               source_.HashAt(last.last));
    if (here != head->last_hash) return false;
    last_hash_ = head->last_hash;
    return true;
  }

  absl::Status Add(const LoggedOp& op, OffloadReply* reply) {
    // A damaged or forged body is no backup.
    if ((op.has_content() || op.op.kind != OpKind::kPut) &&
        HashOf(head_.collection, op) != op.op.content_hash) {
      return absl::DataLossError(
          absl::StrCat("the content hash of op ", op.position, " is another"));
    }
    // Segments hold whole Puts.
    const bool begins = op.op.batch_index == 0;
    if (begins && builder_.bytes() >= segment_bytes_) {
      CORKSCREW_RETURN_IF_ERROR(Seal(reply));
    }
    builder_.Add(op);
    ++reply->new_ops;
    return absl::OkStatus();
  }

  absl::Status Seal(OffloadReply* reply) {
    const std::string segment = builder_.Finish(&head_);
    CORKSCREW_RETURN_IF_ERROR(store_.Push(
        LogObjectName(head_.collection, head_.lineage, head_.first, head_.last),
        segment));
    reply->new_bytes += segment.size();
    Count(head_.last, segment.size());
    head_.first = head_.last + 1;
    head_.before = head_.last_hash;
    return absl::OkStatus();
  }

  void Count(uint64_t last, uint64_t bytes) {
    info_.position = last;
    ++info_.segments;
    info_.bytes += bytes;
  }

  const OpSource source_;
  BackupStore& store_;
  const size_t segment_bytes_;
  const uint64_t up_to_;
  LogSegmentHead head_;
  LogSegmentBuilder builder_;
  LogInfo info_;
  Hash16 last_hash_ = {};  // Of the op at info_.position.
};

absl::StatusOr<OffloadReply> OffloadAll(Engine& engine, BackupStore& store,
                                        const BackupOptions& options,
                                        const CallOptions& call,
                                        size_t segment_bytes) {
  CORKSCREW_RETURN_IF_ERROR(MarkLogStore(store));
  CORKSCREW_ASSIGN_OR_RETURN(const StoredLogs logs, FindLogs(store));
  const auto named = [](const CollectionState& state,
                        const absl::Status& status) {
    return absl::Status(status.code(),
                        absl::StrCat("collection \"", state.row().name,
                                     "\": ", status.message()));
  };
  const std::vector<std::shared_ptr<CollectionState>> states =
      engine.registry().All();
  std::vector<std::unique_ptr<Offloader>> offloaders;
  uint64_t left = 0;
  for (const auto& state : states) {
    auto& offloader = offloaders.emplace_back(
        std::make_unique<Offloader>(engine, *state, store, segment_bytes));
    const absl::Status begun = offloader->Begin(logs);
    if (!begun.ok()) return named(*state, begun);
    left += offloader->left();
  }
  ProgressCounter progress(options, left);
  OffloadReply reply;
  for (size_t i = 0; i < states.size(); ++i) {
    if (offloaders[i]->empty()) continue;
    const absl::Status run = offloaders[i]->Run(&progress, call, &reply);
    if (states[i]->dropped()) continue;  // Its rows may just have gone.
    if (!run.ok()) return named(*states[i], run);
    reply.logs.push_back(offloaders[i]->info());
  }
  std::sort(reply.logs.begin(), reply.logs.end(),
            [](const LogInfo& a, const LogInfo& b) { return a.name < b.name; });
  return reply;
}

}  // namespace

std::string LogObjectName(const Uuid& collection, uint64_t lineage,
                          uint64_t first, uint64_t last) {
  return absl::StrFormat("%s%s/%020d/%020d-%020d", kLogs,
                         absl::BytesToHexString(BytesOf(collection.bytes)),
                         lineage, first, last);
}

absl::StatusOr<StoredLogs> FindLogs(BackupStore& store) {
  const absl::StatusOr<std::string> marker =
      store.Pull(kMarkerName, kMarkerContent.size());
  if (absl::IsNotFound(marker.status())) {
    return absl::NotFoundError("there is no store of logs");
  }
  if (!marker.ok() || *marker != kMarkerContent) {
    return absl::DataLossError(
        "the object \"log-store\" is not that of a store of logs, or of a "
        "newer one");
  }
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<BackupStore::Object> objects,
                             store.List(kLogs));
  StoredLogs logs;
  for (const BackupStore::Object& object : objects) {
    Uuid collection;
    uint64_t lineage;
    LogObject log;
    log.bytes = object.bytes;
    if (!ParseName(object.name, &collection, &lineage, &log)) continue;
    // Numbers have one width, so names are in the order of positions.
    logs[{collection, lineage}].push_back(std::move(log));
  }
  return logs;
}

absl::Status MarkLogStore(BackupStore& store) {
  return store.Push(kMarkerName, kMarkerContent);
}

bool IsWhole(const LogObjects& objects) {
  uint64_t next = 1;
  for (const LogObject& object : objects) {
    if (object.first != next || object.last < object.first) return false;
    next = object.last + 1;
  }
  return next > 1;
}

absl::StatusOr<OffloadReply> OffloadLogsTo(Engine& engine,
                                           absl::string_view directory,
                                           const BackupOptions& options,
                                           const CallOptions& call,
                                           size_t segment_bytes) {
  const std::string path(directory);
  if (path.empty() || path.find('\0') != path.npos) {
    return absl::InvalidArgumentError("the path of the store is empty");
  }
  CORKSCREW_RETURN_IF_ERROR(engine.CheckWritable());
  FileSystem& files = *engine.environment().files;
  MutexLock lock(&engine.backup_mutex());
  CORKSCREW_RETURN_IF_ERROR(CheckCall(call));  // It may have waited long.
  // Before anything is written to it, so that a purge names it.
  CORKSCREW_RETURN_IF_ERROR(RememberBackup(engine, path));
  const std::unique_ptr<BackupStore> store =
      DirectoryBackupStoreOn(files, path);
  absl::StatusOr<OffloadReply> reply =
      OffloadAll(engine, *store, options, call, segment_bytes);
  if (reply.ok()) return reply;
  return absl::Status(
      reply.status().code(),
      absl::StrCat("store of logs ", path, ": ", reply.status().message()));
}

}  // namespace corkscrew
