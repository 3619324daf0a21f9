#include "db/invariants.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/hash.h"
#include "db/body.h"
#include "db/keys.h"
#include "db/merge_order.h"
#include "db/op.h"
#include "db/rows.h"

namespace corkscrew {
namespace {

struct StoredOp {
  Stream stream;
  uint32_t origin;
  uint64_t seq;
  Op op;
};

class Checker {
 public:
  explicit Checker(const Store& store) : store_(store) {}

  std::vector<std::string> Run() {
    ReadNames();
    ReadOps();
    CheckBodies();
    CheckVectors();
    CheckHeads();
    CheckFeeds();
    CheckClocks();
    return std::move(found_);
  }

 private:
  using StreamId = std::pair<uint32_t, uint16_t>;

  void Fail(std::string what) { found_.push_back(std::move(what)); }

  template <typename Visit>
  void ForEach(Family family, const std::string& begin, const std::string& end,
               const Visit& visit) {
    const auto it = store_.NewIterator(family, begin, end);
    for (it->Seek(begin); it->valid(); it->Next()) {
      if (!visit(it->key(), it->value())) {
        Fail(absl::StrCat("row ", absl::BytesToHexString(it->key()),
                          " is malformed"));
      }
    }
    if (!it->status().ok()) Fail(it->status().ToString());
  }
  template <typename Visit>
  void ForEach(char kind, const Visit& visit) {
    ForEach(Family::kRows, KindPrefix(kind), PrefixEnd(KindPrefix(kind)),
            visit);
  }

  void ReadNames() {
    uuids_[0] = SystemCollectionUuid();
    ForEach('a', [&](absl::string_view key, absl::string_view value) {
      uint32_t number;
      const auto row = DecodeOriginRow(value);
      if (!ParseOriginKey(key, &number) || !row.ok()) return false;
      origins_[number] = *row;
      return true;
    });
    ForEach('c', [&](absl::string_view key, absl::string_view value) {
      uint32_t number;
      const auto row = DecodeCollectionRow(value);
      if (!ParseCollectionKey(key, &number) || !row.ok()) return false;
      if (row->state == LiveState::kLive) uuids_[number] = row->uuid;
      return true;
    });
  }

  void ReadOps() {
    ForEach('o', [&](absl::string_view key, absl::string_view value) {
      StoredOp stored;
      auto op = DecodeOp(value);
      if (!ParseOpKey(key, &stored.stream, &stored.origin, &stored.seq) ||
          !op.ok()) {
        return false;
      }
      stored.op = *std::move(op);
      ops_.push_back(std::move(stored));
      return true;
    });
  }

  // K3: each op has a body with its content hash, and each body an op.
  void CheckBodies() {
    size_t bodies = 0;
    ForEach(Family::kBodies, "", "\xFF\xFF\xFF\xFF\xFF",
            [&](absl::string_view key, absl::string_view value) {
              ++bodies;
              return DecodeBody(key, value).ok();
            });
    const auto dropped = static_cast<size_t>(std::count_if(
        ops_.begin(), ops_.end(),
        [](const StoredOp& stored) { return stored.op.body_dropped; }));
    if (bodies + dropped != ops_.size()) {
      Fail(absl::StrCat(bodies, " bodies and ", ops_.size(), " ops, ", dropped,
                        " of them without a body"));
    }
    for (const StoredOp& stored : ops_) {
      const Op& op = stored.op;
      if (op.body_dropped) continue;
      const std::string key = BodyRowKey(
          stored.stream.collection,
          {stored.stream.shard, op.id, op.lamport, stored.origin, stored.seq});
      const auto value = store_.Get(Family::kBodies, key);
      if (!value.ok() || !value->has_value()) {
        Fail(absl::StrCat("op of \"", op.id, "\" has no body"));
        continue;
      }
      const auto body = DecodeBody(key, **value);
      if (!body.ok()) continue;  // Reported above.
      const Origin& origin = origins_[stored.origin];
      const Hash16 hash = ContentHash(
          uuids_[stored.stream.collection], stored.stream.shard, op,
          origin.replica, origin.incarnation, stored.seq,
          {Sha256(body->text), Sha256(body->metadata), Sha256(body->vector)});
      if (hash != op.content_hash || body->kind != op.kind ||
          body->wall_ms != op.wall_ms) {
        Fail(absl::StrCat("op of \"", op.id, "\" is not the one of its body"));
      }
    }
  }

  // K1: the version vector is the last contiguous op.
  void CheckVectors() {
    std::map<std::tuple<uint32_t, uint16_t, uint32_t>, uint64_t> last;
    for (const StoredOp& stored : ops_) {  // In seq order.
      uint64_t& seq =
          last[{stored.stream.collection, stored.stream.shard, stored.origin}];
      if (stored.seq != seq + 1) {
        Fail(absl::StrCat("seq ", stored.seq, " follows ", seq));
      }
      seq = stored.seq;
    }
    size_t rows = 0;
    ForEach('v', [&](absl::string_view key, absl::string_view value) {
      Stream stream;
      uint32_t origin;
      const auto seq = DecodeU64(value);
      if (!ParseVectorKey(key, &stream, &origin) || !seq.ok()) return false;
      ++rows;
      if (last[{stream.collection, stream.shard, origin}] != *seq) {
        Fail(absl::StrCat("the version vector says ", *seq));
      }
      return true;
    });
    if (rows != last.size()) Fail("origins without a version vector row");
  }

  // K2: each head is the largest version of its record.
  void CheckHeads() {
    std::map<std::pair<StreamId, std::string>,
             std::pair<MergeKey, const StoredOp*>>
        largest;
    for (const StoredOp& stored : ops_) {
      const Origin& origin = origins_[stored.origin];
      const MergeKey key{
          {stored.op.lamport, origin.replica, origin.incarnation, stored.seq},
          stored.op.content_hash};
      auto& entry = largest[{{stored.stream.collection, stored.stream.shard},
                             stored.op.id}];
      if (entry.second == nullptr || entry.first < key) entry = {key, &stored};
    }
    ForEach('h', [&](absl::string_view key, absl::string_view value) {
      Stream stream;
      std::string id;
      const auto row = DecodeHeadRow(value);
      if (!ParseHeadKey(key, &stream, &id) || !row.ok()) return false;
      const auto found = largest.find({{stream.collection, stream.shard}, id});
      if (found == largest.end()) return false;
      const StoredOp& op = *found->second.second;
      if (op.op.body_dropped)
        Fail(absl::StrCat("the head of \"", id, "\" has no body"));
      if (row->lamport != op.op.lamport || row->origin != op.origin ||
          row->seq != op.seq || row->content_hash != op.op.content_hash ||
          row->tombstone != (op.op.kind != OpKind::kPut)) {
        Fail(
            absl::StrCat("the head of \"", id, "\" is not its newest version"));
      }
      head_feeds_[stream.collection].push_back(
          {row->feed, {op.stream.shard, op.origin, op.seq}});
      largest.erase(found);
      return true;
    });
    if (!largest.empty()) Fail("records without a head");
  }

  // K4: the feed names each op once, heads point to theirs.
  void CheckFeeds() {
    std::map<uint32_t, std::map<uint64_t, FeedRow>> feeds;
    std::set<std::tuple<uint32_t, uint16_t, uint32_t, uint64_t>> named;
    ForEach('f', [&](absl::string_view key, absl::string_view value) {
      uint32_t collection;
      uint64_t position;
      const auto row = DecodeFeedRow(value);
      if (!ParseFeedKey(key, &collection, &position) || !row.ok()) return false;
      feeds[collection][position] = *row;
      return named.insert({collection, row->shard, row->origin, row->seq})
          .second;
    });
    for (const StoredOp& stored : ops_) {
      if (named.erase({stored.stream.collection, stored.stream.shard,
                       stored.origin, stored.seq}) == 0) {
        Fail(absl::StrCat("op of \"", stored.op.id, "\" is not in the feed"));
      }
    }
    if (!named.empty()) Fail("the feed names ops that are not there");
    for (const auto& [collection, heads] : head_feeds_) {
      for (const auto& [position, want] : heads) {
        if (feeds[collection][position] != want) {
          Fail(absl::StrCat("feed position ", position, " is not its head's"));
        }
      }
    }
  }

  // K5: no op is later than its clock.
  void CheckClocks() {
    std::map<uint32_t, Lamport> clocks;
    ForEach('k', [&](absl::string_view key, absl::string_view value) {
      const auto row = DecodeClockRow(value);
      if (!row.ok()) return false;
      for (const auto& [number, uuid] : uuids_) {
        if (key == ClockKey(number)) clocks[number] = row->lamport;
      }
      return true;
    });
    for (const StoredOp& stored : ops_) {
      if (stored.op.lamport > clocks[stored.stream.collection]) {
        Fail(absl::StrCat("op of \"", stored.op.id, "\" is after the clock"));
      }
    }
  }

  const Store& store_;
  std::vector<std::string> found_;
  std::map<uint32_t, Origin> origins_;
  std::map<uint32_t, Uuid> uuids_;
  std::vector<StoredOp> ops_;
  std::map<uint32_t, std::vector<std::pair<uint64_t, FeedRow>>> head_feeds_;
};

}  // namespace

std::vector<std::string> FindViolations(const Store& store) {
  return Checker(store).Run();
}

}  // namespace corkscrew
