#include "db/check_rows.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "db/aliases.h"
#include "db/body.h"
#include "db/check_fingerprint.h"
#include "db/index.h"
#include "db/keys.h"
#include "db/merge_order.h"
#include "db/op.h"
#include "db/origin_table.h"
#include "db/rows.h"

namespace corkscrew {
namespace {

constexpr uint64_t kRowsPerCall = 4096;

constexpr absl::string_view kRepairAdvice =
    "repair a copy: corkscrew repair DIR --apply";
constexpr absl::string_view kLossAdvice =
    "restore a backup, or keep what is left: corkscrew repair DIR "
    "--accept-loss --apply";

std::string RowName(absl::string_view key) {
  return absl::StrCat("row ", absl::BytesToHexString(key));
}
std::string BodyName(absl::string_view key) {
  return absl::StrCat("body ", absl::BytesToHexString(key));
}

// What the passes learn of a collection.
struct Collection {
  std::string name = {};
  Uuid uuid = {};
  bool live = true;
  Lamport last_op = 0;
  uint64_t bodies_due = 0;  // Ops whose bodies were not dropped,
  uint64_t bodies = 0;      // and bodies.
  uint64_t tombstones = 0;
  Fingerprint ops = {};
  Fingerprint feed = {};
};

class RowChecker {
 public:
  RowChecker(const Store& store, CheckSink* sink)
      : store_(store), sink_(*sink) {}

  absl::Status Run() {
    collections_[0] = {.name = "_system", .uuid = SystemCollectionUuid()};
    CORKSCREW_RETURN_IF_ERROR(CheckDictionaries());
    CORKSCREW_RETURN_IF_ERROR(CheckOps());
    CORKSCREW_RETURN_IF_ERROR(CheckVectors());
    CORKSCREW_RETURN_IF_ERROR(CheckHeads());
    CORKSCREW_RETURN_IF_ERROR(CheckFeed());
    CORKSCREW_RETURN_IF_ERROR(CheckBodies());
    CORKSCREW_RETURN_IF_ERROR(CheckClocks());
    CORKSCREW_RETURN_IF_ERROR(CheckTimesAndRequests());
    for (const auto& [number, collection] : collections_) {
      sink_.report().versions += collection.bodies;
      if (number != 0 && collection.live) ++sink_.report().collections;
    }
    return absl::OkStatus();
  }

 private:
  using OriginId = std::tuple<uint32_t, uint16_t, uint32_t>;

  void Repairable(std::string where, absl::string_view invariant,
                  std::string what) {
    sink_.Add(CheckStatus::kRepairable, std::move(where), invariant,
              std::move(what), kRepairAdvice);
  }
  void Lost(std::string where, absl::string_view invariant, std::string what) {
    sink_.Add(CheckStatus::kDataLoss, std::move(where), invariant,
              std::move(what), kLossAdvice);
  }

  // Calls `visit` with each row; false: it is malformed, which is `severity`.
  absl::Status ForEach(
      Family family, const std::string& begin, const std::string& end,
      CheckStatus severity,
      absl::FunctionRef<bool(absl::string_view, absl::string_view)> visit) {
    const auto it = store_.NewIterator(family, begin, end);
    for (it->Seek(begin); it->valid(); it->Next()) {
      CORKSCREW_RETURN_IF_ERROR(sink_.CountRow());
      if (!visit(it->key(), it->value())) {
        sink_.Add(
            severity,
            family == Family::kRows ? RowName(it->key()) : BodyName(it->key()),
            "form", "it is not what its writer can have written",
            severity == CheckStatus::kDataLoss ? kLossAdvice : kRepairAdvice);
      }
    }
    if (!it->status().ok()) {
      cut_short_ = true;
      Lost(family == Family::kRows ? "store (small rows)" : "store (bodies)",
           "table", std::string(it->status().message()));
    }
    return absl::OkStatus();
  }
  absl::Status ForEach(
      char kind, CheckStatus severity,
      absl::FunctionRef<bool(absl::string_view, absl::string_view)> visit) {
    const std::string prefix = KindPrefix(kind);
    return ForEach(Family::kRows, prefix, PrefixEnd(prefix), severity, visit);
  }

  // The value of a row; nullopt if it is missing or can not be read.
  std::optional<std::string> Read(Family family, const std::string& key) {
    absl::StatusOr<std::optional<std::string>> value = store_.Get(family, key);
    if (value.ok()) return *std::move(value);
    Lost(family == Family::kRows ? RowName(key) : BodyName(key), "table",
         std::string(value.status().message()));
    return std::nullopt;
  }
  std::optional<Op> ReadOp(Stream stream, uint32_t origin, uint64_t seq) {
    const auto value = Read(Family::kRows, OpKey(stream, origin, seq));
    if (!value.has_value()) return std::nullopt;
    absl::StatusOr<Op> op = DecodeOp(*value);
    if (!op.ok()) return std::nullopt;
    return *std::move(op);
  }

  // Null: it was dropped, or never was.
  Collection* FindLive(uint32_t number) {
    const auto found = collections_.find(number);
    return found == collections_.end() || !found->second.live ? nullptr
                                                              : &found->second;
  }

  std::optional<MergeKey> KeyOf(Lamport lamport, uint32_t origin, uint64_t seq,
                                const Hash16& hash) const {
    const auto found = origins_.find(origin);
    if (found == origins_.end()) return std::nullopt;
    return MergeKey{
        {lamport, found->second.replica, found->second.incarnation, seq}, hash};
  }

  absl::Status CheckDictionaries() {
    CORKSCREW_RETURN_IF_ERROR(
        ForEach('a', CheckStatus::kUnreadable,
                [&](absl::string_view key, absl::string_view value) {
                  uint32_t number;
                  const auto row = DecodeOriginRow(value);
                  if (!ParseOriginKey(key, &number) || !row.ok() ||
                      number != origins_.size()) {
                    return false;
                  }
                  origins_[number] = *row;
                  return true;
                }));
    CORKSCREW_RETURN_IF_ERROR(ForEach(
        'c', CheckStatus::kUnreadable,
        [&](absl::string_view key, absl::string_view value) {
          uint32_t number;
          const auto row = DecodeCollectionRow(value);
          if (!ParseCollectionKey(key, &number) || !row.ok() || number == 0) {
            return false;
          }
          collections_[number] = {.name = row->name,
                                  .uuid = row->uuid,
                                  .live = row->state == LiveState::kLive};
          return true;
        }));
    return CheckNames();
  }

  // The name rows are those of live collections and of their aliases.
  absl::Status CheckNames() {
    std::map<std::string, uint32_t> want;
    std::map<Uuid, uint32_t> live;
    for (const auto& [number, collection] : collections_) {
      if (number == 0 || !collection.live) continue;
      want[collection.name] = number;
      live[collection.uuid] = number;
    }
    OriginTable origins;
    for (const auto& [number, origin] : origins_) origins.Add(origin);
    const auto aliases = ReadAliases(store_, origins);
    // What is wrong with such a record is found with the bodies.
    if (aliases.ok()) {
      for (const auto& [name, uuid] : *aliases) {
        if (live.count(uuid) != 0) want.emplace(name, live[uuid]);
      }
    }
    CORKSCREW_RETURN_IF_ERROR(
        ForEach('n', CheckStatus::kRepairable,
                [&](absl::string_view key, absl::string_view value) {
                  std::string name;
                  const auto number = DecodeU32(value);
                  if (!ParseNameKey(key, &name) || !number.ok()) return false;
                  const auto found = want.find(name);
                  if (found == want.end()) return !aliases.ok();
                  const bool right = found->second == *number;
                  want.erase(found);
                  return right;
                }));
    for (const auto& [name, number] : want) {
      const std::string& collection = collections_[number].name;
      Repairable(RowName(NameKey(name)), "names",
                 name == collection
                     ? absl::StrCat("collection \"", name, "\" has no name row")
                     : absl::StrCat("alias \"", name, "\" of collection \"",
                                    collection, "\" has no name row"));
    }
    return absl::OkStatus();
  }

  // K2 (no op is larger than its head), and what the other passes need.
  absl::Status CheckOps() {
    OriginId current = {};
    uint64_t last = 0;
    const auto finish = [&] {
      if (last != 0) contiguous_.emplace(current, contiguous_seq_);
    };
    CORKSCREW_RETURN_IF_ERROR(
        ForEach('o', CheckStatus::kDataLoss,
                [&](absl::string_view key, absl::string_view value) {
                  Stream stream;
                  uint32_t origin;
                  uint64_t seq;
                  if (!ParseOpKey(key, &stream, &origin, &seq)) return false;
                  Collection* collection = FindLive(stream.collection);
                  if (collection == nullptr) {
                    Repairable(RowName(key), "collections",
                               "an op of a collection that is not there");
                    return true;
                  }
                  const OriginId id(stream.collection, stream.shard, origin);
                  if (id != current || last == 0) {
                    finish();
                    current = id;
                    last = contiguous_seq_ = 0;
                  }
                  if (seq == contiguous_seq_ + 1) contiguous_seq_ = seq;
                  last = seq;
                  const absl::StatusOr<Op> op = DecodeOp(value);
                  if (!op.ok()) return false;
                  CheckOp(stream, origin, seq, *op, collection);
                  return true;
                }));
    finish();
    return absl::OkStatus();
  }

  void CheckOp(Stream stream, uint32_t origin, uint64_t seq, const Op& op,
               Collection* collection) {
    collection->last_op = std::max(collection->last_op, op.lamport);
    if (!op.body_dropped) ++collection->bodies_due;
    collection->ops.Add({stream.shard, origin, seq});
    const std::optional<MergeKey> own =
        KeyOf(op.lamport, origin, seq, op.content_hash);
    if (!own.has_value()) {
      sink_.Add(CheckStatus::kUnreadable, RowName(OpKey(stream, origin, seq)),
                "origins", absl::StrCat("origin ", origin, " is not known"),
                kLossAdvice);
      return;
    }
    // A head is the largest of the versions whose bodies are held.
    if (op.body_dropped) return;
    const std::string head_key = HeadKey(stream, op.id);
    const auto value = Read(Family::kRows, head_key);
    if (!value.has_value()) {
      Repairable(RowName(head_key), "K2", "a record has no head");
      return;
    }
    const absl::StatusOr<HeadRow> head = DecodeHeadRow(*value);
    if (!head.ok()) return;  // Reported with the heads.
    const std::optional<MergeKey> largest =
        KeyOf(head->lamport, head->origin, head->seq, head->content_hash);
    if (largest.has_value() && *largest < *own) {
      Repairable(RowName(head_key), "K2",
                 absl::StrCat("the head is at Lamport time ", head->lamport,
                              ", a larger version at ", op.lamport));
    }
  }

  std::string OriginName(uint32_t origin) const {
    const auto found = origins_.find(origin);
    if (found == origins_.end()) return absl::StrCat(origin);
    return absl::StrCat(found->second.replica.ToString(), "/",
                        found->second.incarnation);
  }

  // K1: the version vector.
  absl::Status CheckVectors() {
    std::map<OriginId, uint64_t> due = contiguous_;
    CORKSCREW_RETURN_IF_ERROR(ForEach(
        'v', CheckStatus::kRepairable,
        [&](absl::string_view key, absl::string_view value) {
          Stream stream;
          uint32_t origin;
          const auto seq = DecodeU64(value);
          if (!ParseVectorKey(key, &stream, &origin) || !seq.ok()) {
            return false;
          }
          const OriginId id(stream.collection, stream.shard, origin);
          const auto found = due.find(id);
          const uint64_t want = found == due.end() ? 0 : found->second;
          if (*seq > want && !cut_short_) {
            Lost(RowName(key), "K1",
                 absl::StrCat("the version vector says ", *seq,
                              ", the last contiguous op is ", want));
          } else if (*seq < want) {
            Repairable(RowName(key), "K1",
                       absl::StrCat("the version vector says ", *seq,
                                    ", the last contiguous op is ", want));
          }
          if (found != due.end()) due.erase(found);
          return true;
        }));
    for (const auto& [id, seq] : due) {
      if (seq == 0) continue;
      Repairable(RowName(VectorKey({std::get<0>(id), std::get<1>(id)},
                                   std::get<2>(id))),
                 "K1", absl::StrCat("it is missing, want ", seq));
    }
    return absl::OkStatus();
  }

  // K2: each head is one of the ops, and knows its place in the feed.
  absl::Status CheckHeads() {
    return ForEach(
        'h', CheckStatus::kRepairable,
        [&](absl::string_view key, absl::string_view value) {
          Stream stream;
          std::string id;
          if (!ParseHeadKey(key, &stream, &id)) return false;
          Collection* collection = FindLive(stream.collection);
          const auto row = DecodeHeadRow(value);
          if (collection == nullptr || !row.ok()) return false;
          ++sink_.report().records;
          if (row->tombstone) ++collection->tombstones;
          const auto op = ReadOp(stream, row->origin, row->seq);
          if (!op.has_value() || op->id != id || op->lamport != row->lamport ||
              op->content_hash != row->content_hash ||
              (op->kind != OpKind::kPut) != row->tombstone) {
            Repairable(RowName(key), "K2",
                       absl::StrCat("the head of \"", absl::CHexEscape(id),
                                    "\" is none of its versions"));
            return true;
          }
          if (op->body_dropped) {
            Lost(RowName(key), "K3",
                 absl::StrCat("the body of the current version of \"",
                              absl::CHexEscape(id), "\" was dropped"));
          }
          const auto feed =
              Read(Family::kRows, FeedKey(stream.collection, row->feed));
          if (feed != Encode(FeedRow{stream.shard, row->origin, row->seq})) {
            Repairable(RowName(key), "K4",
                       absl::StrCat("feed position ", row->feed,
                                    " is not that of the head of \"",
                                    absl::CHexEscape(id), "\""));
          }
          return true;
        });
  }

  // K4: the feed names each op once.
  absl::Status CheckFeed() {
    CORKSCREW_RETURN_IF_ERROR(
        ForEach('f', CheckStatus::kRepairable,
                [&](absl::string_view key, absl::string_view value) {
                  uint32_t number;
                  uint64_t position;
                  const auto row = DecodeFeedRow(value);
                  if (!ParseFeedKey(key, &number, &position) || !row.ok()) {
                    return false;
                  }
                  Collection* collection = FindLive(number);
                  if (collection == nullptr) return false;
                  collection->feed.Add(*row);
                  return true;
                }));
    for (const auto& [number, collection] : collections_) {
      if (!collection.live || collection.feed == collection.ops || cut_short_) {
        continue;
      }
      Repairable(RowName(KindPrefix('f', number)), "K4",
                 absl::StrCat("the feed of collection \"", collection.name,
                              "\" names ", collection.feed.count,
                              " ops, which are not its ", collection.ops.count,
                              " ops, each once"));
    }
    return absl::OkStatus();
  }

  // K3: bodies and ops belong to each other.
  absl::Status CheckBodies() {
    const std::string all_end(8, '\xFF');
    CORKSCREW_RETURN_IF_ERROR(ForEach(
        Family::kBodies, "", all_end, CheckStatus::kRepairable,
        [&](absl::string_view key, absl::string_view value) {
          uint32_t number;
          BodyKey body_key;
          if (!ParseBodyRowKey(key, &number, &body_key)) return false;
          Collection* collection = FindLive(number);
          if (collection == nullptr) return false;
          const auto op =
              ReadOp({number, body_key.shard}, body_key.origin, body_key.seq);
          if (!op.has_value() || op->body_dropped || op->id != body_key.id ||
              op->lamport != body_key.lamport) {
            Repairable(BodyName(key), "K3", "no op has this body");
            return true;
          }
          ++collection->bodies;
          if (sink_.deep()) {
            CheckContent(key, value, number, body_key, *op, *collection);
          }
          return true;
        }));
    for (const auto& [number, collection] : collections_) {
      if (collection.live && collection.bodies != collection.bodies_due) {
        CORKSCREW_RETURN_IF_ERROR(FindMissingBodies(number, collection));
      }
    }
    return absl::OkStatus();
  }

  void CheckContent(absl::string_view key, absl::string_view value,
                    uint32_t number, const BodyKey& body_key, const Op& op,
                    const Collection& collection) {
    const absl::StatusOr<Body> body = DecodeBody(key, value);
    if (!body.ok()) {
      Lost(BodyName(key), "K3", std::string(body.status().message()));
      return;
    }
    const auto origin = origins_.find(body_key.origin);
    if (origin == origins_.end()) return;  // Reported with the op.
    const Hash16 hash =
        ContentHash(collection.uuid, body_key.shard, op, origin->second.replica,
                    origin->second.incarnation, body_key.seq,
                    {Sha256(body->text), Sha256(body->metadata),
                     VectorHash(body->form, body->vector)});
    if (hash != op.content_hash || body->kind != op.kind ||
        body->wall_ms != op.wall_ms || body->expires_ms != op.expires_ms) {
      Lost(BodyName(key), "K3",
           absl::StrCat("the content hash of op ", body_key.seq,
                        " of collection number ", number, " is another"));
    }
  }

  absl::Status FindMissingBodies(uint32_t number,
                                 const Collection& collection) {
    const std::string prefix = KindPrefix('o', number);
    return ForEach(
        Family::kRows, prefix, PrefixEnd(prefix), CheckStatus::kDataLoss,
        [&](absl::string_view key, absl::string_view value) {
          Stream stream;
          uint32_t origin;
          uint64_t seq;
          const auto op = DecodeOp(value);
          if (!ParseOpKey(key, &stream, &origin, &seq) || !op.ok() ||
              op->body_dropped) {
            return true;  // Reported with the ops.
          }
          const std::string body_key = BodyRowKey(
              number, {stream.shard, op->id, op->lamport, origin, seq});
          const auto body = store_.Get(Family::kBodies, body_key);
          if (!body.ok() || !body->has_value()) {
            Lost(BodyName(body_key), "K3",
                 absl::StrCat("collection \"", collection.name, "\": version ",
                              OriginName(origin), "/", seq, " of \"",
                              absl::CHexEscape(op->id), "\" has no body",
                              body.ok() ? "" : ": ",
                              body.ok() ? "" : body.status().message()));
          }
          return true;
        });
  }

  // K5, and the counts in the clock.
  absl::Status CheckClocks() {
    for (const auto& [number, collection] : collections_) {
      if (!collection.live) continue;
      const std::string key = ClockKey(number);
      const auto value = Read(Family::kRows, key);
      if (!value.has_value()) {
        if (number != 0 || collection.last_op != 0) {
          Repairable(RowName(key), "K5", "the clock is missing");
        }
        continue;
      }
      const absl::StatusOr<ClockRow> clock = DecodeClockRow(*value);
      if (!clock.ok()) {
        Repairable(RowName(key), "form", std::string(clock.status().message()));
        continue;
      }
      if (clock->lamport < collection.last_op) {
        Repairable(RowName(key), "K5",
                   absl::StrCat("the clock is at ", clock->lamport,
                                ", the last op at ", collection.last_op));
      }
      if (!cut_short_ && (clock->versions != collection.bodies ||
                          clock->tombstones != collection.tombstones)) {
        Repairable(
            RowName(key), "counts",
            absl::StrCat("it counts ", clock->versions, " versions and ",
                         clock->tombstones, " tombstones, there are ",
                         collection.bodies, " and ", collection.tombstones));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckTimesAndRequests() {
    uint32_t current = 0;
    Lamport last = 0;
    CORKSCREW_RETURN_IF_ERROR(
        ForEach('x', CheckStatus::kRepairable,
                [&](absl::string_view key, absl::string_view value) {
                  uint32_t number;
                  uint64_t wall_ms;
                  const auto lamport = DecodeU64(value);
                  if (!ParseWallKey(key, &number, &wall_ms) || !lamport.ok() ||
                      FindLive(number) == nullptr) {
                    return false;
                  }
                  if (number != current) last = 0;
                  current = number;
                  if (*lamport <= last) return false;
                  last = *lamport;
                  return true;
                }));
    return ForEach('i', CheckStatus::kRepairable,
                   [&](absl::string_view key, absl::string_view value) {
                     Stream stream;
                     std::string id;
                     return ParseRequestKey(key, &stream, &id) &&
                            FindLive(stream.collection) != nullptr &&
                            DecodeRequestRow(value).ok();
                   });
  }

  const Store& store_;
  CheckSink& sink_;
  std::map<uint32_t, Origin> origins_;
  std::map<uint32_t, Collection> collections_;
  std::map<OriginId, uint64_t> contiguous_;
  uint64_t contiguous_seq_ = 0;
  // A table can not be read on, so that counts say nothing.
  bool cut_short_ = false;
};

}  // namespace

void CheckSink::Add(CheckStatus severity, std::string where,
                    absl::string_view invariant, std::string what,
                    absl::string_view advice) {
  report_.status = std::max(report_.status, severity);
  ++report_.found;
  if (report_.findings.size() >= options_.max_findings) return;
  report_.findings.push_back({severity, std::move(where),
                              std::string(invariant), std::move(what),
                              std::string(advice)});
}

absl::Status CheckSink::CountRow() {
  if (++rows_ % kRowsPerCall != 0) return absl::OkStatus();
  if (options_.progress != nullptr) options_.progress(rows_);
  if (options_.cancelled != nullptr && options_.cancelled()) {
    return absl::CancelledError("the check was cancelled");
  }
  return absl::OkStatus();
}

absl::Status CheckRows(const Store& store, CheckSink* sink) {
  return RowChecker(store, sink).Run();
}

}  // namespace corkscrew
