#include "db/collection_repair.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "db/body.h"
#include "db/keys.h"
#include "db/merge_order.h"
#include "db/op.h"

namespace corkscrew {
namespace {

// Lost seqs that are listed one by one for each hole.
constexpr uint64_t kMaxListedPerHole = 100'000;

// One collection: its ops and bodies, and the rows made of them.
class CollectionRepair {
 public:
  CollectionRepair(const CollectionToRepair& collection, RepairOutput* output,
                   RepairReport* report)
      : source_(collection.source),
        number_(collection.number),
        name_(collection.name),
        uuid_(collection.uuid),
        origins_(collection.origins),
        lost_log_(collection.lost_log),
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
    for (const auto& [id, lost] : lost_log_.origins) {
      const auto& [number, shard, origin] = id;
      if (number != number_ || origins_.count(origin) == 0) continue;
      uint64_t& claimed = claimed_[{shard, origin}];
      claimed = std::max(claimed, lost.last_seq);
      // What is written from now on comes after what may come back.
      for (const auto& [seq, op] : lost.named) {
        last_op_ = std::max(last_op_, op.lamport);
      }
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
    const auto lost = lost_log_.origins.find({number_, id.first, id.second});
    for (uint64_t seq = begin; seq < end && seq - begin < kMaxListedPerHole;
         ++seq) {
      LostLog::LostOp op;
      if (lost != lost_log_.origins.end()) {
        const auto named = lost->second.named.find(seq);
        if (named != lost->second.named.end()) op = named->second;
      }
      Lose(op.id, op.lamport, id.second, seq);
    }
    if (end - begin > kMaxListedPerHole) {
      report_.actions.push_back(absl::StrCat(
          "collection \"", name_, "\": all ops from ", begin, " to ", end - 1,
          " of ", OriginName(id.second), " are lost"));
    }
  }

  std::string OriginName(uint32_t origin) const {
    const Origin& named = origins_.at(origin);
    return absl::StrCat(named.replica.ToString(), "/", named.incarnation);
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
                             VectorHash(body->form, body->vector)})) {
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
  const LostLog& lost_log_;
  RepairOutput& output_;
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

}  // namespace

absl::Status RepairCollection(const CollectionToRepair& collection,
                              RepairOutput* output, RepairReport* report) {
  return CollectionRepair(collection, output, report).Run();
}

}  // namespace corkscrew
