// A repair reads every row that can be read, and writes a new store: rows that
// only say what others say (version vectors, heads, feed, clocks, names) are
// made anew from the ops and bodies. What is behind a damaged table or log is
// not in the way then, and the original is not touched.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "corkscrew/check.h"
#include "db/body.h"
#include "db/closed_database.h"
#include "db/keys.h"
#include "db/merge_order.h"
#include "db/op.h"
#include "db/rows.h"
#include "db/store.h"

namespace corkscrew {
namespace {

constexpr size_t kBatchBytes = size_t{4} << 20;
// Lost seqs that are listed one by one for each hole.
constexpr uint64_t kMaxListedPerHole = 100'000;

// Where the repaired rows go. Without a store it only counts.
class Output {
 public:
  Output(Store* store, WritableFile* quarantine)
      : store_(store), quarantine_(quarantine) {
    if (store_ != nullptr) batch_.emplace(store_->NewBatch());
  }

  absl::Status Put(Family family, absl::string_view key,
                   absl::string_view value) {
    if (store_ == nullptr) return absl::OkStatus();
    batch_->Put(family, key, value);
    bytes_ += key.size() + value.size();
    return bytes_ < kBatchBytes ? absl::OkStatus() : Flush();
  }

  absl::Status Flush() {
    if (store_ == nullptr || batch_->empty()) return absl::OkStatus();
    CORKSCREW_RETURN_IF_ERROR(store_->Write(*batch_));
    batch_.emplace(store_->NewBatch());
    bytes_ = 0;
    return absl::OkStatus();
  }

  // Keeps bytes that can not be kept as rows: a line of text.
  absl::Status Quarantine(Family family, absl::string_view key,
                          absl::string_view value, absl::string_view why) {
    ++quarantined_;
    if (quarantine_ == nullptr) return absl::OkStatus();
    return quarantine_->Append(absl::StrCat(
        family == Family::kRows ? "row " : "body ", absl::BytesToHexString(key),
        " ", absl::BytesToHexString(value), " ", absl::CHexEscape(why), "\n"));
  }
  size_t quarantined() const { return quarantined_; }

 private:
  Store* const store_;
  WritableFile* const quarantine_;
  std::optional<WriteBatch> batch_;
  size_t bytes_ = 0;
  size_t quarantined_ = 0;
};

// One collection: its ops and bodies, and the rows made of them.
class CollectionRepair {
 public:
  CollectionRepair(const Store& source, uint32_t number, std::string name,
                   const Uuid& uuid, const std::map<uint32_t, Origin>& origins,
                   Output* output, RepairReport* report)
      : source_(source),
        number_(number),
        name_(std::move(name)),
        uuid_(uuid),
        origins_(origins),
        output_(*output),
        report_(*report) {}

  absl::Status Run() {
    ReadFeed();
    CORKSCREW_RETURN_IF_ERROR(ReadVectors());
    for (const auto& [id, claimed] : claimed_) {
      CORKSCREW_RETURN_IF_ERROR(CopyOps(id, claimed));
    }
    CORKSCREW_RETURN_IF_ERROR(WriteFeed());
    CORKSCREW_RETURN_IF_ERROR(WriteHeads());
    return WriteClock();
  }

 private:
  using OriginId = std::pair<uint16_t, uint32_t>;          // shard, origin
  using Place = std::tuple<uint16_t, uint32_t, uint64_t>;  // and seq
  using RecordId = std::pair<uint16_t, std::string>;       // shard, id
  struct Head {
    MergeKey key = {};
    uint32_t origin = 0;
    bool tombstone = false;
  };

  absl::Status ForEach(
      char kind,
      absl::FunctionRef<void(absl::string_view, absl::string_view)> visit) {
    const std::string prefix = KindPrefix(kind, number_);
    const auto it =
        source_.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
    for (it->Seek(prefix); it->valid(); it->Next()) {
      visit(it->key(), it->value());
    }
    return it->status();
  }

  // What can be read of the feed; the rest is made anew.
  void ReadFeed() {
    ForEach('f', [&](absl::string_view key, absl::string_view value) {
      uint32_t number;
      uint64_t position;
      const auto row = DecodeFeedRow(value);
      if (ParseFeedKey(key, &number, &position) && row.ok()) {
        feed_.emplace(Place(row->shard, row->origin, row->seq), position);
      }
    }).IgnoreError();
  }

  // Which ops there should be: by the version vector, and by the ops.
  absl::Status ReadVectors() {
    const absl::Status vectors =
        ForEach('v', [&](absl::string_view key, absl::string_view value) {
          Stream stream;
          uint32_t origin;
          const auto seq = DecodeU64(value);
          if (ParseVectorKey(key, &stream, &origin) && seq.ok() &&
              origins_.count(origin) != 0) {
            uint64_t& claimed = claimed_[{stream.shard, origin}];
            claimed = std::max(claimed, *seq);
          }
        });
    const absl::Status ops =
        ForEach('o', [&](absl::string_view key, absl::string_view) {
          Stream stream;
          uint32_t origin;
          uint64_t seq;
          if (ParseOpKey(key, &stream, &origin, &seq) &&
              origins_.count(origin) != 0) {
            claimed_.try_emplace({stream.shard, origin}, 0);
          }
        });
    if (!vectors.ok() || !ops.ok()) {
      report_.actions.push_back(
          absl::StrCat("collection \"", name_,
                       "\": a table is damaged; its ops are read one by one"));
      one_by_one_ = true;
    }
    return absl::OkStatus();
  }

  absl::Status CopyOps(const OriginId& id, uint64_t claimed) {
    uint64_t next = 1;        // The seq that comes next without a hole,
    uint64_t contiguous = 0;  // and the last before the first hole.
    const auto copy = [&](uint64_t seq,
                          absl::string_view value) -> absl::Status {
      LoseSeqs(id, next, seq);
      next = seq + 1;
      CORKSCREW_ASSIGN_OR_RETURN(const bool copied, CopyOp(id, seq, value));
      if (copied && contiguous + 1 == seq) contiguous = seq;
      return absl::OkStatus();
    };
    const Stream stream{number_, id.first};
    if (one_by_one_) {
      for (uint64_t seq = 1; seq <= claimed; ++seq) {
        const auto value =
            source_.Get(Family::kRows, OpKey(stream, id.second, seq));
        if (value.ok() && value->has_value()) {
          CORKSCREW_RETURN_IF_ERROR(copy(seq, **value));
        }
      }
    } else {
      const std::string begin = OpKey(stream, id.second, 0);
      const std::string end = OpKey(stream, id.second, ~uint64_t{0});
      const auto it = source_.NewIterator(Family::kRows, begin, end);
      for (it->Seek(begin); it->valid(); it->Next()) {
        Stream parsed;
        uint32_t origin;
        uint64_t seq;
        if (!ParseOpKey(it->key(), &parsed, &origin, &seq)) continue;
        CORKSCREW_RETURN_IF_ERROR(copy(seq, it->value()));
      }
      CORKSCREW_RETURN_IF_ERROR(it->status());
    }
    LoseSeqs(id, next, claimed + 1);
    if (contiguous == 0) return absl::OkStatus();
    return output_.Put(Family::kRows, VectorKey(stream, id.second),
                       EncodeU64(contiguous));
  }

  void LoseSeqs(const OriginId& id, uint64_t begin, uint64_t end) {
    if (begin >= end) return;
    lost_unknown_ = true;
    for (uint64_t seq = begin; seq < end && seq - begin < kMaxListedPerHole;
         ++seq) {
      Lose("", 0, id.second, seq);
    }
    if (end - begin > kMaxListedPerHole) {
      report_.actions.push_back(
          absl::StrCat("collection \"", name_, "\": all ops from ", begin,
                       " to ", end - 1, " of one origin are lost"));
    }
  }

  void Lose(const std::string& id, Lamport lamport, uint32_t origin,
            uint64_t seq) {
    const Origin& named = origins_.at(origin);
    report_.lost.push_back(
        {name_, id, {lamport, named.replica, named.incarnation, seq}});
  }

  // False: it is not an op.
  absl::StatusOr<bool> CopyOp(const OriginId& id, uint64_t seq,
                              absl::string_view value) {
    const Stream stream{number_, id.first};
    const std::string key = OpKey(stream, id.second, seq);
    absl::StatusOr<Op> op = DecodeOp(value);
    if (!op.ok()) {
      lost_unknown_ = true;
      Lose("", 0, id.second, seq);
      CORKSCREW_RETURN_IF_ERROR(
          output_.Quarantine(Family::kRows, key, value, op.status().message()));
      return false;
    }
    last_op_ = std::max(last_op_, op->lamport);
    ops_.push_back({id.first, id.second, seq});
    const Origin& origin = origins_.at(id.second);
    const MergeKey merge{{op->lamport, origin.replica, origin.incarnation, seq},
                         op->content_hash};
    if (!op->body_dropped) {
      CORKSCREW_ASSIGN_OR_RETURN(const bool copied,
                                 CopyBody(id, seq, *op, origin));
      if (copied) {
        ++versions_;
        Head& head = heads_[{id.first, op->id}];
        if (head.key < merge) {
          head = {merge, id.second, op->kind != OpKind::kPut};
        }
      } else {
        Lose(op->id, op->lamport, id.second, seq);
        MergeKey& lost = lost_bodies_[{id.first, op->id}];
        lost = std::max(lost, merge);
        op->body_dropped = true;
      }
    }
    CORKSCREW_RETURN_IF_ERROR(output_.Put(Family::kRows, key, EncodeOp(*op)));
    return true;
  }

  // False: there is no body with the content of the op.
  absl::StatusOr<bool> CopyBody(const OriginId& id, uint64_t seq, const Op& op,
                                const Origin& origin) {
    const std::string key =
        BodyRowKey(number_, {id.first, op.id, op.lamport, id.second, seq});
    const auto is_content = [&](const Body& body, const PartHashes& parts) {
      return body.kind == op.kind && body.wall_ms == op.wall_ms &&
             body.expires_ms == op.expires_ms &&
             ContentHash(uuid_, id.first, op, origin.replica,
                         origin.incarnation, seq, parts) == op.content_hash;
    };
    const auto value = source_.Get(Family::kBodies, key);
    if (value.ok() && value->has_value()) {
      const absl::StatusOr<Body> body = DecodeBody(key, **value);
      if (body.ok() &&
          is_content(*body, {Sha256(body->text), Sha256(body->metadata),
                             Sha256(body->vector)})) {
        CORKSCREW_RETURN_IF_ERROR(output_.Put(Family::kBodies, key, **value));
        return true;
      }
      CORKSCREW_RETURN_IF_ERROR(output_.Quarantine(
          Family::kBodies, key, **value,
          body.ok() ? "its content hash is another" : body.status().message()));
    }
    // A tombstone holds nothing that its op does not say.
    const Body tombstone{
        .kind = op.kind, .wall_ms = op.wall_ms, .expires_ms = op.expires_ms};
    if (op.kind == OpKind::kPut || !is_content(tombstone, TombstoneHashes())) {
      return false;
    }
    CORKSCREW_RETURN_IF_ERROR(
        output_.Put(Family::kBodies, key, EncodeBodyToString(key, tombstone)));
    return true;
  }

  absl::Status WriteFeed() {
    uint64_t last = 0;
    for (const auto& [place, position] : feed_) last = std::max(last, position);
    std::map<Place, uint64_t> kept;
    size_t added = 0;
    for (const Place& place : ops_) {
      const auto found = feed_.find(place);
      const uint64_t position = found != feed_.end() ? found->second : ++last;
      if (found == feed_.end()) ++added;
      kept.emplace(place, position);
      CORKSCREW_RETURN_IF_ERROR(
          output_.Put(Family::kRows, FeedKey(number_, position),
                      Encode(FeedRow{std::get<0>(place), std::get<1>(place),
                                     std::get<2>(place)})));
    }
    if (added != 0) {
      report_.actions.push_back(
          absl::StrCat("collection \"", name_, "\": ", added,
                       " ops get a new place in the feed"));
    }
    feed_ = std::move(kept);
    return absl::OkStatus();
  }

  absl::Status WriteHeads() {
    size_t changed = 0;
    for (const auto& [record, head] : heads_) {
      const std::string key = HeadKey({number_, record.first}, record.second);
      const Version& version = head.key.version;
      const HeadRow row{version.lamport,
                        head.origin,
                        version.seq,
                        head.tombstone,
                        feed_.at({record.first, head.origin, version.seq}),
                        head.key.content_hash};
      if (head.tombstone) ++tombstones_;
      const auto before = source_.Get(Family::kRows, key);
      if (!before.ok() || *before != Encode(row)) ++changed;
      CORKSCREW_RETURN_IF_ERROR(output_.Put(Family::kRows, key, Encode(row)));
    }
    if (changed != 0) {
      report_.actions.push_back(absl::StrCat(
          "collection \"", name_, "\": ", changed, " heads are made anew"));
    }
    for (const auto& [record, lost] : lost_bodies_) {
      const auto found = heads_.find(record);
      if (found != heads_.end() && lost < found->second.key) {
        // What was alive before is not known up to here.
        floor_ = std::max(floor_, found->second.key.version.lamport);
        continue;
      }
      lost_unknown_ = true;
      report_.actions.push_back(
          absl::StrCat("collection \"", name_, "\": the current version of \"",
                       absl::CHexEscape(record.second), "\" is lost; ",
                       found == heads_.end()
                           ? "the record is gone"
                           : absl::StrCat("the version at Lamport time ",
                                          found->second.key.version.lamport,
                                          " takes its place")));
    }
    return absl::OkStatus();
  }

  absl::Status WriteClock() {
    const std::string key = ClockKey(number_);
    const auto value = source_.Get(Family::kRows, key);
    ClockRow row;
    bool known = false;
    if (value.ok() && value->has_value()) {
      const absl::StatusOr<ClockRow> before = DecodeClockRow(**value);
      known = before.ok();
      if (known) row = *before;
    }
    if (!known && number_ == 0 && ops_.empty()) return absl::OkStatus();
    const ClockRow before = row;
    row.lamport = std::max(row.lamport, last_op_);
    row.versions = versions_;
    row.tombstones = tombstones_;
    // Moments at which something lost may have been alive can not be read.
    if (lost_unknown_ || !known) floor_ = row.lamport;
    if (floor_ > row.floor) {
      row.floor = floor_;
      report_.actions.push_back(absl::StrCat(
          "collection \"", name_, "\": moments before Lamport time ", floor_,
          " can not be read any more"));
    }
    if (!known || before != row) {
      report_.actions.push_back(
          absl::StrCat("collection \"", name_, "\": the clock is made anew"));
    }
    return output_.Put(Family::kRows, key, Encode(row));
  }

  const Store& source_;
  const uint32_t number_;
  const std::string name_;
  const Uuid uuid_;
  const std::map<uint32_t, Origin>& origins_;
  Output& output_;
  RepairReport& report_;

  std::map<Place, uint64_t> feed_;        // Positions.
  std::map<OriginId, uint64_t> claimed_;  // The last seq by the vector.
  std::vector<Place> ops_;                // Kept.
  std::map<RecordId, Head> heads_;
  std::map<RecordId, MergeKey> lost_bodies_;  // The largest of each record.
  bool one_by_one_ = false;
  bool lost_unknown_ = false;  // Something whose end of life is not known.
  Lamport last_op_ = 0;
  Lamport floor_ = 0;
  uint64_t versions_ = 0;
  uint64_t tombstones_ = 0;
};

class Repair {
 public:
  Repair(const Store& source, Output* output, RepairReport* report)
      : source_(source), output_(*output), report_(*report) {}

  absl::Status Run() {
    CORKSCREW_RETURN_IF_ERROR(CopyRows());
    for (const auto& [number, row] : collections_) {
      CORKSCREW_RETURN_IF_ERROR(CollectionRepair(source_, number, row.name,
                                                 row.uuid, origins_, &output_,
                                                 &report_)
                                    .Run());
    }
    if (output_.quarantined() != 0) {
      report_.actions.push_back(
          absl::StrCat(output_.quarantined(), " rows go to quarantine"));
    }
    return output_.Flush();
  }

 private:
  // Rows that are kept as they are, and names.
  absl::Status CopyRows() {
    CollectionRow system;
    system.name = "_system";
    system.uuid = SystemCollectionUuid();
    collections_.emplace(0, system);
    size_t dropped = 0;
    for (int kind = 1; kind < 256; ++kind) {
      const std::string prefix = KindPrefix(static_cast<char>(kind));
      if (absl::string_view("fhknosv").find(static_cast<char>(kind)) !=
          absl::string_view::npos) {
        continue;  // Made anew; `s` names files that are a cache.
      }
      const std::string end =
          kind == 255 ? std::string(8, '\xFF') : PrefixEnd(prefix);
      const auto it = source_.NewIterator(Family::kRows, prefix, end);
      for (it->Seek(prefix); it->valid(); it->Next()) {
        CORKSCREW_ASSIGN_OR_RETURN(
            const bool keep,
            Keep(static_cast<char>(kind), it->key(), it->value()));
        if (keep) {
          CORKSCREW_RETURN_IF_ERROR(
              output_.Put(Family::kRows, it->key(), it->value()));
          continue;
        }
        ++dropped;
        CORKSCREW_RETURN_IF_ERROR(output_.Quarantine(
            Family::kRows, it->key(), it->value(), "it is malformed"));
      }
      if (it->status().ok()) continue;
      if (kind == 'm' || kind == 'a' || kind == 'c') return it->status();
      report_.actions.push_back(
          absl::StrCat("rows of kind ", std::string(1, static_cast<char>(kind)),
                       " behind a damaged block are lost"));
    }
    if (dropped != 0) {
      report_.actions.push_back(absl::StrCat(
          dropped, " rows of times and requests that are malformed go"));
    }
    for (const auto& [number, row] : collections_) {
      if (number == 0) continue;
      CORKSCREW_RETURN_IF_ERROR(
          output_.Put(Family::kRows, NameKey(row.name), EncodeU32(number)));
    }
    // No file is this marker: the next open begins a new incarnation.
    return output_.Put(
        Family::kRows, MetaKey("open"),
        Encode(
            OpenRow{.clean = true, .marker_inode = 1, .marker_birth_ns = 1}));
  }

  absl::StatusOr<bool> Keep(char kind, absl::string_view key,
                            absl::string_view value) {
    uint32_t number = 0;
    if (kind == 'a') {
      CORKSCREW_ASSIGN_OR_RETURN(const Origin origin, DecodeOriginRow(value));
      if (!ParseOriginKey(key, &number)) return false;
      origins_[number] = origin;
    } else if (kind == 'c') {
      CORKSCREW_ASSIGN_OR_RETURN(const CollectionRow row,
                                 DecodeCollectionRow(value));
      if (!ParseCollectionKey(key, &number)) return false;
      if (row.state == LiveState::kLive) collections_.emplace(number, row);
    } else if (kind == 'x') {
      uint64_t wall_ms;
      const auto lamport = DecodeU64(value);
      if (!ParseWallKey(key, &number, &wall_ms) || !lamport.ok() ||
          collections_.count(number) == 0) {
        return false;
      }
      Lamport& last = last_time_[number];
      if (*lamport <= last) return false;
      last = *lamport;
    } else if (kind == 'i') {
      Stream stream;
      std::string id;
      return ParseRequestKey(key, &stream, &id) &&
             collections_.count(stream.collection) != 0 &&
             DecodeRequestRow(value).ok();
    }
    return true;
  }

  const Store& source_;
  Output& output_;
  RepairReport& report_;
  std::map<uint32_t, Origin> origins_;
  std::map<uint32_t, CollectionRow> collections_;  // Live ones.
  std::map<uint32_t, Lamport> last_time_;
};

absl::StatusOr<std::unique_ptr<Store>> OpenSource(const std::string& path) {
  return Store::Open(path + "/store", {.create_if_missing = false,
                                       .recovery = LogRecovery::kUpToDamage,
                                       .read_only = true});
}

// Findings of the log and the mark: losses that rows do not show.
void AddLogLosses(RepairReport* report) {
  for (const CheckFinding& finding : report->before.findings) {
    if (finding.invariant == "log" || finding.invariant == "mark") {
      report->actions.push_back(
          absl::StrCat(finding.where, ": ", finding.what));
    }
  }
}

// Writes the repaired database in `directory`, which is made.
absl::Status WriteRepaired(const Store& source, const std::string& directory,
                           RepairReport* report) {
  FileSystem& files = FileSystem::Real();
  CORKSCREW_RETURN_IF_ERROR(files.MakeDirectory(directory));
  CORKSCREW_RETURN_IF_ERROR(files.MakeDirectory(directory + "/store"));
  const std::string quarantine_path = directory + "/quarantine.txt";
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> quarantine,
                             files.NewFile(quarantine_path));
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store,
                             Store::Open(directory + "/store", {}));
  Output output(store.get(), quarantine.get());
  CORKSCREW_RETURN_IF_ERROR(Repair(source, &output, report).Run());
  CORKSCREW_RETURN_IF_ERROR(store->Close());
  CORKSCREW_RETURN_IF_ERROR(quarantine->Sync());
  CORKSCREW_RETURN_IF_ERROR(quarantine->Close());
  if (output.quarantined() == 0) {
    CORKSCREW_RETURN_IF_ERROR(files.Remove(quarantine_path));
  } else {
    report->quarantine = report->target + "/quarantine.txt";
  }
  return AtomicWriteFile(files, directory + "/LOCK", {""});
}

// Under another name first: what a crash leaves is not taken for a database.
absl::Status WriteTarget(const Store& source, RepairReport* report) {
  FileSystem& files = FileSystem::Real();
  const std::string partial = report->target + ".partial";
  std::error_code ignored;
  std::filesystem::remove_all(partial, ignored);
  absl::Status written = WriteRepaired(source, partial, report);
  if (written.ok()) written = files.Rename(partial, report->target);
  if (!written.ok()) {
    std::filesystem::remove_all(partial, ignored);
    return written;
  }
  return files.SyncDirectory(ParentDirectory(report->target));
}

}  // namespace

absl::StatusOr<RepairReport> RepairDatabase(absl::string_view path,
                                            const RepairOptions& options) {
  CORKSCREW_ASSIGN_OR_RETURN(const ClosedDatabase closed,
                             ClosedDatabase::Hold(path));
  RepairReport report;
  report.target = !options.target.empty() ? options.target
                                          : absl::StrCat(path, ".repaired");
  if (FileSystem::Real().Exists(report.target)) {
    return absl::AlreadyExistsError(
        absl::StrCat(report.target, " exists; name another target"));
  }
  CheckOptions check;
  check.deep = true;
  CORKSCREW_RETURN_IF_ERROR(CheckClosed(closed.path(), check, &report.before));
  for (const CheckFinding& finding : report.before.findings) {
    if (finding.severity != CheckStatus::kUnreadable) continue;
    return absl::DataLossError(absl::StrCat(
        "database in ", path, ": ", finding.where, ": ", finding.what,
        "; this can not be repaired, ", finding.advice));
  }
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<Store> source,
                             OpenSource(closed.path()));
  // First to see what it comes to, then for good.
  RepairReport plan = report;
  AddLogLosses(&plan);
  Output nothing(nullptr, nullptr);
  CORKSCREW_RETURN_IF_ERROR(Repair(*source, &nothing, &plan).Run());
  if (options.dry_run) return plan;
  if (!options.accept_loss &&
      (plan.before.status >= CheckStatus::kDataLoss || !plan.lost.empty())) {
    return absl::DataLossError(absl::StrCat(
        "database in ", path, ": acknowledged data is lost (", plan.lost.size(),
        " versions are known to be gone); nothing was "
        "written. Go on with --accept-loss, or restore a backup"));
  }
  AddLogLosses(&report);
  CORKSCREW_RETURN_IF_ERROR(WriteTarget(*source, &report));
  return report;
}

}  // namespace corkscrew
