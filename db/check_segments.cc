#include "db/check_segments.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/status_macros.h"
#include "corkscrew/quantizer.h"
#include "db/body.h"
#include "db/check_fingerprint.h"
#include "db/collection_state.h"
#include "db/filter.h"
#include "db/index_files.h"
#include "db/index_rebuild.h"
#include "db/keys.h"
#include "db/metadata_columns.h"
#include "db/op.h"
#include "db/origin_table.h"
#include "db/purge.h"
#include "db/rescore_row.h"
#include "db/rows.h"
#include "db/segment.h"
#include "db/segment_catalogue.h"
#include "db/version_reader.h"
#include "quant/scan_layout.h"

namespace corkscrew {
namespace {

constexpr size_t kMostSidecarBytes = size_t{1} << 32;
// Of one segment; more of the same say nothing new.
constexpr size_t kMostFindingsOfSegment = 10;

constexpr absl::string_view kOpenAdvice =
    "open it: what it held is then made from the bodies again";
constexpr absl::string_view kSidecarAdvice =
    "nothing: opening reads the feed in its place, until the next segment is "
    "written";
constexpr absl::string_view kRepairAdvice =
    "repair a copy: corkscrew repair DIR --apply";

std::string RowName(absl::string_view key) {
  return absl::StrCat("row ", absl::BytesToHexString(key));
}
std::string FileName(const std::string& name) {
  return absl::StrCat("segments/", name);
}

using OpId = std::tuple<uint16_t, uint32_t, uint64_t>;  // shard, origin, seq
OpId IdOf(const BodyKey& key) { return {key.shard, key.origin, key.seq}; }

// The catalogue of one collection, its files, and their slots.
class CollectionSegments {
 public:
  CollectionSegments(const Store& store, const std::string& directory,
                     const OriginTable& origins,
                     const CollectionState& collection,
                     const Quantizer& quantizer, CheckSink* sink)
      : store_(store),
        files_(FileSystem::Real()),
        directory_(directory),
        origins_(origins),
        collection_(collection),
        quantizer_(quantizer),
        layout_(quantizer.params()),
        reader_(store, origins, collection),
        sink_(*sink) {}

  // Adds the names of the files that the catalogue has to *named.
  absl::Status Run(std::set<std::string>* named) {
    const bool readable = ReadCatalogue();
    for (const auto& [number, row] : rows_) {
      named->insert(SegmentFileName(uuid(), number));
    }
    if (catalogue_.has_value() && catalogue_->sidecar != 0) {
      named->insert(SidecarFileName(uuid(), catalogue_->sidecar));
    }
    if (!readable) return absl::OkStatus();
    if (!catalogue_.has_value()) {
      if (!rows_.empty()) {
        Mendable(RowName(SegmentKey(collection_.number(), 0)), "segments",
                 absl::StrCat("it is missing, and ", rows_.size(),
                              " segments are named"));
      }
      return absl::OkStatus();
    }
    if (!CheckPosition(catalogue_->covered)) {
      Mendable(RowName(SegmentKey(collection_.number(), 0)), "segments",
               absl::StrCat("the feed has another op at position ",
                            catalogue_->covered.feed));
      return absl::OkStatus();
    }
    if (!CheckFiles() || !sink_.deep()) return absl::OkStatus();
    return CheckSlots();
  }

 private:
  const Uuid& uuid() const { return collection_.row().uuid; }

  // Something that the next open mends by itself.
  void Mendable(std::string where, absl::string_view invariant,
                std::string what) {
    sink_.Add(CheckStatus::kRepairable, std::move(where), invariant,
              std::move(what), kOpenAdvice);
  }

  // False: a row is malformed.
  bool ReadCatalogue() {
    const std::string prefix = KindPrefix('s', collection_.number());
    const auto it =
        store_.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
    bool good = true;
    for (it->Seek(prefix); it->valid(); it->Next()) {
      uint32_t collection;
      uint64_t number = 0;
      bool parsed = ParseSegmentKey(it->key(), &collection, &number);
      if (parsed && number == 0) {
        const auto row = DecodeCatalogueRow(it->value());
        parsed = row.ok();
        if (parsed) catalogue_ = *row;
      } else if (parsed) {
        const auto row = DecodeSegmentRow(it->value());
        parsed = row.ok();
        if (parsed) rows_[number] = *row;
      }
      if (parsed) continue;
      good = false;
      sink_.Add(CheckStatus::kRepairable, RowName(it->key()), "form",
                "it is not what its writer can have written", kRepairAdvice);
    }
    return good && it->status().ok();  // A table: CheckRows() says so.
  }

  bool CheckPosition(const SegmentPosition& position) const {
    bool known = position.feed == 0;
    for (uint32_t i = 0; !known && i < origins_.size(); ++i) {
      known = origins_.Get(i)->incarnation == position.incarnation;
    }
    const absl::StatusOr<Hash16> hash =
        OpHashAt(store_, collection_.number(), position.feed);
    return known && hash.ok() && *hash == position.op_hash;
  }

  // Whether all files are there and what the catalogue says.
  bool CheckFiles() {
    bool good = true;
    const auto bad = [&](const std::string& name, std::string what) {
      Mendable(FileName(name), "segments", std::move(what));
      good = false;
    };
    for (const auto& [number, row] : rows_) {
      const std::string name = SegmentFileName(uuid(), number);
      const absl::StatusOr<uint64_t> size = files_.Size(PathOf(name));
      if (!size.ok()) {
        bad(name, std::string(size.status().message()));
      } else if (*size != row.file_bytes) {
        bad(name,
            absl::StrCat("it has ", *size, " bytes, want ", row.file_bytes));
      } else if (sink_.deep()) {
        OpenSegment(number, row, name, bad);
      }
    }
    if (catalogue_->sidecar == 0 || !good || !sink_.deep()) return good;
    const std::string name = SidecarFileName(uuid(), catalogue_->sidecar);
    const absl::Status applied = ApplySidecar(name);
    if (!applied.ok()) {
      sink_.Add(CheckStatus::kRepairable, FileName(name), "segments",
                std::string(applied.message()), kSidecarAdvice);
    }
    return good;
  }

  template <typename Bad>
  void OpenSegment(uint64_t number, const SegmentRow& row,
                   const std::string& name, const Bad& bad) {
    absl::StatusOr<std::shared_ptr<Segment>> segment =
        Segment::Open(files_, PathOf(name), SpaceOf(collection_.row()));
    if (!segment.ok()) {
      bad(name, std::string(segment.status().message()));
    } else if ((*segment)->hash() != row.hash ||
               (*segment)->header().number != number ||
               (*segment)->header().kind != row.kind ||
               (*segment)->slots() != row.slots) {
      bad(name, "it is another segment than the catalogue names");
    } else {
      segments_.emplace(number, *std::move(segment));
    }
  }

  absl::Status ApplySidecar(const std::string& name) {
    CORKSCREW_ASSIGN_OR_RETURN(const std::string bytes,
                               files_.Read(PathOf(name), kMostSidecarBytes));
    Hash16 hash;
    CORKSCREW_ASSIGN_OR_RETURN(const DiedSidecar sidecar,
                               DecodeDiedSidecar(bytes, &hash));
    if (hash != catalogue_->sidecar_hash || sidecar.collection != uuid() ||
        !CheckPosition(sidecar.position)) {
      return absl::DataLossError("it is another file than the catalogue names");
    }
    for (const auto& [number, slots] : sidecar.segments) {
      const auto found = segments_.find(number);
      if (found == segments_.end() || !found->second->live()) {
        return absl::DataLossError(absl::StrCat("it names segment ", number,
                                                ", which is no live one"));
      }
      for (const DiedSidecar::Slot& slot : slots) {
        if (slot.slot >= found->second->slots()) {
          return absl::DataLossError(
              absl::StrCat("it names slot ", slot.slot, " of segment ", number,
                           ", which has ", found->second->slots()));
        }
      }
    }
    for (const auto& [number, slots] : sidecar.segments) {
      for (const DiedSidecar::Slot& slot : slots) {
        segments_[number]->EndLife(slot.slot, slot.died);
      }
    }
    deaths_known_to_ =
        std::min(sidecar.position.feed, catalogue_->covered.feed);
    return absl::OkStatus();
  }

  // The ops behind a position of the feed.
  absl::Status ReadFeed(uint64_t after, std::set<OpId>* ops) {
    const std::string prefix = KindPrefix('f', collection_.number());
    const auto it =
        store_.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
    it->Seek(FeedKey(collection_.number(), after + 1));
    for (; it->valid(); it->Next()) {
      CORKSCREW_RETURN_IF_ERROR(sink_.CountRow());
      const absl::StatusOr<FeedRow> row = DecodeFeedRow(it->value());
      if (row.ok()) ops->emplace(row->shard, row->origin, row->seq);
    }
    return absl::OkStatus();
  }

  absl::Status CheckSlots() {
    CORKSCREW_RETURN_IF_ERROR(ReadFeed(catalogue_->covered.feed, &tail_));
    // Without a sidecar opening finds all deaths in the feed.
    if (deaths_known_to_ != 0) {
      CORKSCREW_RETURN_IF_ERROR(ReadFeed(deaths_known_to_, &late_));
    }
    const std::string prefix = BodyCollectionPrefix(collection_.number());
    bodies_ = store_.NewIterator(Family::kBodies, prefix, PrefixEnd(prefix));
    for (const auto& [number, segment] : segments_) {
      size_t wrong = 0;
      keys_of_slots_ = CountKeys(*segment);
      for (size_t slot = 0;
           slot < segment->slots() && wrong < kMostFindingsOfSegment; ++slot) {
        CORKSCREW_RETURN_IF_ERROR(sink_.CountRow());
        const std::string what = CheckSlot(*segment, slot);
        if (what.empty()) continue;
        ++wrong;
        const std::string name = FileName(SegmentFileName(uuid(), number));
        sink_.Add(CheckStatus::kRepairable, name, "index",
                  absl::StrCat("slot ", slot, " (\"",
                               absl::CHexEscape(segment->id(slot)), "\" at ",
                               segment->born(slot), "): ", what),
                  absl::StrCat("remove ", name, " and ", kOpenAdvice));
      }
      cut_short_ = cut_short_ || wrong == kMostFindingsOfSegment;
    }
    return CheckNoneMissing(prefix);
  }

  // What is wrong with a slot, or "".
  std::string CheckSlot(const Segment& segment, size_t slot) {
    const BodyKey key = segment.body(slot);
    const Stream stream{collection_.number(), key.shard};
    const auto op_row =
        store_.Get(Family::kRows, OpKey(stream, key.origin, key.seq));
    if (!op_row.ok()) return "";  // A table: CheckRows() says so.
    if (!op_row->has_value()) return "there is no such op";
    const absl::StatusOr<Op> op = DecodeOp(**op_row);
    if (!op.ok()) return "";
    if (op->id != key.id || op->lamport != key.lamport ||
        op->kind != OpKind::kPut) {
      return absl::StrCat("its op is of \"", absl::CHexEscape(op->id), "\" at ",
                          op->lamport);
    }
    if (op->body_dropped) return CheckForgotten(key);
    slots_.Add({key.shard, key.origin, key.seq});
    const std::string row_key = BodyRowKey(collection_.number(), key);
    bodies_->Seek(row_key);
    if (!bodies_->valid() || bodies_->key() != row_key) return "";  // K3.
    IndexRow row;
    row.key = row_key;
    row.value = std::string(bodies_->value());
    if (!DecodeIndexRow(reader_, collection_, quantizer_, &row).ok()) return "";
    std::vector<uint8_t> prefix(layout_.prefix_bytes);
    const CodeScalars scalars = segment.ReadCode(slot, prefix.data()).scalars;
    if (CanonicalCode(segment, slot, layout_, quantizer_.code_bytes()) !=
            row.code ||
        std::memcmp(&scalars, &row.scalars, sizeof(scalars)) != 0) {
      return "its code is not that of the vector";
    }
    if (!row.original.empty()) {
      std::string rescore(RescoreRowBytes(row.original.size()), '\0');
      WriteRescoreRow(row.original, rescore.data());
      if (segment.rescore_row(slot) != rescore) {
        return "its row of the rescore column is not that of the vector";
      }
    }
    if (!HasMetadata(segment.metadata(), slot, row.metadata)) {
      return "its metadata is another";
    }
    if (segment.live() && segment.FindLatest(key.id) != slot) {
      return "the table of ids does not have it";
    }
    return CheckDeath(segment, slot, key);
  }

  // How many metadata keys each slot has.
  static std::vector<uint32_t> CountKeys(const Segment& segment) {
    std::vector<uint32_t> counts(segment.slots());
    const MetadataColumns& columns = segment.metadata();
    for (size_t k = 0; k < columns.keys(); ++k) {
      columns.ForEach(k, segment.slots(),
                      [&counts](uint32_t slot, uint32_t) { ++counts[slot]; });
    }
    return counts;
  }

  // Whether that is all that the columns have of the slot.
  bool HasMetadata(const MetadataColumns& columns, size_t slot,
                   const Metadata& metadata) const {
    for (const auto& [key, value] : metadata) {
      const size_t k = columns.Find(key);
      if (k == MetadataColumns::kNoKey) return false;
      const uint32_t number = columns.number(k, slot);
      if (number == 0 ||
          DictionaryOrder(columns.value(k, number), ViewOf(value)) != 0) {
        return false;
      }
    }
    return keys_of_slots_[slot] == metadata.size();
  }

  // A slot whose body was dropped: retention leaves it until the segment is
  // written anew, a purge does not.
  std::string CheckForgotten(const BodyKey& key) const {
    const auto value = store_.Get(
        Family::kRows, PurgeKey({collection_.number(), key.shard}, key.id));
    if (!value.ok() || !value->has_value()) return "";
    const absl::StatusOr<PurgeRow> mark = DecodePurgeRow(**value);
    return mark.ok() && mark->erased && key.lamport < mark->lamport
               ? "it was purged"
               : "";
  }

  // The version that ends the life of `key`, the next larger one by the merge
  // order; nullopt: none, or it can not be read. bodies_ is at the row of
  // `key`.
  std::optional<BodyKey> Successor(const BodyKey& key) {
    const absl::StatusOr<Version> own = reader_.VersionOf(key);
    if (!own.ok()) return std::nullopt;
    std::optional<std::pair<Version, BodyKey>> next;
    const auto consider = [&] {  // False: of another record, or time.
      uint32_t number;
      BodyKey other;
      if (!bodies_->valid() ||
          !ParseBodyRowKey(bodies_->key(), &number, &other) ||
          other.id != key.id || other.shard != key.shard) {
        return false;
      }
      const absl::StatusOr<Version> version = reader_.VersionOf(other);
      if (version.ok() && *own < *version &&
          (!next.has_value() || *version < next->first)) {
        next.emplace(*version, other);
      }
      return next.has_value() ? other.lamport == next->first.lamport
                              : other.lamport == key.lamport;
    };
    const std::string start(bodies_->key());
    while (bodies_->valid() && consider()) bodies_->Next();  // Equal times.
    bodies_->Seek(start);
    // Not valid: a table that can not be read.
    do {
      if (bodies_->valid()) bodies_->Prev();
    } while (consider());
    if (!next.has_value()) return std::nullopt;
    return next->second;
  }

  std::string CheckDeath(const Segment& segment, size_t slot,
                         const BodyKey& key) {
    const std::optional<BodyKey> next = Successor(key);
    const Lamport died = segment.died(slot);
    if (died == SlotBlock::kAlive) {
      // Opening ends lives by the ops that the files do not know.
      const bool due = next.has_value() && deaths_known_to_ != 0 &&
                       late_.count(IdOf(*next)) == 0;
      return due ? absl::StrCat("it is alive, but died at ", next->lamport)
                 : "";
    }
    if (next.has_value() && died == next->lamport) return "";
    // What ended it may have been dropped since.
    const bool pruned = collection_.moments.floor() != 0;
    if (pruned && died >= key.lamport &&
        (!next.has_value() || died <= next->lamport)) {
      return "";
    }
    return absl::StrCat(
        "it died at ", died, ", want ",
        next.has_value() ? absl::StrCat(next->lamport) : "that it is alive");
  }

  // Each version that is held and not in the tail has one slot.
  absl::Status CheckNoneMissing(const std::string& prefix) {
    Fingerprint want;
    for (bodies_->Seek(prefix); bodies_->valid(); bodies_->Next()) {
      CORKSCREW_RETURN_IF_ERROR(sink_.CountRow());
      uint32_t number;
      BodyKey key;
      if (!ParseBodyRowKey(bodies_->key(), &number, &key)) continue;
      const absl::StatusOr<Body> body =
          DecodeBody(bodies_->key(), bodies_->value());
      if (!body.ok()) cut_short_ = true;  // CheckRows() says so.
      if (!body.ok() || body->kind != OpKind::kPut) continue;
      if (tail_.count(IdOf(key)) == 0) {
        want.Add({key.shard, key.origin, key.seq});
      }
    }
    if (!bodies_->status().ok() || cut_short_ || slots_ == want) {
      return absl::OkStatus();
    }
    Mendable(FileName(absl::StrCat(uuid().ToString(), "-*.seg")), "index",
             absl::StrCat("collection \"", collection_.row().name, "\" has ",
                          slots_.count, " slots for ", want.count,
                          " versions, which are not the same"));
    return absl::OkStatus();
  }

  std::string PathOf(const std::string& name) const {
    return absl::StrCat(directory_, "/", name);
  }

  const Store& store_;
  FileSystem& files_;
  const std::string& directory_;
  const OriginTable& origins_;
  const CollectionState& collection_;
  const Quantizer& quantizer_;
  const ScanLayout layout_;
  const VersionReader reader_;  // Only its const methods.
  CheckSink& sink_;

  std::optional<CatalogueRow> catalogue_;
  std::map<uint64_t, SegmentRow> rows_;
  std::map<uint64_t, std::shared_ptr<Segment>> segments_;
  uint64_t deaths_known_to_ = 0;  // Position of the feed.
  std::set<OpId> tail_;           // Ops that are in no segment,
  std::set<OpId> late_;           // and whose deaths are in no file.
  std::unique_ptr<RowIterator> bodies_;
  std::vector<uint32_t> keys_of_slots_;  // Of the segment that is checked.
  Fingerprint slots_;
  bool cut_short_ = false;  // Not all slots or bodies were read.
};

absl::Status CheckStrays(const std::string& directory,
                         const std::set<std::string>& named, CheckSink* sink) {
  if (!FileSystem::Real().Exists(directory)) return absl::OkStatus();
  const absl::StatusOr<std::vector<std::string>> names =
      FileSystem::Real().List(directory);
  if (!names.ok()) return absl::OkStatus();
  for (const std::string& name : *names) {
    if (named.count(name) != 0) continue;
    sink->Add(CheckStatus::kRepairable, FileName(name), "segments",
              "no row of the catalogue names it", "open it: it goes then");
  }
  return absl::OkStatus();
}

// The origin dictionary; false: it can not be read, which CheckRows() says.
bool ReadOrigins(const Store& store, OriginTable* origins) {
  const std::string prefix = KindPrefix('a');
  const auto it = store.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
  for (it->Seek(prefix); it->valid(); it->Next()) {
    const absl::StatusOr<Origin> origin = DecodeOriginRow(it->value());
    if (!origin.ok()) return false;
    origins->Add(*origin);
  }
  return it->status().ok();
}

}  // namespace

absl::Status CheckSegments(const Store& store, const std::string& directory,
                           CheckSink* sink) {
  OriginTable origins;
  if (!ReadOrigins(store, &origins)) return absl::OkStatus();
  std::set<std::string> named;
  const std::string prefix = KindPrefix('c');
  const auto it = store.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
  for (it->Seek(prefix); it->valid(); it->Next()) {
    uint32_t number;
    const absl::StatusOr<CollectionRow> row = DecodeCollectionRow(it->value());
    if (!ParseCollectionKey(it->key(), &number) || !row.ok()) {
      return absl::OkStatus();  // Then files can not be told from strays.
    }
    if (row->state != LiveState::kLive) continue;
    const absl::StatusOr<Quantizer> quantizer =
        Quantizer::Create(row->descriptor.quantizer);
    if (!quantizer.ok()) return absl::OkStatus();
    CollectionState collection(number, *row, nullptr);
    const auto clock = store.Get(Family::kRows, ClockKey(number));
    if (clock.ok() && clock->has_value()) {
      const absl::StatusOr<ClockRow> value = DecodeClockRow(**clock);
      if (value.ok()) {
        collection.writer.clock = value->lamport;
        collection.moments.RaiseFloor(value->floor);
      }
    }
    CORKSCREW_RETURN_IF_ERROR(CollectionSegments(store, directory, origins,
                                                 collection, *quantizer, sink)
                                  .Run(&named));
  }
  if (!it->status().ok()) return absl::OkStatus();
  return CheckStrays(directory, named, sink);
}

}  // namespace corkscrew
